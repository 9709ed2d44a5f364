"""Views of a recording as augmentation could make them: noisier, longer, higher. For looking at; training has its own.

Training changes features, not samples (see `deepemo.audio.augment`), because that costs next to nothing a clip.
"""

import numpy as np
from scipy.signal import correlate

from deepemo.audio.decode import resample
from deepemo.audio.levels import rms

WINDOW_SECONDS = 0.04
# How far a window may be from its place to continue the one before it: half a period of the lowest voice.
SLACK_SECONDS = 0.01


def with_noise(samples: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Add white noise at this signal-to-noise ratio: float32 [n] to the same."""
    noise = np.random.default_rng(seed).normal(size=len(samples)) * rms(samples) * 10 ** (-snr_db / 20)
    return (samples + noise).astype(np.float32)


def stretched(samples: np.ndarray, rate_hz: int, factor: float) -> np.ndarray:
    """Make a recording `factor` times as long at the same pitch, by WSOLA (Verhelst and Roelands 1993).

    Windows of the recording are laid over each other at another distance; each is taken from where it continues the
    one before it best.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        factor: over 1 slower, under 1 faster.

    Returns:
        float32 [round(n * factor)].
    """
    hop, slack = round(WINDOW_SECONDS * rate_hz / 2), round(SLACK_SECONDS * rate_hz)
    length = round(len(samples) * factor)
    window = np.hanning(2 * hop + 1)[:-1]  # two of them, a hop apart, add up to 1
    count = -(-length // hop) + 1
    reach = slack + 3 * hop
    padded = np.pad(samples.astype(np.float64), (reach, reach + round((count + 1) * hop / factor)))
    longer = np.zeros((count + 1) * hop)
    place = reach - hop
    for number in range(count):
        if number:
            wanted = padded[place + hop : place + 3 * hop]
            start = reach + round((number - 1) * hop / factor) - slack
            fits = correlate(padded[start : start + 2 * slack + 2 * hop], wanted, mode="valid", method="fft")
            place = start + int(fits.argmax())
        longer[number * hop : (number + 2) * hop] += window * padded[place : place + 2 * hop]
    return longer[hop : hop + length].astype(np.float32)


def pitched(samples: np.ndarray, rate_hz: int, semitones: float) -> np.ndarray:
    """Raise the pitch at the same length: stretched first, then played faster. Formants move along.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        semitones: over 0 higher, under 0 lower.

    Returns:
        float32 [n].
    """
    factor = 2 ** (semitones / 12)
    longer = stretched(samples, rate_hz, factor)
    # soxr takes ratios of whole rates only.
    shorter = resample(longer, round(1e6 * factor), 1_000_000)
    return np.pad(shorter, (0, max(0, len(samples) - len(shorter))))[: len(samples)]
