"""Arrays of samples: resampling, mixing down, trimming, scaling, and measuring levels."""

from dataclasses import dataclass

import numpy as np
import soxr

from deepemo.arrays import Float32Array, Float64Array

FLOOR_DBFS = -240.0

# The highest positive value of PCM depends on the number of bits; with 8 bits, it is this one. Samples of at least this
# magnitude count as full scale.
FULL_SCALE = 127 / 128

# Channels cancel one another if their mix is at this level or below; 0 dB is the mix of independent channels. A channel
# and its inverse are at this level if the amplitude of one is 1.29 times that of the other.
CANCELLED_DB = -15.0
_AS_LOUD = 0.999
# Rounding of the sums leaves less than this share of the power when a constant signal's mean is subtracted.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Levels:
    """Loudness relative to full scale.

    Attributes:
        rms_dbfs: root mean square; a full-scale sine has -3.01 dBFS, digital silence `FLOOR_DBFS`.
        peak_dbfs: highest absolute sample.
        clipped_share: share of samples at full scale.
    """

    rms_dbfs: float
    peak_dbfs: float
    clipped_share: float


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample float32 [frames] or [frames, channels] by soxr's high-quality filter.

    Returns:
        The same array if the rates are equal.
    """
    if from_hz == to_hz:
        return samples
    return soxr.resample(samples, from_hz, to_hz, quality="HQ")


def measure_levels(samples: Float32Array) -> Levels:
    """Measure float32 [frames] or [frames, channels] with full scale at 1.0, over all channels.

    Example:
        >>> sine = np.sin(np.linspace(0, 2 * np.pi, 1000, endpoint=False)).astype(np.float32)
        >>> levels = measure_levels(sine)
        >>> round(levels.rms_dbfs, 2), round(levels.peak_dbfs, 2)
        (-3.01, 0.0)
    """
    if samples.size == 0:
        return Levels(rms_dbfs=FLOOR_DBFS, peak_dbfs=FLOOR_DBFS, clipped_share=0.0)
    magnitudes = np.abs(samples)
    return Levels(
        rms_dbfs=to_dbfs(rms(samples)),
        peak_dbfs=to_dbfs(float(magnitudes.max())),
        clipped_share=float(np.mean(magnitudes >= FULL_SCALE)),
    )


def rms(samples: Float32Array) -> float:
    """Root mean square of all samples; 0 if there are none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def loudest_if_cancelled(frames: int, sums: Float64Array, power: Float64Array) -> int | None:
    """The loudest channel, if the channels cancel one another in the mix; else None.

    A constant offset, which a sound card adds to all channels alike, does not count. If the power of several channels
    is within 0.1 % of the highest, the first of them is returned.

    Args:
        frames: number of frames.
        sums: sum of the samples of each channel and, at the end, of their mix, float64 [channels + 1].
        power: the same sums of the squared samples.
    """
    with np.errstate(invalid="ignore", over="ignore"):  # samples may be NaN or infinite
        sound = power - sums**2 / max(1, frames)
    channels, mixed = sound[:-1], float(sound[-1])
    independent = float(channels.sum()) / len(channels) ** 2
    if len(channels) < 2 or not independent > _ROUNDING * power.sum():
        return None
    if mixed > independent * 10 ** (CANCELLED_DB / 10):
        return None
    return int(np.argmax(channels >= _AS_LOUD * channels.max()))


def cancelled_channel(samples: Float32Array) -> int | None:
    """The loudest channel of float32 [frames, channels], if the channels cancel one another in the mix; else None."""
    if samples.shape[1] < 2:
        return None
    return loudest_if_cancelled(len(samples), *sums_and_power(samples, samples.mean(axis=1, keepdims=True)))


def sums_and_power(samples: Float32Array, mixed: Float32Array) -> tuple[Float64Array, Float64Array]:
    """Sums over the samples, and over their squares, of channels [frames, channels] and their mix [frames, 1].

    Returns:
        Each float64 [channels + 1], the mix at the end.
    """
    columns = np.concatenate([samples, mixed], axis=1)
    return np.sum(columns, axis=0, dtype=np.float64), np.sum(np.square(columns, dtype=np.float64), axis=0)


def mix_down(samples: Float32Array) -> Float32Array:
    """Mix float32 [frames, channels] down to float32 [frames].

    Returns:
        The mean over the channels; the loudest channel if they cancel one another.

    Example:
        >>> mix_down(np.float32([[0.5, 0.25], [0.0, 0.5]])).tolist()
        [0.375, 0.25]
        >>> mix_down(np.float32([[0.5, -0.5], [0.25, -0.25]])).tolist()
        [0.5, 0.25]
    """
    if samples.shape[1] == 1:
        return samples[:, 0]
    channel = cancelled_channel(samples)
    return samples.mean(axis=1) if channel is None else samples[:, channel]


def trim_silence(samples: np.ndarray, *, block_samples: int, below_db: float) -> np.ndarray:
    """Cut off quiet ends: leading and trailing blocks more than `below_db` below the loudest block.

    Args:
        samples: float32 [frames].
        block_samples: length of the blocks whose RMS is compared.
        below_db: distance from the loudest block, in dB.

    Returns:
        A view of `samples` from the first to the last block kept; all of it if it is silent or shorter than a block.
        The samples after the last whole block are kept if that block is.

    Example:
        >>> trim_silence(np.float32([0, 0, 0, 0, 1, 1, 0, 0]), block_samples=2, below_db=40.0).tolist()
        [1.0, 1.0]
    """
    blocks = len(samples) // block_samples
    if blocks == 0:
        return samples
    whole = samples[: blocks * block_samples].reshape(blocks, block_samples)
    power = np.einsum("ij,ij->i", whole, whole, dtype=np.float64)  # [blocks]
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    if loud.size == 0:
        return samples
    end = len(samples) if loud[-1] == blocks - 1 else (loud[-1] + 1) * block_samples
    return samples[loud[0] * block_samples : end]


def at_level(samples: Float32Array, rms_dbfs: float) -> Float32Array:
    """Scale samples to this RMS. Digital silence is returned unchanged; peaks may exceed full scale."""
    found = rms(samples)
    return samples * np.float32(10 ** (rms_dbfs / 20) / found) if found else samples


def to_dbfs(amplitude: float) -> float:
    """Decibels relative to an amplitude of 1.0, not below `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20.0 * float(np.log10(amplitude))) if amplitude > 0 else FLOOR_DBFS
