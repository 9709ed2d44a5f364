"""How loud a recording is and how much of it is clipped."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FLOOR_DBFS = -240.0

# The highest positive value of 8-bit, 16-bit and 24-bit PCM differs; from here on, all of them count as full scale.
FULL_SCALE = 127 / 128

# Channels cancel one another if their mix is so much quieter than that of independent ones: as loud as a fifth louder
# or quieter copy of opposite polarity leaves it. Independent channels lie at 0 dB, equal ones above.
CANCELLED_DB = -15.0


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


def loudest_if_cancelled(power: npt.NDArray[np.float64], mixed_power: float) -> int | None:
    """The loudest channel, if channels of opposite polarity cancel one another in the mix; else None.

    Args:
        power: sum of squares of each channel, [channels].
        mixed_power: sum of squares of their mean.
    """
    independent = float(power.sum()) / len(power) ** 2
    if len(power) < 2 or not independent > 0 or mixed_power > independent * 10 ** (CANCELLED_DB / 10):
        return None
    return int(power.argmax())


def cancelled_channel(samples: npt.NDArray[np.float32]) -> int | None:
    """The loudest channel of float32 [frames, channels], if they cancel one another in the mix; else None."""
    if samples.shape[1] < 2:
        return None
    power = np.sum(np.square(samples, dtype=np.float64), axis=0)
    return loudest_if_cancelled(power, float(np.sum(np.square(samples.mean(axis=1), dtype=np.float64))))


def mix_down(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean over the channels of float32 [frames, channels]: float32 [frames].

    Where they cancel one another, the loudest of them.
    """
    if samples.shape[1] == 1:
        return samples[:, 0]
    channel = cancelled_channel(samples)
    return samples.mean(axis=1) if channel is None else samples[:, channel]


def at_level(samples: npt.NDArray[np.float32], rms_dbfs: float) -> npt.NDArray[np.float32]:
    """Scale a recording to this RMS; digital silence stays as it is, and peaks may exceed full scale."""
    found = rms(samples)
    return samples * np.float32(10 ** (rms_dbfs / 20) / found) if found else samples


def to_dbfs(amplitude: float) -> float:
    """Decibels relative to an amplitude of 1.0, not below `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20.0 * float(np.log10(amplitude))) if amplitude > 0 else FLOOR_DBFS
