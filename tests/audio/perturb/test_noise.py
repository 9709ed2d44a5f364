"""Noise has the requested level and colour."""

import numpy as np
import pytest

from deepemo.audio.perturb.noise import babble, coloured_noise, sounding, with_noise, with_sound
from deepemo.audio.samples import rms

RATE_HZ = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 300 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.float32)


def snr_db(clean: np.ndarray, noisy: np.ndarray) -> float:
    return 20 * float(np.log10(rms(clean) / rms(noisy - clean)))


@pytest.mark.parametrize("wanted_db", [20.0, 10.0, 0.0, -5.0])
@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_the_ratio_is_reached(wanted_db: float, slope: float) -> None:
    noisy = with_noise(TONE, RATE_HZ, np.random.default_rng(1), slope=slope, snr_db=wanted_db)
    assert (noisy.dtype, noisy.shape) == (np.float32, TONE.shape)
    assert snr_db(TONE, noisy) == pytest.approx(wanted_db, abs=0.1)


@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_noise_is_not_wasted_where_nobody_hears_it(slope: float) -> None:
    noise = with_noise(TONE, RATE_HZ, np.random.default_rng(1), slope=slope, snr_db=10.0) - TONE
    power = np.abs(np.fft.rfft(noise)) ** 2  # bins of half a hertz
    assert power[:100].sum() < 1e-6 * power.sum()
    assert power[100:200].sum() > (0.3 if slope else 0.004) * power.sum()


def test_silence_around_speech_does_not_make_the_noise_softer() -> None:
    padded = np.pad(TONE, 4 * RATE_HZ)
    noisy = with_noise(padded, RATE_HZ, np.random.default_rng(1), slope=0.0, snr_db=10.0)
    assert rms(noisy[: 4 * RATE_HZ]) == pytest.approx(rms(TONE) * 10 ** (-0.5), rel=0.01)
    assert len(sounding(padded, RATE_HZ)) == len(TONE)


def test_digital_silence_stays_as_it_is() -> None:
    silent = np.zeros(1000, np.float32)
    assert not with_noise(silent, RATE_HZ, np.random.default_rng(1), slope=0.0, snr_db=0.0).any()


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_power_falls_by_three_decibels_an_octave_for_each_unit_of_slope(slope: float) -> None:
    power = np.abs(np.fft.rfft(coloured_noise(np.random.default_rng(1), 2**18, slope=slope))) ** 2
    by_octave_db = [10 * np.log10(power[2**octave : 2 ** (octave + 1)].mean()) for octave in range(8, 17)]
    assert np.diff(by_octave_db).mean() == pytest.approx(-3.01 * slope, abs=0.1)


def test_a_babble_has_all_voices_equally_loud_and_fills_its_length() -> None:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    voices = [(gain * np.sin(2 * np.pi * hz * seconds)).astype(np.float32) for gain, hz in ((0.01, 500), (0.9, 1500))]
    found = babble(voices, RATE_HZ, np.random.default_rng(1), 3 * RATE_HZ)
    spectrum = np.abs(np.fft.rfft(found))
    assert found.shape == (3 * RATE_HZ,)
    assert spectrum[1500] == pytest.approx(spectrum[4500], rel=0.1)
    assert min(rms(part) for part in np.split(found, 30)) > 0.5 * rms(found)
    noisy = with_sound(TONE, RATE_HZ, found[: len(TONE)], snr_db=10.0)
    assert snr_db(TONE, noisy) == pytest.approx(10.0, abs=0.1)
