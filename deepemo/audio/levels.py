"""How loud a recording is and how much of it is clipped."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FLOOR_DBFS = -240.0

# The highest positive value of 8-bit, 16-bit and 24-bit PCM differs; from here on, all of them count as full scale.
FULL_SCALE = 127 / 128


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


def measure_levels(samples: npt.NDArray[np.float32]) -> Levels:
    """Measure float32 [frames] or [frames, channels] with full scale at 1.0; all channels count alike."""
    if samples.size == 0:
        return Levels(rms_dbfs=FLOOR_DBFS, peak_dbfs=FLOOR_DBFS, clipped_share=0.0)
    magnitudes = np.abs(samples)
    return Levels(
        rms_dbfs=to_dbfs(rms(samples)),
        peak_dbfs=to_dbfs(float(magnitudes.max())),
        clipped_share=float(np.mean(magnitudes >= FULL_SCALE)),
    )


def rms(samples: npt.NDArray[np.float32]) -> float:
    """Root mean square of all samples; 0 of none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def at_level(samples: npt.NDArray[np.float32], rms_dbfs: float) -> npt.NDArray[np.float32]:
    """Scale a recording to this RMS; digital silence stays as it is, and peaks may exceed full scale."""
    found = rms(samples)
    return samples * np.float32(10 ** (rms_dbfs / 20) / found) if found else samples


def to_dbfs(amplitude: float) -> float:
    """Decibels relative to an amplitude of 1.0, not below `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20.0 * float(np.log10(amplitude))) if amplitude > 0 else FLOOR_DBFS
