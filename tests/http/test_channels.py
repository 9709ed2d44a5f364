"""A call with one speaker a channel over HTTP: `channel=each` answers every channel as it would be answered alone."""

import json
import time

import numpy as np
import pytest

from deepemo.corpora.synthetic.espeak import RATE_HZ as ESPEAK_RATE_HZ
from deepemo.corpora.synthetic.espeak import Espeak, Request
from tests.fixtures.serving import RATE_HZ, tone


def ask(client, content, voice=None, **params):
    files = [("file", ("call.wav", content)), *([] if voice is None else [("voice", (None, voice))])]
    return client.post("/v1/recognitions", files=files, params=params)


def speak(voice, text):
    """A synthetic voice, its RMS 0.1."""
    request = Request(text=text, voice=voice, rate_wpm=160, pitch=50, pitch_range=50, word_gap=0)
    with Espeak() as espeak:
        spoken = espeak.speak(request).astype(np.float32)
    return (0.1 * spoken / np.sqrt(np.mean(np.square(spoken)))).astype(np.float32)


@pytest.fixture(scope="module")
def call():
    """Two voices in turns, one a channel and one louder than the other, float32 [n, 2] at espeak's rate."""
    agent = speak("en-us+f3", "How can I help you? Please tell me your number, and I will look for it.")
    caller = speak("en-us+m3", "The letter is on the table, and nobody has come for it in all these weeks.")
    samples = np.zeros((len(agent) + len(caller), 2), np.float32)
    samples[: len(agent), 0] = 4 * agent
    samples[len(agent) :, 1] = caller
    return samples.clip(-1, 1)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        pytest.param("WAV", "ULAW", marks=pytest.mark.slow),
        pytest.param("FLAC", "PCM_16", marks=pytest.mark.slow),
        pytest.param("OGG", "VORBIS", marks=pytest.mark.slow),
    ],
)
def test_two_voices_are_answered_as_each_would_be_alone(serve, recognizer, wav, call, container, subtype):
    client = serve(recognizer)
    content = wav(call, ESPEAK_RATE_HZ, format=container, subtype=subtype)
    wanted = {"hop_seconds": 2, "min_confidence": 0.2, "picture": True}
    response = ask(client, content, channel="each", **wanted)
    assert response.status_code == 200
    agent, caller = response.json()["recognitions"]
    assert agent == ask(client, content, channel="left", **wanted).json()
    assert caller == ask(client, content, channel="right", **wanted).json()
    assert (agent["recording"]["channel"], caller["recording"]["channel"]) == (1, 2)
    assert (agent["answer"], caller["answer"]) == ("angry", "happy")
    assert agent["timeline"] != caller["timeline"]
    assert agent["picture"] != caller["picture"]


def test_what_each_channel_lacks_is_its_own(serve, recognizer, wav, speech):
    """A voice beside a sound that is none, and beside silence."""
    client = serve(recognizer)
    sound = tone(len(speech) / RATE_HZ, 0.1)
    content = wav(np.stack([sound, speech, np.zeros_like(speech)], axis=1))
    answers = ask(client, content, channel="each", timeline=False).json()["recognitions"]
    assert [answer["reason"] for answer in answers] == ["no_voice", None, "silent"]
    assert [answer["recording"]["channel"] for answer in answers] == [1, 2, 3]
    assert all(answer["timeline"] is None for answer in answers)


def test_a_mono_recording_has_one_answer(client, wav):
    content = wav(tone(2))
    assert ask(client, content, channel="each").json() == {
        "recognitions": [ask(client, content, channel="left").json()]
    }


@pytest.mark.slow
def test_a_damaged_recording_is_answered_by_what_is_left_of_each_channel(client, wav):
    content = wav(np.stack([tone(2), tone(2, 0.1)], axis=1))[:-16_000]
    answers = ask(client, content, channel="each").json()["recognitions"]
    assert [answer["answer"] for answer in answers] == ["angry", "happy"]
    for answer in answers:
        assert [remark["remark"] for remark in answer["recording"]["remarks"]] == ["partial"]


def test_other_values_are_refused_by_name(client, wav):
    for value in ("both", "EACH", "each,left", "", "0", "\0"):
        response = ask(client, wav(tone(1)), channel=value)
        assert (response.status_code, response.json()["reason"]) == (422, "bad_parameter")
        assert response.json()["detail"] == "channel: Input should be 'mix', 'left', 'right' or 'each'"


