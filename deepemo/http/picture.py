"""A recording as a small picture for people: the outline of its waveform and its mel spectrogram.

Drawn over the whole recording in few columns, whatever its length; the model's own features are a clip's, and finer.
"""

import base64
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.audio.samples import resample

Floats = npt.NDArray[np.float32]

RATE_HZ = 16_000
WINDOW = 1024
BANDS = 72
LOWEST_HZ, HIGHEST_HZ = 60.0, 8000.0
RANGE_DB = 75.0
MOST_COLUMNS = 640
FINEST_SECONDS = 0.01
SILENT_POWER = 1e-12
# Looks into each column, the loudest of which is drawn: a long recording must not hide what is short.
LOOKS = 4


@dataclass(frozen=True)
class Picture:
    """A recording as columns of equal width from its start to its end.

    Attributes:
        low: lowest sample in each column, float32 [columns].
        high: highest sample in each column, float32 [columns].
        levels: uint8 [columns, bands], 255 at the recording's peak, 0 at `RANGE_DB` below it; low bands first.
        seconds: duration of the recording.
    """

    low: Floats
    high: Floats
    levels: npt.NDArray[np.uint8]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: samples in thousandths of full scale, levels in base64, column by column."""
        columns, bands = self.levels.shape
        return {
            "seconds": round(self.seconds, 3),
            "columns": columns,
            "bands": bands,
            "min_hz": LOWEST_HZ,
            "max_hz": HIGHEST_HZ,
            "low": [round(float(value) * 1000) for value in self.low],
            "high": [round(float(value) * 1000) for value in self.high],
            "levels": base64.b64encode(self.levels.tobytes()).decode("ascii"),
        }


def draw(samples: Floats, rate_hz: int) -> Picture:
    """Draw float32 [frames], mono, at least one frame."""
    seconds = len(samples) / rate_hz
    columns = int(np.clip(seconds / FINEST_SECONDS, 1, MOST_COLUMNS))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    return Picture(
        low=np.minimum.reduceat(samples, edges),
        high=np.maximum.reduceat(samples, edges),
        levels=_spectrogram(resample(samples, rate_hz, RATE_HZ), columns),
        seconds=seconds,
    )


def _spectrogram(samples: Floats, columns: int) -> npt.NDArray[np.uint8]:
    padded = np.pad(samples, WINDOW // 2)
    centres = (np.arange(columns * LOOKS) + 0.5) * len(samples) / (columns * LOOKS)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[centres.astype(int)]  # [looks, WINDOW]
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1))
    power = np.square(spectrum) @ _mel_filters()  # [looks, bands]
    power = power.reshape(columns, LOOKS, BANDS).max(axis=1)
    decibel = 10 * np.log10(np.maximum(power, SILENT_POWER))
    if power.max() <= SILENT_POWER:
        return np.zeros(power.shape, dtype=np.uint8)
    above_floor = (decibel - decibel.max()) / RANGE_DB + 1.0
    return np.rint(np.clip(above_floor, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _mel_filters() -> npt.NDArray[np.float64]:
    """Triangles of equal width in mel (HTK: 2595 log10(1 + f / 700)), at least a bin wide: [bins, bands]."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bin_hz = RATE_HZ / WINDOW
    rising = (frequencies[:, None] - edges[None, :-2]) / np.maximum(np.diff(edges[:-1]), bin_hz)
    falling = (edges[None, 2:] - frequencies[:, None]) / np.maximum(np.diff(edges[1:]), bin_hz)
    return np.maximum(0, np.minimum(rising, falling))
