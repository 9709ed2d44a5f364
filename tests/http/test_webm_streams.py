"""Streams of WebM from recorders of browsers: answered like the upload of the same bytes, and within limits."""

import io
import time

import av
import numpy as np
import psutil
import pytest

from tests.fixtures.recorders import stream, webm
from tests.fixtures.serving import RATE_HZ, to_wav, tone
from tests.http.test_streams import assert_refused, talk_to

START = {"format": "webm"}


@pytest.fixture(scope="module")
def recorded(talk) -> bytes:
    return webm(talk)


def vorbis(samples: np.ndarray) -> bytes:
    """The packets of an Ogg file, in WebM."""
    ogg, content = io.BytesIO(to_wav(samples, format="OGG", subtype="VORBIS")), io.BytesIO()
    with av.open(ogg) as container, av.open(content, "w", format="webm") as output:
        track = output.add_stream_from_template(container.streams.audio[0])
        for packet in container.demux():
            if packet.dts is not None:
                packet.stream = track
                output.mux(packet)
    return content.getvalue()


def decoders() -> list[psutil.Process]:
    mine = psutil.Process().children(recursive=True)
    return [child for child in mine if "deepemo.serving.webm_process" in child.cmdline()]


def upload(client, content, **params):
    return client.post("/v1/recognitions", files={"file": ("a.webm", content)}, params=params)


def assert_answered_as_upload(client, told, content, **params):
    """All but the first and the last message; the last one is the answer to the upload."""
    messages, code = told
    assert code == 1000, messages[-1]
    assert [message["type"] for message in messages] == ["ready", *["answer"] * (len(messages) - 2), "recognition"]
    expected = upload(client, content, **params).json()
    assert {name: value for name, value in messages[-1].items() if name != "type"} == expected
    return messages[1:-1], expected


def test_a_voice_that_is_known_is_answered_with_its_reference(serve, comparing):
    client, recorded = serve(comparing), webm(tone(6, 0.1))
    made = client.post("/v1/voice", files=[("file", ("a", to_wav(tone(2, level)))) for level in (0.5, 0.6)])
    messages, code = talk_to(client, recorded, START | {"voice": made.json()})
    assert (code, messages[0]["voice"]["used"]) == (1000, True)
    assert {message["window"]["answer"] for message in messages[1:-1]} == {"sad"}
    form = [("file", ("a.webm", recorded)), ("voice", (None, made.text))]
    upload = client.post("/v1/recognitions", files=form).json()
    assert {name: value for name, value in messages[-1].items() if name != "type"} == upload


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [997, 16_001, 10**6])
def test_a_streamed_recording_is_answered_as_its_upload(serve, recognizer, recorded, chunk):
    client = serve(recognizer)
    answers, whole = assert_answered_as_upload(client, talk_to(client, recorded, START, chunk=chunk), recorded)
    assert (whole["answer"], whole["recording"]["container"]) == ("happy", "matroska")
    windows = {window["start_seconds"]: window for window in whole["timeline"]["windows"]}
    full = [answer["window"] for answer in answers if answer["is_full"]]
    assert [window["start_seconds"] for window in full] == list(range(len(full)))
    assert len(full) == len(windows) - 1, "the last window of a file ends where the file does"
    # The stream decides on voice from a few seconds, the upload from the whole recording. At most one window at the
    # edge of a pause differs.
    assert sum(window == windows[window["start_seconds"]] for window in full) >= len(full) - 1
    assert decoders() == []


@pytest.mark.slow
def test_bytes_one_by_one_are_the_same_stream(serve, recognizer, speech):
    content = webm(speech[: RATE_HZ // 2])
    client = serve(recognizer)
    assert_answered_as_upload(client, talk_to(client, content, START, chunk=1), content)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda talk: webm(np.stack([talk, 0.1 * talk], axis=1), layout="stereo"), id="stereo"),
        pytest.param(lambda talk: vorbis(talk), id="vorbis"),
        pytest.param(lambda talk: stream(talk, "webm", "libopus"), id="not live"),
        pytest.param(lambda talk: stream(talk, "matroska", "libopus"), id="matroska"),
        pytest.param(lambda talk: webm(talk) + webm(talk), id="a recorder that was started again"),
    ],
)
def test_other_kinds_of_webm(serve, recognizer, talk, content):
    content = content(talk)
    client = serve(recognizer)
    start = {**START, "channel": "right", "hop_seconds": 0.5, "timeline": False}
    params = {"channel": "right", "hop_seconds": 0.5, "timeline": False}
    answers, whole = assert_answered_as_upload(client, talk_to(client, content, start), content, **params)
    assert len(answers) >= 2 * (whole["recording"]["seconds"] - 2.5) - 2


def test_answers_come_as_soon_as_their_sound_has(serve, recognizer, recorded):
    """A tenth of a second more than a window is needed, for packets of 20 ms and for the resampler's delay."""
    with av.open(io.BytesIO(recorded)) as container:
        packets = [(float(packet.pts * packet.time_base), packet.pos) for packet in container.demux() if packet.size]
    client = serve(recognizer)
    with client.websocket_connect("/v1/stream") as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"
        sent = 0
        for end in (1, 2, 2.5, 3.5, 4.5):
            # Send the bytes of the packets before this time, and no more until the answer has arrived.
            upto = next(position for seconds, position in packets if seconds > end + 0.1)
            session.send_bytes(recorded[sent:upto])
            sent = upto
            answer = session.receive_json()
            assert answer["window"]["end_seconds"] == end
            assert answer["heard_seconds"] == pytest.approx(end + 0.1, abs=0.03)


