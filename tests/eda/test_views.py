import numpy as np
import pytest

from deepemo.eda.views import pitched, stretched, with_white_noise

RATE_HZ = 16000


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def strongest_hz(samples: np.ndarray) -> float:
    windowed = samples * np.hanning(len(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / RATE_HZ)[np.abs(np.fft.rfft(windowed)).argmax()])


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_asked_level(snr_db: float) -> None:
    sound = tone(440)
    noise = with_white_noise(sound, snr_db, seed=1) - sound
    found = 10 * np.log10(np.mean(sound**2) / np.mean(noise**2))
    assert found == pytest.approx(snr_db, abs=0.2)


def test_noise_is_drawn_by_its_seed() -> None:
    sound = tone(440)
    np.testing.assert_array_equal(with_white_noise(sound, 10, seed=1), with_white_noise(sound, 10, seed=1))
    assert not np.array_equal(with_white_noise(sound, 10, seed=1), with_white_noise(sound, 10, seed=2))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.25, 2.0])
def test_a_stretched_tone_keeps_its_pitch_and_level(factor: float) -> None:
    longer = stretched(tone(440), RATE_HZ, factor)
    assert len(longer) == round(RATE_HZ * factor)
    assert strongest_hz(longer) == pytest.approx(440, abs=2)
    middle = longer[len(longer) // 4 : -len(longer) // 4]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.03)


def test_a_stretched_pause_is_longer() -> None:
    sound = np.concatenate([tone(300, 0.5), np.zeros(8000, np.float32), tone(300, 0.5)])
    longer = stretched(sound, RATE_HZ, 1.5)
    quiet = np.abs(longer).reshape(-1, 100).max(axis=1) < 0.02
    assert quiet.sum() * 100 / RATE_HZ == pytest.approx(0.75, abs=0.08)


def test_a_factor_of_one_changes_nothing() -> None:
    sound = np.random.default_rng(1).normal(size=RATE_HZ).astype(np.float32)
    np.testing.assert_allclose(stretched(sound, RATE_HZ, 1.0), sound, atol=1e-5)


@pytest.mark.parametrize("semitones", [-12.0, -5.0, 0.0, 3.0, 12.0])
def test_a_pitched_tone_has_the_asked_pitch_and_its_length(semitones: float) -> None:
    found = pitched(tone(440), RATE_HZ, semitones)
    assert found.shape == (RATE_HZ,)
    assert strongest_hz(found) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)


def test_silence_and_scraps_stay_what_they_are() -> None:
    assert not stretched(np.zeros(1000, np.float32), RATE_HZ, 1.5).any()
    assert stretched(np.ones(10, np.float32), RATE_HZ, 2.0).shape == (20,)
    assert stretched(np.zeros(0, np.float32), RATE_HZ, 2.0).shape == (0,)
