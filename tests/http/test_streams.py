"""Streams over WebSockets: a streamed file gets the answer of its upload, and no client takes more than its share."""

import json
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request, TextMessage

from deepemo.errors import InputError
from tests.fixtures.serving import RATE_HZ, s16, to_wav, tone

START = {"format": "s16", "rate_hz": RATE_HZ}
END = "end"


def talk_to(client, sound: bytes, start=START, *, chunk=6400, headers=None):
    """All messages of the server about some sound, and the code with which it closes."""
    messages = []
    with client.websocket_connect("/v1/stream", headers=headers or {}) as session:
        session.send_text(start if isinstance(start, str) else json.dumps(start))
        try:
            for first in range(0, len(sound), chunk):
                session.send_bytes(sound[first : first + chunk])
            session.send_text(END)
            while True:
                messages.append(session.receive_json())
        except WebSocketDisconnect as closed:
            return messages, closed.code


def assert_refused(told, reason, code=1008):
    messages, closed = told
    assert (messages[-1]["type"], messages[-1]["reason"]) == ("problem", reason), messages
    assert closed == code
    return messages[-1]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [999, 6400, 500_000])
def test_a_streamed_file_is_answered_as_its_upload(serve, recognizer, talk, chunk):
    client = serve(recognizer)
    messages, code = talk_to(client, s16(talk), chunk=chunk)
    assert code == 1000
    assert [message["type"] for message in messages] == ["ready", *["answer"] * (len(messages) - 2), "recognition"]
    upload = client.post("/v1/recognitions", files={"file": ("a.wav", to_wav(talk))}).json()
    whole = messages[-1]
    del whole["type"]
    assert whole["recording"].pop("container") == "PCM"
    assert upload["recording"].pop("container") == "WAV"
    assert whole == upload
    windows = {window["start_seconds"]: window for window in upload["timeline"]["windows"]}
    full = [message["window"] for message in messages[1:-1] if message["is_full"]]
    assert len(full) >= 10
    assert sum(window == windows[window["start_seconds"]] for window in full) >= len(full) - 1


def referring_to(made):
    return START | {"voice": made.json()}


def test_a_voice_that_is_known_is_answered_with_its_reference(serve, comparing):
    client, sound = serve(comparing), tone(6, 0.1)
    made = client.post("/v1/voice", files=[("file", ("a", to_wav(tone(2, level)))) for level in (0.5, 0.6)])
    messages, code = talk_to(client, s16(sound), referring_to(made))
    assert code == 1000
    assert messages[0]["voice"] == {"recordings": 2, "used": True, "reason": None}
    assert {message["window"]["answer"] for message in messages[1:-1]} == {"sad"}
    form = [("file", ("a.wav", to_wav(sound))), ("voice", (None, made.text))]
    upload = client.post("/v1/recognitions", files=form).json()
    assert (messages[-1]["answer"], messages[-1]["voice"]) == (upload["answer"], upload["voice"])
    assert messages[-1]["probabilities"] == upload["probabilities"]
    alone, _ = talk_to(client, s16(sound))
    assert alone[0]["voice"] is None
    assert {message["window"]["answer"] for message in alone[1:-1]} != {"sad"}


def test_a_reference_that_is_not_used_is_said_before_anything_is_heard(serve, comparing):
    client = serve(comparing)
    made = client.post("/v1/voice", files={"file": ("a", to_wav(tone(2, 0.5)))})
    messages, _ = talk_to(client, s16(tone(3, 0.3)), referring_to(made))
    assert messages[0]["voice"]["reason"] == "The reference rests on 1 recording, expected at least 2."
    assert messages[-1]["voice"] == messages[0]["voice"]


@pytest.mark.parametrize("voice", [{}, {"format": "deepemo-voice-1"}, {"mean": "x" * 70_000}])
def test_what_is_no_reference_is_refused(serve, comparing, voice):
    assert_refused(talk_to(serve(comparing), b"", START | {"voice": voice}), "bad_voice")


def test_a_reference_of_another_size_than_the_networks_is_refused(serve, comparing, known, monkeypatch):
    def refuse(rows, offsets):
        raise InputError("voice: mean: found 2 components, expected 512 as the network's")

    client = serve(comparing)
    made = client.post("/v1/voice", files=[("file", ("a", to_wav(tone(2, level)))) for level in (0.5, 0.6)])
    monkeypatch.setattr(known, "probabilities", refuse)
    detail = assert_refused(talk_to(client, s16(tone(6, 0.3)), referring_to(made)), "bad_voice")
    assert "found 2 components" in detail