@pytest.mark.slow
def test_a_damaged_stretch_is_left_out_as_of_an_upload(serve, recognizer, recorded):
    client = serve(recognizer)
    middle = len(recorded) // 2
    content = recorded[:middle] + bytes(3000) + recorded[middle + 3000 :]
    answers, _ = assert_answered_as_upload(client, talk_to(client, content, START), content)
    assert len(answers) > 5


@pytest.mark.slow
def test_a_recording_may_end_in_the_middle_of_a_packet(serve, recognizer, recorded):
    client = serve(recognizer)
    for end in (len(recorded) // 2, len(recorded) - 7):
        content = recorded[:end]
        assert_answered_as_upload(client, talk_to(client, content, START), content)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "named"),
    [
        pytest.param(lambda talk: to_wav(talk), "begins with 52 49 46 46", id="WAV"),
        pytest.param(lambda talk: stream(talk, "ogg", "libopus"), "begins with 4f 67 67 53", id="Ogg"),
        pytest.param(lambda talk: b"\x1a\x45", "begins with 1a 45", id="too little"),
        pytest.param(lambda talk: stream(talk, "matroska", "flac"), "flac, expected opus or vorbis", id="FLAC"),
        pytest.param(lambda talk: stream(talk, "matroska", "aac"), "aac, expected opus or vorbis", id="AAC"),
        pytest.param(lambda talk: webm(talk)[:100], "cannot be read as WebM", id="headers that are cut off"),
        pytest.param(lambda talk: webm(talk)[:200] + b"x" * 9000, "cannot be read as WebM", id="damaged headers"),
        pytest.param(lambda talk: b"\x1a\x45\xdf\xa3" + b"\xff" * 9000, "cannot be read as WebM", id="noise"),
    ],
)
def test_what_is_no_webm_is_one_clear_error(client, talk, content, named):
    told = talk_to(client, content(talk), START)
    assert named in assert_refused(told, "undecodable")
    assert 'deepemo_recognitions_total{answer="unknown",reason="undecodable"} 1.0' in client.get("/metrics").text
    assert [message["type"] for message in told[0]] == ["ready", "problem"]
    assert decoders() == []


def test_a_stream_of_nothing_is_refused_as_an_upload_of_nothing(client):
    detail = assert_refused(talk_to(client, b"", START), "undecodable")
    assert detail == upload(client, b"").json()["detail"]


@pytest.mark.slow
def test_more_than_is_accepted_is_refused(serve, recorded):
    assert_refused(talk_to(serve(max_seconds=2), recorded, START), "too_long")
    client = serve(max_upload_bytes=50_000)
    assert_refused(talk_to(client, recorded, START), "too_large")
    assert_refused(talk_to(serve(held_bytes=50_000), recorded, START), "busy", 1013)
    assert "deepemo_held_bytes 0.0" in client.get("/metrics").text


@pytest.mark.parametrize("start", [{**START, "rate_hz": 48_000}, {**START, "channels": 1}, {"format": "s16"}])
def test_the_rate_is_said_of_pcm_and_told_by_webm(client, start):
    assert "rate_hz" in assert_refused(talk_to(client, b"", start), "bad_parameter")


def test_a_client_that_goes_away_leaves_nothing_behind(serve, recognizer, recorded):
    client = serve(recognizer, idle_seconds=0.5)
    with client.websocket_connect("/v1/stream") as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"
        session.send_bytes(recorded[: len(recorded) // 2])
        assert session.receive_json()["type"] == "answer"
        assert len(decoders()) == 1
    until = time.monotonic() + 10
    while "deepemo_streams 0.0" not in (told := client.get("/metrics").text) and time.monotonic() < until:
        time.sleep(0.05)
    assert "deepemo_streams 0.0" in told
    assert "deepemo_held_bytes 0.0" in told
    assert decoders() == []
    with client.websocket_connect("/v1/stream") as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"
        assert session.receive_json()["reason"] == "too_slow"
    assert decoders() == []


@pytest.mark.slow
def test_a_decoder_that_dies_costs_its_own_stream_alone(serve, recognizer, recorded):
    client = serve(recognizer)
    half = len(recorded) // 2
    with client.websocket_connect("/v1/stream") as hostile:
        hostile.send_json(START)
        hostile.send_bytes(recorded[:half])
        while hostile.receive_json()["type"] != "answer":
            pass
        (victim,) = decoders()
        with client.websocket_connect("/v1/stream") as other:
            other.send_json(START)
            other.send_bytes(recorded[:half])
            victim.kill()
            hostile.send_bytes(recorded[half:])
            while (told := hostile.receive_json())["type"] == "answer":
                pass
            assert (told["reason"], told["detail"]) == ("undecodable", "stream: its decoder died (status -9)")
            other.send_bytes(recorded[half:])
            other.send_text("end")
            while (told := other.receive_json())["type"] != "recognition":
                assert told["type"] in ("ready", "answer")
            assert told["answer"] == "happy"
    assert "deepemo_decoder_deaths_total 1.0" in client.get("/metrics").text


@pytest.mark.slow
def test_the_histograms_of_streams(serve, recognizer, recorded, wav):
    client = serve(recognizer)
    messages, _ = talk_to(client, recorded, START)
    upload(client, wav(tone(1)))
    told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    answers = sum(message["type"] == "answer" for message in messages)
    assert float(told["deepemo_live_seconds_count"]) == answers
    assert 0 < float(told["deepemo_live_seconds_sum"]) < 60
    # Each piece and the end wait for a thread. Each window with speech and the windows of both whole recordings go
    # through the model.
    assert float(told["deepemo_live_queue_seconds_count"]) == -(-len(recorded) // 6400) + 1
    assert float(told["deepemo_queue_seconds_count"]) == 1
    assert float(told["deepemo_batch_windows_sum"]) > answers / 2
