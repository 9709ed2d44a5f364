"""PCM without a container: bytes to samples."""

from enum import StrEnum
from typing import Any

import numpy as np

from deepemo.arrays import Float32Array


class PcmFormat(StrEnum):
    """Format of a sample: 16-bit integer or 32-bit float, little-endian."""

    S16 = "s16"
    F32 = "f32"


# Type of a sample, and its value at full scale.
_SAMPLES: dict[PcmFormat, tuple[np.dtype[Any], float]] = {
    PcmFormat.S16: (np.dtype("<i2"), 32768.0),
    PcmFormat.F32: (np.dtype("<f4"), 1.0),
}


class PcmReader:
    r"""Reads frames from bytes that come in pieces of any length.

    >>> reader = PcmReader(PcmFormat.S16, channels=1)
    >>> [reader.frames(piece).tolist() for piece in (b"\x00", b"\x40\x00\xc0\x00")]
    [[], [[0.5], [-0.5]]]
    """

    def __init__(self, kind: PcmFormat, *, channels: int) -> None:
        """Start with nothing read."""
        self._dtype, self._full_scale = _SAMPLES[kind]
        self._channels = channels
        self._left = b""  # bytes of an incomplete frame

    def frames(self, content: bytes) -> Float32Array:
        """The frames that these bytes complete, float32 [frames, channels] with full scale at 1."""
        content = self._left + content
        whole = len(content) - len(content) % (self._dtype.itemsize * self._channels)
        self._left = content[whole:]
        values = np.frombuffer(content[:whole], dtype=self._dtype).reshape(-1, self._channels)
        return values.astype(np.float32) / np.float32(self._full_scale)
