"""espeak-ng keeps no state between utterances, follows its parameters, and reports its failures."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from deepemo.corpora.synthetic.espeak import PITCH_STEPS_A_SEMITONE, RATE_HZ, Espeak, Request

PLAIN = Request(text="The window is open.", voice="en-us+m1", rate_wpm=170, pitch=50, pitch_range=50, word_gap=0)
OTHER = Request(text="Is it raining again?", voice="en+f2", rate_wpm=220, pitch=70, pitch_range=90, word_gap=3)


@pytest.fixture(scope="module")
def espeak() -> Iterator[Espeak]:
    with Espeak() as espeak:
        yield espeak


def median_pitch_hz(samples: np.ndarray) -> float:
    """Pitch by autocorrelation of 60 ms frames, where it is strong; it does not use espeak-ng's parameters."""
    length = int(0.06 * RATE_HZ)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(float), length)[:: length // 3]
    frames = frames[np.square(frames).mean(axis=1) > 0.05 * np.square(frames).mean(axis=1).max()]
    spectra = np.abs(np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * np.hanning(length), 4 * length)) ** 2
    correlations = np.fft.irfft(spectra)[:, :length]
    shortest, longest = RATE_HZ // 500, RATE_HZ // 50
    lags = shortest + correlations[:, shortest:longest].argmax(axis=1)
    voiced = correlations[np.arange(len(lags)), lags] > 0.5 * correlations[:, 0]
    return float(RATE_HZ / np.median(lags[voiced]))


def test_an_utterance_does_not_depend_on_what_was_spoken_before(espeak: Espeak) -> None:
    with Espeak() as fresh:
        other_first = fresh.speak(OTHER)
        plain_second = fresh.speak(PLAIN)
    plain_first = espeak.speak(PLAIN)
    assert np.array_equal(plain_first, espeak.speak(PLAIN))
    assert np.array_equal(other_first, espeak.speak(OTHER))
    assert np.array_equal(plain_first, plain_second)


def test_it_speaks_at_a_natural_pace(espeak: Espeak) -> None:
    samples = espeak.speak(PLAIN)
    assert samples.dtype == np.int16
    assert 0.8 < len(samples) / RATE_HZ < 2.0
    assert np.abs(samples.astype(int)).max() > 3000


@pytest.mark.parametrize("voice", ["en-us+m1", "en+f2"])
def test_pitch_moves_by_semitones(espeak: Espeak, voice: str) -> None:
    monotone = replace(PLAIN, voice=voice, pitch_range=0)
    low, high = (median_pitch_hz(espeak.speak(replace(monotone, pitch=pitch))) for pitch in (25, 75))
    assert 12 * np.log2(high / low) * PITCH_STEPS_A_SEMITONE == pytest.approx(50, abs=2.5)


def test_rate_and_gaps_change_the_length(espeak: Espeak) -> None:
    plain, fast, halting = (
        len(espeak.speak(request)) for request in (PLAIN, replace(PLAIN, rate_wpm=260), replace(PLAIN, word_gap=6))
    )
    assert fast < 0.8 * plain
    assert halting > plain + 2 * 0.05 * RATE_HZ


def test_a_question_is_another_melody(espeak: Espeak) -> None:
    assert not np.array_equal(espeak.speak(PLAIN), espeak.speak(replace(PLAIN, text="The window is open?")))


@pytest.mark.parametrize("voice", ["en-us+nobody", "nowhere+f1", "nowhere"])
def test_an_unknown_voice_is_named_and_the_next_utterance_is_spoken(espeak: Espeak, voice: str) -> None:
    with pytest.raises(RuntimeError, match=f"no voice '{re.escape(voice)}'"):
        espeak.speak(replace(PLAIN, voice=voice))
    assert len(espeak.speak(PLAIN)) > 0


def test_a_crash_ends_one_utterance_alone(espeak: Espeak) -> None:
    with pytest.raises(RuntimeError, match="ended with status"):
        espeak.speak(replace(PLAIN, text=None))  # type: ignore[arg-type]
    assert len(espeak.speak(PLAIN)) > 0


def test_a_helper_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = shutil.which("false")
    assert nothing is not None
    monkeypatch.setattr("sys.executable", nothing)
    with Espeak() as espeak, pytest.raises(RuntimeError, match="ended early"):
        espeak.speak(PLAIN)
