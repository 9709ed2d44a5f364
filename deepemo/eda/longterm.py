"""What of a recording betrays where it was made: its long-term spectrum and the silence at its ends."""

import numpy as np
from scipy.signal import welch

LOWEST_HZ = 50.0
BANDS_AN_OCTAVE = 3
BANDS = 27
# Centres from 50 Hz to 20.3 kHz.
BAND_HZ = LOWEST_HZ * 2.0 ** (np.arange(BANDS) / BANDS_AN_OCTAVE)
SEGMENT_SECONDS = 0.064
FLOOR_DB = -120.0
BLOCK_SECONDS = 0.01


def band_spectrum(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean power density in third-octave bands, relative to that of white noise as loud as the recording.

    By Welch's method at the recording's own rate, so that nothing is filtered that was not filtered before.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.

    Returns:
        float64 [BANDS] in dB, not below `FLOOR_DB`; NaN for bands that reach above half of `rate_hz`, and everywhere
        in a silent recording.
    """
    points = min(len(samples), round(SEGMENT_SECONDS * rate_hz))
    spectrum = np.full(BANDS, np.nan)
    if points < 2 or not np.any(samples):
        return spectrum
    hertz, density = welch(samples.astype(np.float64), rate_hz, nperseg=points, noverlap=0)
    even = density.mean()
    half_band = 2.0 ** (0.5 / BANDS_AN_OCTAVE)
    for band, centre in enumerate(BAND_HZ):
        low, high = centre / half_band, centre * half_band
        if high > rate_hz / 2:
            break
        inside = (hertz >= low) & (hertz < high)
        # Low bands are narrower than the distance of the bins.
        power = density[inside].mean() if inside.any() else np.interp(centre, hertz, density)
        spectrum[band] = max(FLOOR_DB, 10 * np.log10(max(power / even, 1e-30)))
    return spectrum


def silent_ends(samples: np.ndarray, rate_hz: int, below_db: float) -> tuple[float, float]:
    """Seconds before and after the sound: blocks of 10 ms that lie more than `below_db` below the loudest.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        below_db: distance from the loudest block.

    Returns:
        Leading and trailing silence; a recording that is silent throughout is all lead.
    """
    block = max(1, round(BLOCK_SECONDS * rate_hz))
    blocks = len(samples) // block
    power = np.square(samples[: blocks * block].reshape(blocks, block), dtype=np.float64).mean(axis=1)  # [blocks]
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (-below_db / 10))
    if loud.size == 0:
        return len(samples) / rate_hz, 0.0
    return float(loud[0] * block / rate_hz), float((len(samples) - (loud[-1] + 1) * block) / rate_hz)
