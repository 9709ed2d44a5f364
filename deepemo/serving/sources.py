"""Recordings that a recognizer takes: a file, its content, or samples."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.audio.io.decode import Recording, choose_channel, read_mono
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.serving.options import RecognitionOptions

Source = str | Path | bytes | npt.NDArray[Any]


def read(source: Source, rate_hz: int | None, options: RecognitionOptions) -> Recording:
    """Decode a file, or check samples, and choose a channel.

    Raises:
        DecodeError: it is no sound file, or a sample is not a finite number.
        TooLongError: it is longer than the options allow.
        InputError: samples have no rate, or are not floats [n] or [n, channels].
        OSError: the path cannot be read.
    """
    max_seconds = options.max_seconds
    if isinstance(source, str | Path):
        return read_mono(Path(source), max_seconds=max_seconds, channel=options.channel)
    if isinstance(source, bytes):
        return read_mono(source, max_seconds=max_seconds, channel=options.channel)
    samples = np.asarray(source)
    if rate_hz is None:
        raise InputError("samples need their rate_hz")
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise InputError(f"Bad rate_hz {rate_hz}, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}")
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected floats [n] or [n, channels]")
    if samples.ndim == 2 and samples.shape[1] == 0:
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected at least one channel")
    if not np.isfinite(samples).all():
        raise DecodeError("samples: some are NaN or infinite, expected numbers")
    if len(samples) > max_seconds * rate_hz:
        raise TooLongError(f"samples: {len(samples) / rate_hz:g} s, expected at most {max_seconds:g} s")
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    recording = Recording(columns.astype(np.float32), rate_hz, "samples", columns.shape[1])
    return choose_channel(recording, options.channel)
