"""References of voices over HTTP: made of several recordings, kept by the client, sent along with others."""

import base64
import json

import numpy as np
import pytest

from deepemo.serving.voice import MOST_BYTES, VoiceReference
from tests.fixtures.serving import ABOUT, RATE_HZ, tone
from tests.fixtures.voices import DIGEST, VOICE_RECORD


def files(*contents):
    return [("file", ("recording", content)) for content in contents]


def ask(client, content, voice):
    return client.post("/v1/recognitions", files=[*files(content), ("voice", (None, voice))])


@pytest.fixture
def server(serve, comparing):
    return serve(comparing)


def test_a_reference_is_made_and_sent_along(server, comparing, wav):
    recordings = [wav(tone(2, 0.5)), wav(tone(2, 0.1))]
    made = server.post("/v1/voice", files=files(*recordings))
    assert (made.status_code, made.headers["content-type"]) == (200, "application/json")
    reference = VoiceReference.from_json(made.content)
    expected = comparing.make_reference(recordings)
    np.testing.assert_allclose(reference.mean, expected.mean)
    assert (reference.recordings, reference.weights_sha256) == (2, DIGEST)

    content = wav(tone(2, 0.3))
    answer = ask(server, content, made.text).json()
    assert answer["voice"] == {"recordings": 2, "used": True, "reason": None}
    assert answer["model"] == "known_voice"
    assert answer["answer"] == comparing.recognize(content, voice=reference).answer
    alone = server.post("/v1/recognitions", files=files(content)).json()
    assert (alone["voice"], alone["model"]) == (None, "fake")


def test_nothing_of_a_reference_stays_on_the_server(server, wav):
    content = wav(tone(2, 0.3))
    before = server.post("/v1/recognitions", files=files(content)).json()
    server.post("/v1/voice", files=files(wav(tone(2, 0.5)), wav(tone(2, 0.1))))
    assert server.post("/v1/recognitions", files=files(content)).json() == before


def test_a_reference_that_is_not_used_is_said(server, wav):
    few = server.post("/v1/voice", files=files(wav(tone(2)))).text
    answer = ask(server, wav(tone(2, 0.3)), few).json()
    assert answer["voice"]["reason"] == "The reference rests on 1 recording, expected at least 2."
    assert answer["model"] == "fake"


def reference(*mean, **values):
    encoded = base64.b64encode(np.array(mean, "<f4").tobytes()).decode()
    content = json.loads(VoiceReference(np.zeros(2, np.float32), 9, 1.0, DIGEST).to_json())
    return json.dumps({**content, "mean": encoded, **values})


@pytest.mark.parametrize(
    ("voice", "status", "reason", "says"),
    [
        ("", 422, "bad_voice", "Invalid JSON"),
        (reference(1.0, float("nan")), 422, "bad_voice", "mean: found nan"),
        (reference(1.0, 2.0, recordings=-1), 422, "bad_voice", "recordings: found -1"),
        (" " * (MOST_BYTES + 1), 422, "bad_voice", f"more than {MOST_BYTES} bytes"),
        ("[" * MOST_BYTES, 422, "bad_voice", "voice: "),
    ],
)
def test_what_is_no_reference_is_refused(server, wav, voice, status, reason, says):
    answer = ask(server, wav(tone(2)), voice)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert says in answer.json()["detail"]


def test_forms_hold_what_is_expected_alone(serve, comparing, wav):
    server, content = serve(comparing, max_upload_bytes=100_000), wav(tone(1))
    two_voices = [*files(content), ("voice", (None, "{}")), ("voice", (None, "{}"))]
    for path, form, status, reason in (
        ("/v1/recognitions", files(content, content), 400, "bad_upload"),
        ("/v1/recognitions", [("voice", (None, "{}"))], 400, "bad_upload"),
        ("/v1/recognitions", two_voices, 400, "bad_upload"),
        ("/v1/voice", [*files(content), ("voice", (None, "{}"))], 400, "bad_upload"),
        ("/v1/voice", files(*[content[:100]] * 101), 400, "bad_upload"),
        ("/v1/voice", files(content, content, content, content), 413, "too_large"),
        ("/v1/voice", files(content, b"no sound"), 422, "undecodable"),
        ("/v1/voice", files(wav(np.zeros(RATE_HZ, np.float32))), 422, "no_reference"),
    ):
        answer = server.post(path, files=form)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)


def test_a_model_without_references_says_so(client, wav):
    answer = client.post("/v1/voice", files=files(wav(tone(2))))
    assert (answer.status_code, answer.json()["reason"]) == (422, "no_reference")
    assert "takes no reference" in answer.json()["detail"]
    assert "takes no reference" in ask(client, wav(tone(2)), reference(1.0, 2.0)).json()["voice"]["reason"]
    about = client.get("/v1/model").json()
    assert (about["voice"], about["accepts"]["voice_recordings"]) == (None, 0)


def test_the_model_says_how_known_voices_are_answered(serve, comparing, monkeypatch):
    monkeypatch.setitem(ABOUT, "voice", VOICE_RECORD.model_dump())
    about = serve(comparing).get("/v1/model").json()
    assert about["voice"]["least_recordings"] == 2
    assert about["voice"]["figures"] == VOICE_RECORD.figures
    assert about["accepts"]["voice_recordings"] == 100


def test_a_key_guards_references_too(serve, comparing, wav):
    server = serve(comparing, api_key="a secret")
    assert server.post("/v1/voice", files=files(wav(tone(2)))).status_code == 401


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_of_known_voices_is_told_to_all_who_ask(serve, comparing, known, monkeypatch, wav):
    def die(inputs):
        raise SystemExit("the thread ends")

    monkeypatch.setattr(known, "hear", die)
    server = serve(comparing)
    assert server.get("/healthz").status_code == 200
    assert server.post("/v1/voice", files=files(wav(tone(2)))).status_code == 500
    answer = server.get("/healthz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unhealthy")


def test_the_work_on_a_reference_ends_in_time(serve, comparing, wav):
    silence = wav(np.zeros(RATE_HZ, np.float32))
    answer = serve(comparing, work_seconds=1e-6).post("/v1/voice", files=files(silence, silence))
    assert (answer.status_code, answer.json()["reason"]) == (503, "too_much_work")
