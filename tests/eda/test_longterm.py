import numpy as np
import pytest

from deepemo.eda.longterm import BAND_HZ, FLOOR_DB, band_spectrum, silent_ends

RATE_HZ = 16000


def noise(seconds: float = 4.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.random.default_rng(5).normal(size=round(seconds * rate_hz)).astype(np.float32)


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [16000, 24414, 48000])
def test_white_noise_is_level_and_ends_at_half_the_rate(rate_hz: int) -> None:
    spectrum = band_spectrum(noise(rate_hz=rate_hz), rate_hz)
    upper_edges_hz = BAND_HZ * 2 ** (1 / 6)
    known = upper_edges_hz <= rate_hz / 2
    np.testing.assert_array_equal(np.isfinite(spectrum), known)
    assert np.abs(spectrum[known & (BAND_HZ > 200)]).max() < 1.0


def test_loudness_does_not_matter() -> None:
    sound = noise() + 3 * tone(1000, 4.0)
    np.testing.assert_allclose(band_spectrum(sound, RATE_HZ), band_spectrum(sound / 64, RATE_HZ), atol=1e-3)


@pytest.mark.parametrize("band", [9, 13, 17])
def test_a_tone_stands_out_in_its_band(band: int) -> None:
    spectrum = band_spectrum(tone(BAND_HZ[band]), RATE_HZ)
    assert int(np.nanargmax(spectrum)) == band
    assert np.nanmin(spectrum) >= FLOOR_DB


def test_silence_and_scraps_have_no_spectrum() -> None:
    assert np.isnan(band_spectrum(np.zeros(1000, np.float32), RATE_HZ)).all()
    assert np.isnan(band_spectrum(np.ones(1, np.float32), RATE_HZ)).all()
    assert np.isfinite(band_spectrum(noise(0.01), RATE_HZ)).any()


def test_silent_ends_are_measured_to_a_block() -> None:
    sound = np.concatenate([np.zeros(4000), tone(300, 0.5), 0.001 * tone(300, 0.1)]).astype(np.float32)
    assert silent_ends(sound, RATE_HZ, 40.0) == pytest.approx((0.25, 0.1), abs=0.01)
    assert silent_ends(sound, RATE_HZ, 80.0) == pytest.approx((0.25, 0.0), abs=0.01)


def test_ends_do_not_depend_on_the_level() -> None:
    sound = np.concatenate([np.zeros(3200), tone(200, 0.3), np.zeros(1600)]).astype(np.float32)
    assert silent_ends(sound, RATE_HZ, 40.0) == silent_ends(sound / 1000, RATE_HZ, 40.0)


def test_silence_is_all_lead() -> None:
    assert silent_ends(np.zeros(1600, np.float32), RATE_HZ, 40.0) == (0.1, 0.0)
    assert silent_ends(np.zeros(0, np.float32), RATE_HZ, 40.0) == (0.0, 0.0)
