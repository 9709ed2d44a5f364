"""What a recognizer can be given: a path, the content of a file, or samples."""

from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.audio.io.decode import Recording, choose_channel, read_mono
from deepemo.errors import DecodeError, InputError, TooLongError

Source = str | Path | bytes | npt.NDArray[Any]


class Channel(StrEnum):
    """What of a recording is heard: the mix of its channels, or one of them."""

    MIX = "mix"
    LEFT = "left"
    RIGHT = "right"

    @property
    def number(self) -> int | None:
        """Of the channel, the first being 0; None for the mix."""
        return {Channel.MIX: None, Channel.LEFT: 0, Channel.RIGHT: 1}[self]


def to_mono(source: Source, rate_hz: int | None, max_seconds: float, channel: int | None = None) -> Recording:
    """Decode a file, or check samples, and choose a channel.

    Args:
        source: path or content of a sound file, or float samples [n] or [n, channels], full scale at 1.
        rate_hz: sample rate of samples.
        max_seconds: longest duration accepted.
        channel: as for `read_mono`.

    Raises:
        DecodeError: it is no sound file, or a sample is not a finite number.
        TooLongError: it goes on after `max_seconds`.
        InputError: samples have no rate, or are no such array.
        OSError: the path cannot be read.
    """
    if isinstance(source, str | Path):
        return read_mono(Path(source), max_seconds=max_seconds, channel=channel)
    if isinstance(source, bytes):
        return read_mono(source, max_seconds=max_seconds, channel=channel)
    samples = np.asarray(source)
    if rate_hz is None:
        raise InputError("samples need their rate_hz")
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected floats [n] or [n, channels]")
    if samples.ndim == 2 and samples.shape[1] == 0:
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected at least one channel")
    if not np.isfinite(samples).all():
        raise DecodeError("samples: some are NaN or infinite, expected numbers")
    if len(samples) > max_seconds * rate_hz:
        raise TooLongError(f"samples: {len(samples) / rate_hz:g} s, expected at most {max_seconds:g} s")
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    return choose_channel(Recording(columns.astype(np.float32), rate_hz, "samples", columns.shape[1]), channel)
