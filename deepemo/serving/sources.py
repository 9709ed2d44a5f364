"""Recordings that a recognizer takes: a file, its content, or samples."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.audio.io.decode import Recording, choose_channel, read_mono
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.serving.options import RecognitionOptions

Source = str | Path | bytes | npt.NDArray[Any]
# Full scale is 1, but 32-bit integers that were stored as floats are below this limit too. The squares of much larger
# samples, which spectrograms need, are infinite in single precision.
LARGEST_SAMPLE = 1e12


def check_samples(samples: npt.NDArray[Any], called: str) -> None:
    """Check that all samples are numbers of a possible size.

    Raises:
        DecodeError: one is NaN, infinite, or larger than `LARGEST_SAMPLE`.
    """
    # The extremes are NaN if any sample is, and computing them needs no further array.
    largest = float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))
    if not math.isfinite(largest):
        raise DecodeError(f"{called}: some samples are NaN or infinite, expected numbers")
    if largest > LARGEST_SAMPLE:
        raise DecodeError(
            f"{called}: found a sample of {largest:.3g}, expected at most {LARGEST_SAMPLE:g}, full scale at 1"
        )


def read(source: Source, rate_hz: int | None, options: RecognitionOptions) -> Recording:
    """Decode a file, or check samples, and choose a channel.

    Raises:
        DecodeError: it is no sound file, or a sample is not a number of a possible size.
        TooLongError: it is longer than the options allow.
        InputError: samples have no rate, or are not floats [n] or [n, channels].
        OSError: the path cannot be read.
    """
    max_seconds = options.max_seconds
    if isinstance(source, str | Path | bytes):
        file = source if isinstance(source, bytes) else Path(source)
        decoded = read_mono(file, max_seconds=max_seconds, channel=options.channel)
        check_samples(decoded.samples, "recording" if isinstance(source, bytes) else str(source))
        return decoded
    samples = np.asarray(source)
    if rate_hz is None:
        raise InputError("samples need their rate_hz")
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise InputError(f"Bad rate_hz {rate_hz}, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}")
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected floats [n] or [n, channels]")
    if samples.ndim == 2 and samples.shape[1] == 0:
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected at least one channel")
    check_samples(samples, "samples")
    if len(samples) > max_seconds * rate_hz:
        raise TooLongError(f"samples: {len(samples) / rate_hz:g} s, expected at most {max_seconds:g} s")
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    recording = Recording(columns.astype(np.float32), rate_hz, "samples", columns.shape[1])
    return choose_channel(recording, options.channel)