def test_samples_may_be_floats_of_two_channels_at_any_rate(client):
    call = np.stack([tone(4, 0.1, rate_hz=48_000), tone(4, 0.5, rate_hz=48_000)], axis=1)
    start = {"format": "f32", "rate_hz": 48_000, "channels": 2, "channel": "right", "hop_seconds": 0.5}
    messages, _ = talk_to(client, call.astype("<f4").tobytes(), start)
    upload = client.post(
        "/v1/recognitions",
        files={"file": ("a.wav", to_wav(call, 48_000, subtype="FLOAT"))},
        params={"channel": "right", "hop_seconds": 0.5},
    ).json()
    assert messages[-1]["probabilities"] == upload["probabilities"]
    assert messages[-1]["recording"]["channel"] == 2
    assert [message["window"]["end_seconds"] for message in messages[1:5]] == [0.5, 1, 1.5, 2]


@pytest.mark.parametrize(
    ("start", "named"),
    [
        ("no JSON", "the first message"),
        ({"rate_hz": 8000}, "format"),
        ({"format": "mp3", "rate_hz": 8000}, "format"),
        ({"format": "s16", "rate_hz": 1}, "rate_hz"),
        ({"format": "s16", "rate_hz": 8000, "channels": 3}, "channels"),
        ({"format": "s16", "rate_hz": 8000, "hop_seconds": 1e308}, "hop_seconds"),
        ({"format": "s16", "rate_hz": 8000, "hop_seconds": 0.01}, "hop_seconds"),
        ({"format": "s16", "rate_hz": 8000, "more": 1}, "more"),
    ],
)
def test_impossible_streams_are_refused_by_name(client, start, named):
    assert assert_refused(talk_to(client, b"", start), "bad_parameter").startswith(f"{named}: ")


def test_errors_have_the_reasons_of_uploads(serve):
    client = serve(max_seconds=2)
    assert_refused(talk_to(client, s16(tone(3))), "too_long")
    broken = np.full(RATE_HZ, np.nan, "<f4").tobytes()
    assert_refused(talk_to(client, broken, {**START, "format": "f32"}), "undecodable")
    messages, code = talk_to(client, b"")
    assert (messages[-1]["reason"], code) == ("too_short", 1000)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_whose_squares_are_infinite_are_refused(serve, channels):
    client = serve()
    loud = np.repeat(tone(1, 1.0)[:, None], channels, axis=1) * np.float32(3e38)
    start = {"format": "f32", "rate_hz": RATE_HZ, "channels": channels}
    assert "3e+38, expected at most 1e+12" in assert_refused(talk_to(client, loud.tobytes(), start), "undecodable")
    upload = client.post("/v1/recognitions", files={"file": ("a.wav", to_wav(loud[:, 0], subtype="FLOAT"))})
    assert (upload.status_code, upload.json()["reason"]) == (422, "undecodable")
    assert "3e+38, expected at most 1e+12" in upload.json()["detail"]


def test_the_key_comes_with_the_first_message_or_as_a_header(serve):
    client = serve(api_key="sésame")
    assert_refused(talk_to(client, b""), "no_key")
    assert_refused(talk_to(client, b"", {**START, "key": "x"}), "no_key")
    assert talk_to(client, b"", {**START, "key": "sésame"})[1] == 1000
    assert talk_to(client, b"", headers={"authorization": b"bearer s\xc3\xa9same"})[1] == 1000
    assert_refused(talk_to(client, b"", headers={"authorization": b"s\xc3\xa9same"}), "no_key")


