"""From a recording to the encoder's input: level, length and rate, the same in serving and export."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from deepemo.errors import InputError
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ, samples_of


def changed(front_end: SpeechFrontEnd, **values: Any) -> SpeechFrontEnd:
    return SpeechFrontEnd(front_end.section.model_copy(update=values))


def tone(seconds: float, amplitude: float, rate_hz: int = SAMPLE_RATE_HZ) -> np.ndarray:
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize("amplitude", [0.001, 0.9])
def test_every_recording_is_brought_to_one_level(amplitude: float, front_end: SpeechFrontEnd) -> None:
    prepared = front_end.prepare(tone(1.0, amplitude), SAMPLE_RATE_HZ)
    assert rms(prepared) == pytest.approx(10 ** (-26 / 20), rel=1e-3)


def test_silent_ends_are_cut_and_do_not_count_for_the_level(front_end: SpeechFrontEnd) -> None:
    silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
    recording = np.concatenate([silence, tone(1.0, 0.1), silence])
    prepared = front_end.prepare(recording, SAMPLE_RATE_HZ)
    assert len(prepared) == SAMPLE_RATE_HZ
    assert rms(prepared) == pytest.approx(0.0501, rel=1e-2)
    kept = changed(front_end, trim_below_db=None).prepare(recording, SAMPLE_RATE_HZ)
    assert len(kept) == 2 * SAMPLE_RATE_HZ, "digital silence at the end is no part of a clip"


def test_what_is_too_long_is_cut_and_what_is_too_short_is_padded(front_end: SpeechFrontEnd) -> None:
    assert len(changed(front_end, clip_seconds=2.0).prepare(tone(3.0, 0.1), SAMPLE_RATE_HZ)) == 2 * SAMPLE_RATE_HZ
    for short in (np.zeros(0, np.float32), tone(0.01, 0.1)):
        assert len(front_end.prepare(short, SAMPLE_RATE_HZ)) == samples_of(1)


def test_a_recording_of_another_rate_is_resampled(front_end: SpeechFrontEnd) -> None:
    prepared = changed(front_end, trim_below_db=None).prepare(tone(1.0, 0.1, 48000), 48000)
    at_rate = changed(front_end, trim_below_db=None).prepare(tone(1.0, 0.1), SAMPLE_RATE_HZ)
    assert len(prepared) == len(at_rate)
    np.testing.assert_allclose(prepared[1000:-1000], at_rate[1000:-1000], atol=1e-3)


def test_digital_silence_stays_silence(front_end: SpeechFrontEnd) -> None:
    prepared = front_end.prepare(np.zeros(8000, np.float32), SAMPLE_RATE_HZ)
    assert len(prepared) == samples_of(1)
    assert not prepared.any()


def test_serving_is_fed_what_is_embedded_and_zeros(front_end: SpeechFrontEnd, spoken: list[np.ndarray]) -> None:
    for clip in (*spoken, np.zeros(9000, np.float32), tone(7.0, 0.2, 44100)):
        rate_hz = 44100 if len(clip) > 200_000 else SAMPLE_RATE_HZ
        prepared, served = front_end.prepare(clip, rate_hz), front_end(clip, rate_hz)
        assert served.shape == (front_end.clip_samples,)
        np.testing.assert_array_equal(served[: len(prepared)], prepared)
        assert not served[len(prepared) :].any()


def test_an_exported_model_does_the_same(front_end: SpeechFrontEnd, spoken: list[np.ndarray]) -> None:
    for clip in (*spoken, 0.001 * spoken[0], np.zeros(9000, np.float32)):
        graph = front_end.graph(tf.constant(front_end.clip(clip, SAMPLE_RATE_HZ))).numpy()
        np.testing.assert_allclose(graph, front_end(clip, SAMPLE_RATE_HZ), rtol=1e-5, atol=1e-7)


def test_front_ends_are_equal_if_they_prepare_alike(front_end: SpeechFrontEnd) -> None:
    again = SpeechFrontEnd.from_dict(front_end.describe(), source="a.json")
    assert again == front_end
    assert hash(again) == hash(front_end)
    assert changed(front_end, level_dbfs=-20.0) != front_end


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sample_rate_hz": 8000}, "a.json: features: sample_rate_hz: found 8000, expected 16000"),
        ({"clip_seconds": 0.0}, "a.json: features: clip_seconds: "),
        ({"mel_bands": 40}, "a.json: features: mel_bands: "),
    ],
)
def test_another_description_is_refused(front_end: SpeechFrontEnd, values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        SpeechFrontEnd.from_dict({**front_end.describe(), **values}, source="a.json")


def test_what_programs_must_do_is_said_in_words(front_end: SpeechFrontEnd) -> None:
    assert any("more than 40 dB" in step for step in front_end.steps())
    assert len(changed(front_end, trim_below_db=None).steps()) == len(front_end.steps()) - 1