def test_a_reference_and_a_stream_are_of_one_channel(client, wav):
    made = client.post("/v1/voice", files={"file": ("a.wav", wav(tone(1)))}, params={"channel": "each"})
    assert (made.status_code, made.json()["reason"]) == (422, "bad_parameter")
    assert made.json()["detail"] == "channel: Input should be 'mix', 'left' or 'right'"
    with client.websocket_connect("/v1/stream") as stream:
        stream.send_text(json.dumps({"format": "s16", "rate_hz": RATE_HZ, "channels": 2, "channel": "each"}))
        refusal = stream.receive_json()
    assert "channel" in refusal["detail"]


def test_a_reference_of_one_voice_is_not_for_each_channel(serve, comparing, wav):
    client = serve(comparing)
    voice = client.post("/v1/voice", files=[("file", wav(tone(2))), ("file", wav(tone(2, 0.1)))]).text
    content = wav(np.stack([tone(2), tone(2, 0.1)], axis=1))
    response = ask(client, content, voice, channel="each")
    assert (response.status_code, response.json()["reason"]) == (422, "bad_parameter")
    assert response.json()["detail"].startswith("channel: ")
    assert ask(client, content, voice, channel="left").json()["voice"]["used"]


def test_a_channel_that_cannot_be_read_is_named(client, wav):
    samples = np.stack([tone(1), tone(1)], axis=1)
    samples[5:8, 1] = np.nan
    content = wav(samples, subtype="FLOAT")
    response = ask(client, content, channel="each")
    assert (response.status_code, response.json()["reason"]) == (422, "undecodable")
    assert "3 of 16000 samples of channel 2 are NaN" in response.json()["detail"]
    assert ask(client, content, channel="left").json()["answer"] == "angry"
    assert ask(client, b"no sound", channel="each").json()["reason"] == "undecodable"


def test_all_channels_together_may_be_as_long_as_the_longest_in_stereo(serve, model, wav):
    client = serve(max_seconds=2)
    assert len(ask(client, wav(np.full((16_000, 2), 0.5), 8000), channel="each").json()["recognitions"]) == 2
    heard = len(model.batches)
    wide = wav(np.full((8_400, 4), 0.5), 8000)
    assert ask(client, wide).status_code == 200
    response = ask(client, wide, channel="each")
    assert (response.status_code, response.json()["reason"]) == (413, "too_long")
    assert "4 channels of 1.05 s, 4.2 s together, expected at most 4 s" in response.json()["detail"]
    assert len(model.batches) == heard + 1, "the model was asked before the cost was known"
    many = wav(np.zeros((8000, 33)), 8000)
    assert "33 channels, expected at most 32" in ask(client, many, channel="each").json()["detail"]


@pytest.mark.slow
def test_the_work_on_all_channels_together_ends_in_time(serve, model, wav):
    client = serve(work_seconds=0.5)
    model.interrupt = lambda: time.sleep(0.2)
    content = wav(np.tile(tone(1)[:, np.newaxis], 12))
    response = ask(client, content, channel="each")
    assert (response.status_code, response.json()["reason"]) == (503, "too_much_work")
    assert len(model.batches) < 5
    assert ask(client, wav(tone(1)), channel="each").status_code == 200


@pytest.mark.slow
def test_each_channel_counts_as_an_answer(client, wav):
    ask(client, wav(np.stack([tone(2), tone(2, 0.1)], axis=1)), channel="each")
    text = client.get("/metrics").text
    for answer in ("angry", "happy"):
        assert f'deepemo_recognitions_total{{answer="{answer}",reason=""}} 1.0' in text
    assert "deepemo_audio_seconds_total 4.0" in text
    assert "deepemo_held_bytes 0.0" in text


def test_the_description_has_both_answers(client):
    described = client.get("/openapi.json").json()
    asked = described["paths"]["/v1/recognitions"]["post"]
    schema = asked["responses"]["200"]["content"]["application/json"]["schema"]
    names = [one["$ref"].rpartition("/")[2] for one in schema["anyOf"]]
    assert names == ["RecognitionResponse", "ChannelsResponse"]
    schemas = described["components"]["schemas"]
    assert schemas["Channels"]["enum"] == ["mix", "left", "right", "each"]
    field = schemas["ChannelsResponse"]["properties"]["recognitions"]
    assert (field["items"]["$ref"].rpartition("/")[2], field["minItems"]) == ("RecognitionResponse", 1)
    (example,) = schemas["ChannelsResponse"]["examples"]
    assert [one["recording"]["channel"] for one in example["recognitions"]] == [1, 2]
    assert all(set(one) == set(schemas["RecognitionResponse"]["properties"]) for one in example["recognitions"])