def test_pages_of_other_sites_may_not_stream(serve):
    client = serve(hosts=("testserver",))
    for headers in (
        {"origin": "https://elsewhere.example"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/stream", headers=headers):
            pass
    assert talk_to(client, b"", headers={"origin": "http://testserver"})[1] == 1000


def test_streams_are_bounded_in_all_and_for_an_address(serve):
    client = serve(streams=3, streams_per_address=2)
    with client.websocket_connect("/v1/stream"), client.websocket_connect("/v1/stream"):
        detail = assert_refused(talk_to(client, b""), "busy", 1013)
        assert detail == "2 streams of one address already, expected at most 2"
        assert "deepemo_streams 2.0" in client.get("/metrics").text
    assert talk_to(client, b"")[1] == 1000
    assert "deepemo_streams 0.0" in client.get("/metrics").text


def test_a_stream_that_brings_nothing_ends(serve):
    client = serve(idle_seconds=0.3, header_seconds=0.3)
    with client.websocket_connect("/v1/stream") as session:
        assert session.receive_json()["reason"] == "too_slow"
    with client.websocket_connect("/v1/stream") as session:
        session.send_json(START)
        assert session.receive_json()["type"] == "ready"
        assert session.receive_json()["reason"] == "too_slow"


def test_a_failing_model_ends_the_stream_alone(client, model, caplog):
    def fail():
        raise RuntimeError("out of order")

    model.interrupt = fail
    detail = assert_refused(talk_to(client, s16(tone(3))), "internal", 1011)
    assert detail is None
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["a stream failed"]
    model.interrupt = lambda: None
    assert talk_to(client, s16(tone(3)))[1] == 1000


def test_work_on_the_whole_stream_that_takes_too_long_is_ended(serve):
    detail = assert_refused(talk_to(serve(work_seconds=1e-6), s16(tone(3))), "too_much_work")
    assert detail.startswith("expected at most 1e-06 s")


class Live:
    """A client over a real socket, which may leave its answers unread."""

    def __init__(self, live: str, *, receive_buffer: int | None = None) -> None:
        address = urlsplit(live)
        self.socket = socket.socket()
        self.socket.settimeout(30)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((address.hostname, address.port))
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.socket.sendall(self.protocol.send(Request(host=address.netloc, target="/v1/stream")))
        assert isinstance(self.next(), AcceptConnection)

    def send(self, content: str | bytes) -> None:
        event = TextMessage(content) if isinstance(content, str) else BytesMessage(content)
        self.socket.sendall(self.protocol.send(event))

    def next(self):
        """The next event; None once the connection is closed."""
        while True:
            for event in self.protocol.events():
                return event
            received = self.socket.recv(65536)
            if not received:
                return None
            self.protocol.receive_data(received)

    def messages(self) -> list[dict]:
        found, text = [], ""
        while isinstance(event := self.next(), TextMessage):
            text += event.data
            if event.message_finished:
                found.append(json.loads(text))
                text = ""
        assert event is None or isinstance(event, CloseConnection | RejectConnection)
        return found


def test_a_stream_over_a_real_socket(live, talk):
    client = Live(live)
    client.send(json.dumps(START))
    sound = s16(talk)
    for first in range(0, len(sound), 3200):
        client.send(sound[first : first + 3200])
    client.send(END)
    messages = client.messages()
    assert messages[-1]["type"] == "recognition"
    assert messages[-1]["answer"] == "happy"
    assert len(messages) > 12


@pytest.mark.slow
def test_a_client_that_does_not_read_is_let_go(start_live):
    live = start_live(write_seconds=0.5, max_seconds=600)
    client = Live(live, receive_buffer=4096)
    client.send(json.dumps({"format": "s16", "rate_hz": 2000, "hop_seconds": 0.25}))
    began = time.monotonic()
    sound = s16(np.zeros(500 * 2000, np.float32))  # 2,000 answers of 500 bytes

    def send() -> None:
        with suppress(OSError):
            for first in range(0, len(sound), 40_000):
                client.send(sound[first : first + 40_000])
            while time.monotonic() - began < 60:
                client.send(b"")
                time.sleep(0.2)

    # In a separate thread, because it blocks once the server stops reading.
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    sender.join(50)
    assert not sender.is_alive(), "the connection was not closed"


def windows_after_it_went(live, model, client) -> int:
    """Close a client; the windows that the model still answers until its stream is forgotten."""
    before = sum(model.batches)
    client.socket.close()
    until = time.monotonic() + 60
    while "deepemo_streams 0.0" not in httpx.get(f"{live}/metrics").text:
        assert time.monotonic() < until, "the stream of a client that has gone goes on"
        time.sleep(0.05)
    return sum(model.batches) - before


@pytest.mark.slow
def test_work_on_the_hops_of_a_client_that_has_gone_ends(start_live, trusting, model):
    live = start_live(trusting)
    model.interrupt = lambda: time.sleep(0.2)
    client = Live(live)
    client.send(json.dumps({"format": "s16", "rate_hz": 2000, "hop_seconds": 0.25}))
    client.send(s16(tone(125, rate_hz=2000)))  # 500 windows
    until = time.monotonic() + 60
    while not model.batches:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert windows_after_it_went(live, model, client) < 200


@pytest.mark.slow
def test_work_on_the_whole_stream_of_a_client_that_has_gone_ends(start_live, trusting, model):
    live = start_live(trusting)
    client = Live(live)
    client.send(json.dumps({"format": "s16", "rate_hz": RATE_HZ, "hop_seconds": 0.5}))
    sound = s16(tone(50))  # about 100 windows, which the whole recording has too
    for first in range(0, len(sound), 320_000):
        client.send(sound[first : first + 320_000])
    told = {}
    while told.get("type") != "answer" or told["window"]["end_seconds"] != 50:
        event = client.next()
        assert event is not None
        if isinstance(event, TextMessage):
            told = json.loads(event.data)
    model.interrupt = lambda: time.sleep(0.5)
    client.send(END)
    assert windows_after_it_went(live, model, client) < 80


def test_a_message_that_is_too_large_ends_the_stream(start_live):
    client = Live(start_live())
    client.send(json.dumps(START))
    with suppress(OSError):
        client.send(bytes(2 << 20))
    event = client.next()
    while isinstance(event, TextMessage):
        event = client.next()
    assert isinstance(event, CloseConnection)
    assert event.code == 1009
