"""A recording as a small picture for people: the outline of its waveform and its mel spectrogram.

The picture covers the whole recording in a limited number of columns. The features of the model are finer, and cover
one clip.
"""

import base64
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.samples import resample
from deepemo.serving.results import Seconds, Value

RATE_HZ = 16_000
WINDOW = 1024
BANDS = 72
LOWEST_HZ, HIGHEST_HZ = 60.0, 8000.0
RANGE_DB = 75.0
MOST_COLUMNS = 640
FINEST_SECONDS = 0.01
SILENT_POWER = 1e-12
# Spectra in each column, of which the loudest is drawn, so that short sounds show in a long recording.
SPECTRA = 4


class Picture(Value):
    """The recording drawn in columns of equal width, from its start to its end."""

    seconds: Seconds
    """Duration of the recording."""
    columns: int
    """Number of columns."""
    bands: int
    """Number of bands of the mel spectrogram."""
    min_hz: float
    """Lower end of the lowest band."""
    max_hz: float
    """Upper end of the highest band."""
    low: list[int]
    """Lowest sample in each column, in thousandths of full scale."""
    high: list[int]
    """Highest sample in each column, in thousandths of full scale."""
    levels: str
    """Mel spectrogram: base64 of one byte for each band, low bands first, column by column. 255 is the recording's
    peak, 0 is 75 dB below it."""


def draw(samples: Float32Array, rate_hz: int) -> Picture:
    """Draw samples float32 [frames], mono, at least one frame."""
    seconds = len(samples) / rate_hz
    columns = int(np.clip(seconds / FINEST_SECONDS, 1, MOST_COLUMNS))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    return Picture(
        seconds=seconds,
        columns=columns,
        bands=BANDS,
        min_hz=LOWEST_HZ,
        max_hz=HIGHEST_HZ,
        low=_thousandths(np.minimum.reduceat(samples, edges)),
        high=_thousandths(np.maximum.reduceat(samples, edges)),
        levels=base64.b64encode(_spectrogram(resample(samples, rate_hz, RATE_HZ), columns).tobytes()).decode("ascii"),
    )


def _thousandths(samples: Float32Array) -> list[int]:
    return [round(float(value) * 1000) for value in samples]


def _spectrogram(samples: Float32Array, columns: int) -> npt.NDArray[np.uint8]:
    """Levels uint8 [columns, bands] of samples at `RATE_HZ`."""
    padded = np.pad(samples, WINDOW // 2)
    centres = (np.arange(columns * SPECTRA) + 0.5) * len(samples) / (columns * SPECTRA)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[centres.astype(int)]  # [spectra, WINDOW]
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1))
    power = np.square(spectrum) @ _mel_filters()  # [spectra, bands]
    power = power.reshape(columns, SPECTRA, BANDS).max(axis=1)
    decibel = 10 * np.log10(np.maximum(power, SILENT_POWER))
    if power.max() <= SILENT_POWER:
        return np.zeros(power.shape, dtype=np.uint8)
    above_floor = (decibel - decibel.max()) / RANGE_DB + 1.0
    return np.rint(np.clip(above_floor, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _mel_filters() -> Float64Array:
    """Triangles of equal width in mel (HTK: 2595 log10(1 + f / 700)), at least a bin wide: [bins, bands]."""
    frequencies = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bin_hz = RATE_HZ / WINDOW
    rising = (frequencies[:, None] - edges[None, :-2]) / np.maximum(np.diff(edges[:-1]), bin_hz)
    falling = (edges[None, 2:] - frequencies[:, None]) / np.maximum(np.diff(edges[1:]), bin_hz)
    return np.maximum(0, np.minimum(rising, falling))
