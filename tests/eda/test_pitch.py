from pathlib import Path

import numpy as np
import pytest

from deepemo.audio.io.decode import read_recording
from deepemo.eda.pitch import HOP_SECONDS, MAX_HZ, MIN_HZ, pitch_track

RATES_HZ = (16000, 24414, 48000)


def voice(hertz: np.ndarray | float, rate_hz: int, seconds: float = 1.0, harmonics: range = range(1, 13)) -> np.ndarray:
    """Harmonics that fall by 6 dB an octave, as a voice's do, at a constant or changing fundamental."""
    count = round(seconds * rate_hz)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, count)) / rate_hz
    highest = float(np.max(hertz))
    return sum(
        (np.sin(number * phase) / number for number in harmonics if number * highest < rate_hz / 2), np.zeros(count)
    ).astype(np.float32)


def semitones(found: np.ndarray, expected: np.ndarray | float) -> np.ndarray:
    return 12 * np.log2(found / expected)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("hertz", [65.0, 90.0, 123.4, 220.0, 311.1, 450.0, 590.0])
def test_a_steady_voice_has_its_pitch(hertz: float, rate_hz: int) -> None:
    track = pitch_track(voice(hertz, rate_hz), rate_hz)
    assert np.isfinite(track).all()
    assert np.abs(semitones(track, hertz)).max() < 0.1


def test_a_glide_is_followed() -> None:
    rate_hz, seconds = 16000, 2.0
    glide = np.linspace(100, 300, round(seconds * rate_hz))
    track = pitch_track(voice(glide, rate_hz, seconds), rate_hz)
    centres = np.arange(len(track)) * HOP_SECONDS + 0.025
    expected = 100 + 200 * centres / seconds
    assert np.abs(semitones(track, expected))[3:-3].max() < 0.3


def test_a_missing_fundamental_is_heard_by_its_harmonics() -> None:
    track = pitch_track(voice(150.0, 16000, harmonics=range(3, 10)), 16000)
    assert np.nanmedian(track) == pytest.approx(150.0, rel=0.01)


def test_a_voice_is_heard_through_noise_hum_and_offset() -> None:
    random = np.random.default_rng(3)
    seconds = np.arange(16000) / 16000
    clean = voice(180.0, 16000)
    dirty = clean + 0.2 * random.normal(size=16000) + 0.3 * np.sin(2 * np.pi * 11 * seconds) + 0.4
    track = pitch_track(dirty.astype(np.float32), 16000)
    assert np.mean(np.isfinite(track)) > 0.9
    assert np.nanmedian(track) == pytest.approx(180.0, rel=0.01)


def test_pauses_have_no_pitch() -> None:
    sound = np.concatenate([voice(200.0, 16000, 0.5), np.zeros(8000, np.float32), voice(120.0, 16000, 0.5)])
    track = pitch_track(sound, 16000)
    first, pause, last = (track[round(seconds / HOP_SECONDS)] for seconds in (0.2, 0.7, 1.2))
    assert first == pytest.approx(200.0, rel=0.01)
    assert np.isnan(pause)
    assert last == pytest.approx(120.0, rel=0.01)


def test_noise_has_next_to_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(size=32000).astype(np.float32)
    assert np.mean(np.isfinite(pitch_track(noise, 16000))) < 0.02


def test_silence_has_none_and_a_scrap_no_frames() -> None:
    assert np.isnan(pitch_track(np.zeros(16000, np.float32), 16000)).all()
    assert pitch_track(np.zeros(100, np.float32), 16000).shape == (0,)
    assert pitch_track(np.zeros(0, np.float32), 16000).shape == (0,)


def test_loudness_does_not_matter() -> None:
    sound = voice(np.linspace(110, 170, 16000), 16000)
    np.testing.assert_allclose(pitch_track(sound, 16000), pitch_track(sound * np.float32(2**-8), 16000), rtol=1e-4)


def test_what_is_found_lies_in_the_range() -> None:
    for hertz in (30.0, 900.0):
        track = pitch_track(voice(hertz, 16000), 16000)
        found = track[np.isfinite(track)]
        assert ((found >= MIN_HZ) & (found <= MAX_HZ)).all()


@pytest.mark.corpora
@pytest.mark.parametrize(
    ("pattern", "low_hz", "high_hz"), [("savee/**/*n0[1-9].wav", 85, 165), ("tess/**/*_b*_neutral.wav", 160, 255)]
)
def test_men_and_women_speak_where_men_and_women_do(
    corpora_dir: Path, pattern: str, low_hz: float, high_hz: float
) -> None:
    paths = sorted(corpora_dir.glob(pattern))[:20]
    assert len(paths) >= 10
    recordings = [read_recording(path) for path in paths]
    medians = [float(np.nanmedian(pitch_track(found.mono(), found.rate_hz))) for found in recordings]
    assert low_hz < np.median(medians) < high_hz
