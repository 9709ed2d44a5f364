"""What a recognizer can be given: a path, the content of a file, or samples."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.audio.containers import Sound, TooLongError, read_sound
from deepemo.audio.decode import DecodeError
from deepemo.errors import InputError

Source = str | Path | bytes | npt.NDArray[Any]


def to_sound(source: Source, rate_hz: int | None, max_seconds: float) -> Sound:
    """Decode a file, or check samples.

    Args:
        source: path or content of a sound file, or float samples [n] or [n, channels], full scale at 1.
        rate_hz: sample rate of samples.
        max_seconds: longest duration accepted.

    Raises:
        DecodeError: it is no sound file, or a sample is not a finite number.
        TooLongError: it goes on after `max_seconds`.
        InputError: samples have no rate, or are no such array.
        OSError: the path cannot be read.
    """
    if isinstance(source, str | Path):
        return read_sound(Path(source), max_seconds=max_seconds)
    if isinstance(source, bytes):
        return read_sound(source, max_seconds=max_seconds)
    samples = np.asarray(source)
    if rate_hz is None:
        raise InputError("samples need their rate_hz")
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected floats [n] or [n, channels]")
    if not np.isfinite(samples).all():
        raise DecodeError("samples: some are NaN or infinite, expected numbers")
    if len(samples) > max_seconds * rate_hz:
        raise TooLongError(f"samples: {len(samples) / rate_hz:g} s, expected at most {max_seconds:g} s")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    return Sound(mono.astype(np.float32), rate_hz, channels, "samples")
