"""Levels: softer, clipped, and rounded to the 16 bits of a file."""

import numpy as np

from deepemo.arrays import Float32Array


def gained(samples: Float32Array, gain_db: float) -> Float32Array:
    """Multiply by a gain in dB: float32 [n] to float32 [n]."""
    return samples * np.float32(10 ** (gain_db / 20))


def clipped(samples: Float32Array, *, below_peak_db: float) -> Float32Array:
    """Clip samples at a level, as an overdriven input does.

    Args:
        samples: float32 [n].
        below_peak_db: distance of the level from the highest absolute sample.
    """
    highest = np.abs(samples).max(initial=0.0) * 10 ** (-below_peak_db / 20)
    return np.clip(samples, -highest, highest).astype(np.float32)


def to_16_bits(samples: Float32Array) -> Float32Array:
    """Round to the values of a 16-bit file, float32 [n]; samples beyond full scale are clipped."""
    return (np.clip(np.round(samples * 32768), -32768, 32767) / 32768).astype(np.float32)
