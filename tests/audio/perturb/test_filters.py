"""Band limits attenuate tones by Butterworth's formula; equalisation has the wanted strength and no delay."""

import numpy as np
import pytest

from deepemo.audio.perturb.filters import band_limited, equalised
from deepemo.audio.samples import rms

RATE_HZ = 16_000


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(RATE_HZ * seconds)) / RATE_HZ)).astype(np.float32)


def gain_db(before: np.ndarray, after: np.ndarray) -> float:
    """The samples between the ends. At the ends, an abrupt tone rings."""
    middle = slice(RATE_HZ // 4, -RATE_HZ // 4)
    return 20 * float(np.log10(rms(after[middle]) / rms(before[middle])))


@pytest.mark.parametrize(
    ("hz", "low_hz", "high_hz", "expected_db"),
    [
        (1000, 300, 3400, 0.0),
        (300, 300, None, -3.01),
        (3400, None, 3400, -3.01),
        (150, 300, None, -24.1),  # an octave below, of order 4
        (6800, None, 3400, -24.1),
    ],
)
def test_tones_are_attenuated_by_the_formula(
    hz: float, low_hz: float | None, high_hz: float | None, expected_db: float
) -> None:
    before = tone(hz)
    after = band_limited(before, RATE_HZ, low_hz=low_hz, high_hz=high_hz)
    assert (after.dtype, after.shape) == (np.float32, before.shape)
    assert gain_db(before, after) == pytest.approx(expected_db, abs=0.1)


def test_a_higher_order_is_steeper_and_a_constant_is_cut() -> None:
    before = tone(150)
    assert gain_db(before, band_limited(before, RATE_HZ, low_hz=300, order=8)) == pytest.approx(-48.2, abs=0.2)
    offset = np.ones(RATE_HZ, np.float32)
    assert np.abs(band_limited(offset, RATE_HZ, low_hz=300)[RATE_HZ // 4 : -RATE_HZ // 4]).max() < 1e-3


def test_a_filter_delays_nothing_and_does_not_run_round() -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[-1] = 1.0
    for found in (
        band_limited(click, RATE_HZ, low_hz=300, high_hz=3400),
        equalised(click, RATE_HZ, np.random.default_rng(1), deviation_db=6.0),
    ):
        assert np.abs(found).argmax() == RATE_HZ - 1
        assert np.abs(found[: RATE_HZ // 2]).max() < 1e-4


def test_an_equaliser_of_no_strength_changes_nothing() -> None:
    before = np.random.default_rng(1).normal(0, 0.1, 5000).astype(np.float32)
    after = equalised(before, RATE_HZ, np.random.default_rng(2), deviation_db=0.0)
    np.testing.assert_allclose(after, before, atol=1e-7)


def test_an_equaliser_is_smooth_and_as_strong_as_it_says() -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[RATE_HZ // 2] = 1.0
    random = np.random.default_rng(3)
    gains = [
        20 * np.log10(np.abs(np.fft.rfft(equalised(click, RATE_HZ, random, deviation_db=5.0)))) for _ in range(300)
    ]
    frequencies = np.fft.rfftfreq(RATE_HZ, 1 / RATE_HZ)
    octaves = np.linspace(np.log2(20), np.log2(8000), 10)
    at_knots = np.array([[np.interp(2**octave, frequencies, gain) for octave in octaves[2:-1]] for gain in gains])
    assert at_knots.std() == pytest.approx(5.0, rel=0.1)
    assert at_knots.mean() == pytest.approx(0.0, abs=0.5)
    # 1,000 to 1,050 Hz is a fourteenth of an octave, over which a gain that is linear between knots changes little.
    steps = [abs(gain[1050] - gain[1000]) for gain in gains]
    assert max(steps) < 5.0 * 6 / 12


def test_draws_follow_the_seed() -> None:
    before = tone(440)
    first, again, other = (equalised(before, RATE_HZ, np.random.default_rng(s), deviation_db=5.0) for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()
