"""Augmentation of samples for the plots: noise, time stretching, pitch shifting.

Training augments features instead (see `deepemo.audio.augment`), which is much cheaper.
"""

import numpy as np
from scipy.signal import correlate

from deepemo.audio.samples import resample, rms

WINDOW_SECONDS = 0.04
# A window may be moved by up to half a period of the lowest pitch, to continue the previous window well.
SLACK_SECONDS = 0.01


def with_white_noise(samples: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Add white noise at a signal-to-noise ratio in dB: float32 [n] to float32 [n]."""
    noise = np.random.default_rng(seed).normal(size=len(samples)) * rms(samples) * 10 ** (-snr_db / 20)
    return (samples + noise).astype(np.float32)


def stretched(samples: np.ndarray, rate_hz: int, factor: float) -> np.ndarray:
    """Make a recording `factor` times as long at the same pitch, by WSOLA (Verhelst and Roelands 1993).

    Windows of the recording are added at a different spacing. Each window is taken from the position where it continues
    the previous window best.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        factor: above 1 slower, below 1 faster.

    Returns:
        float32 [round(n * factor)].

    Example:
        >>> len(stretched(np.zeros(8000, dtype=np.float32), 16_000, 1.5))
        12000
    """
    hop, slack = round(WINDOW_SECONDS * rate_hz / 2), round(SLACK_SECONDS * rate_hz)
    length = round(len(samples) * factor)
    window = np.hanning(2 * hop + 1)[:-1]  # two such windows, a hop apart, add up to 1
    count = -(-length // hop) + 1
    reach = slack + 3 * hop
    padded = np.pad(samples.astype(np.float64), (reach, reach + round((count + 1) * hop / factor)))
    longer = np.zeros((count + 1) * hop)
    position = reach - hop
    for number in range(count):
        if number:
            continuation = padded[position + hop : position + 3 * hop]
            start = reach + round((number - 1) * hop / factor) - slack
            similarity = correlate(
                padded[start : start + 2 * slack + 2 * hop], continuation, mode="valid", method="fft"
            )
            position = start + int(similarity.argmax())
        longer[number * hop : (number + 2) * hop] += window * padded[position : position + 2 * hop]
    return longer[hop : hop + length].astype(np.float32)


def pitched(samples: np.ndarray, rate_hz: int, semitones: float) -> np.ndarray:
    """Shift the pitch at the same length: stretch, then resample. Formants are shifted, too.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        semitones: above 0 higher, below 0 lower.

    Returns:
        float32 [n].
    """
    factor = 2 ** (semitones / 12)
    longer = stretched(samples, rate_hz, factor)
    # soxr accepts integer rates only.
    shorter = resample(longer, round(1e6 * factor), 1_000_000)
    return np.pad(shorter, (0, max(0, len(samples) - len(shorter))))[: len(samples)]
