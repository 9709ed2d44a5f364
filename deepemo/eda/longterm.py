"""The long-term spectrum of a recording and the silence at its ends, which depend on where it was recorded."""

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
    """Mean power density in third-octave bands, relative to white noise of the same power as the recording.

    By Welch's method at the native rate, without resampling.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.

    Returns:
        float64 [BANDS] in dB, at least `FLOOR_DB`; NaN for bands that extend above half of `rate_hz`, and for all
        bands of a silent recording.
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
        # Low bands are narrower than the spacing of the bins.
        power = density[inside].mean() if inside.any() else np.interp(centre, hertz, density)
        spectrum[band] = max(FLOOR_DB, 10 * np.log10(max(power / even, 1e-30)))
    return spectrum


def silent_ends(samples: np.ndarray, rate_hz: int, below_db: float) -> tuple[float, float]:
    """Seconds of silence before and after the sound: blocks of 10 ms more than `below_db` below the loudest block.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.
        below_db: distance from the loudest block.

    Returns:
        Leading and trailing silence in seconds; all of a silent recording is leading silence.

    Example:
        >>> sound = np.concatenate([np.zeros(800), np.ones(1600), np.zeros(400)]).astype(np.float32)
        >>> silent_ends(sound, 8000, 40.0)
        (0.1, 0.05)
    """
    block = max(1, round(BLOCK_SECONDS * rate_hz))
    blocks = len(samples) // block
    power = np.square(samples[: blocks * block].reshape(blocks, block), dtype=np.float64).mean(axis=1)  # [blocks]
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (-below_db / 10))
    if loud.size == 0:
        return len(samples) / rate_hz, 0.0
    return float(loud[0] * block / rate_hz), float((len(samples) - (loud[-1] + 1) * block) / rate_hz)
