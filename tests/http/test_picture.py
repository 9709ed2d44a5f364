import base64

import numpy as np
import pytest

from deepemo.http.picture import BANDS, HIGHEST_HZ, LOWEST_HZ, MOST_COLUMNS, Picture, draw
from tests.fixtures.serving import RATE_HZ, tone


def levels_of(picture: Picture) -> np.ndarray:
    """[columns, bands]."""
    levels = np.frombuffer(base64.b64decode(picture.levels), dtype=np.uint8)
    return levels.reshape(picture.columns, picture.bands)


def mel(hz):
    return 2595 * np.log10(1 + hz / 700)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("hz", [300, 1000, 3000])
def test_a_tone_lies_in_the_band_of_its_pitch_at_any_rate(hz, rate_hz):
    levels = levels_of(draw(tone(2, hz=hz, rate_hz=rate_hz), rate_hz))
    band = round((mel(hz) - mel(LOWEST_HZ)) / (mel(HIGHEST_HZ) - mel(LOWEST_HZ)) * (BANDS + 1)) - 1
    loudest = levels[5:-5].argmax(axis=1)
    assert np.abs(loudest - band).max() <= 1


def test_the_outline_holds_every_sample():
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, 100_000).astype(np.float32)
    samples[70_001] = 0.9
    picture = draw(samples, RATE_HZ)
    assert (min(picture.low), max(picture.high)) == (round(float(samples.min()) * 1000), 900)
    assert np.argmax(picture.high) == int(70_001 / 100_000 * len(picture.high))


@pytest.mark.parametrize("seconds", [1 / RATE_HZ, 0.005, 0.3, 2.0, 300.0])
def test_any_length_becomes_a_picture_of_bounded_size(seconds):
    picture = draw(tone(seconds, hz=500), RATE_HZ)
    assert 1 <= picture.columns <= MOST_COLUMNS
    assert len(picture.low) == len(picture.high) == picture.columns
    assert len(base64.b64decode(picture.levels)) == picture.columns * picture.bands


def test_a_click_in_a_long_recording_is_not_lost():
    samples = np.zeros(120 * RATE_HZ, np.float32)
    samples[60 * RATE_HZ : 60 * RATE_HZ + 800] = tone(0.05, hz=1000)
    levels = levels_of(draw(samples, RATE_HZ))
    assert levels.max() == 255
    assert 0.49 < levels.max(axis=1).argmax() / len(levels) < 0.51


def test_silence_is_drawn_without_a_warning(recwarn):
    levels = levels_of(draw(np.zeros(RATE_HZ, np.float32), RATE_HZ))
    assert levels.max() == 0
    assert not recwarn.list
