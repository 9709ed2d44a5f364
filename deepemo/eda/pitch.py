"""Fundamental frequency (F0) of speech over time, by autocorrelation."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import binary_opening, median_filter

from deepemo.audio.samples import resample

# Enough for the harmonics that determine the period, at half the cost of 16 kHz.
ANALYSIS_HZ = 8000
MIN_HZ = 60.0
MAX_HZ = 600.0
HOP_SECONDS = 0.01
# Three periods of the lowest pitch.
WINDOW_SECONDS = 3 / MIN_HZ
# Lags are interpolated to this many per sample, for the short periods of high voices.
FINER = 2
LAG_HZ = FINER * ANALYSIS_HZ
# Boersma's values for the lowest peak and for the preference for a higher octave. His voicing threshold is 0.45. This
# module has no search for a path, so it needs a higher threshold to reject noise.
LEAST_STRENGTH = 0.55
LEAST_PEAK = 0.03
OCTAVE_COST = 0.01
SHORTEST_VOICED_FRAMES = 3
MEDIAN_FRAMES = 5


def pitch_track(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """F0 every `HOP_SECONDS`, from the autocorrelation of windowed frames, divided by the window's autocorrelation.

    After Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio
    of a sampled sound", with a running median instead of the search for the cheapest path through the candidates.

    Args:
        samples: float32 [n], mono.
        rate_hz: their sample rate.

    Returns:
        float64 [frames] in Hz from `MIN_HZ` to `MAX_HZ`, NaN in frames without a voice; empty if the recording is
        shorter than one window.

    Example:
        >>> seconds = np.arange(16_000) / 16_000
        >>> tone = sum(np.sin(2 * np.pi * 200 * order * seconds) / order for order in range(1, 6))
        >>> round(float(np.nanmedian(pitch_track(tone, 16_000))))
        200
    """
    sound = resample(np.asarray(samples, dtype=np.float32), rate_hz, ANALYSIS_HZ).astype(np.float64)
    window, hop = round(WINDOW_SECONDS * ANALYSIS_HZ), round(HOP_SECONDS * ANALYSIS_HZ)
    if len(sound) < window:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::hop]  # [frames, window]
    frames = frames - frames.mean(axis=1, keepdims=True)
    lags, strength = _strongest_periods(_normalised_autocorrelation(frames))
    peaks = np.abs(frames).max(axis=1)
    voiced = (strength > LEAST_STRENGTH) & (peaks > LEAST_PEAK * peaks.max())
    voiced = binary_opening(voiced, np.ones(SHORTEST_VOICED_FRAMES))
    if not voiced.any():
        return np.full(len(frames), np.nan)
    hertz = np.clip(LAG_HZ / lags, MIN_HZ, MAX_HZ)
    # Before the median, each frame without a voice takes the value of the nearest voiced frame.
    voiced_frames = np.flatnonzero(voiced)
    nearest = voiced_frames[np.abs(np.arange(len(frames))[:, np.newaxis] - voiced_frames).argmin(axis=1)]
    return np.where(voiced, median_filter(hertz[nearest], MEDIAN_FRAMES, mode="nearest"), np.nan)


def _normalised_autocorrelation(frames: np.ndarray) -> np.ndarray:
    """Autocorrelation of [frames, window], corrected for the window, 1 at lag 0: [frames, lags of 1 / LAG_HZ]."""
    length = frames.shape[1]
    points = next_fast_len(length + int(ANALYSIS_HZ / MIN_HZ) + 2, real=True)
    lags = int(LAG_HZ / MIN_HZ) + 2
    window = np.hanning(length + 2)[1:-1]
    # A longer inverse transform interpolates between the lags.
    found = irfft(np.square(np.abs(rfft(frames * window, points))), FINER * points)[:, :lags]
    of_window = irfft(np.square(np.abs(rfft(window, points))), FINER * points)[:lags]
    return np.divide(found, found[:, :1], out=np.zeros_like(found), where=found[:, :1] > 0) * (of_window[0] / of_window)


def _strongest_periods(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lag of each frame's best peak, interpolated by a parabola, and the correlation there; 0 without a peak."""
    before, here, after = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    lags = np.arange(1, correlation.shape[1] - 1)
    is_peak = (here > before) & (here >= after) & (lags >= int(LAG_HZ / MAX_HZ))
    curvature = before - 2 * here + after
    offset = np.divide(0.5 * (before - after), curvature, out=np.zeros_like(curvature), where=is_peak & (curvature < 0))
    height = here - 0.25 * (before - after) * offset
    score = np.where(is_peak, height - OCTAVE_COST * np.log2(MIN_HZ * lags / LAG_HZ), -np.inf)
    best = score.argmax(axis=1)
    rows = np.arange(len(correlation))
    return lags[best] + offset[rows, best], np.where(is_peak[rows, best], height[rows, best], 0.0)
