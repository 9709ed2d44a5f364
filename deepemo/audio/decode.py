"""Decode sound files by libsndfile and resample them by soxr."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr

from deepemo.errors import InputError


class DecodeError(InputError):
    """A file that libsndfile cannot read as sound."""


@dataclass(frozen=True)
class Recording:
    """A decoded sound file.

    Attributes:
        samples: float32 [frames, channels], full scale at 1.0.
        rate_hz: native sample rate.
        declared_frames: frames that the header announces; more than were read when the file was cut short.
        container: libsndfile's name of the container, such as `WAV` or `AIFF`.
    """

    samples: np.ndarray
    rate_hz: int
    declared_frames: int
    container: str

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """Duration of what was read."""
        return len(self.samples) / self.rate_hz

    def mono(self) -> np.ndarray:
        """Mean over the channels: float32 [frames]."""
        return self.samples[:, 0] if self.channels == 1 else self.samples.mean(axis=1)


def read_recording(source: str | Path | bytes | BinaryIO, *, name: str | None = None) -> Recording:
    """Decode a sound file of any format that libsndfile reads.

    Args:
        source: path, bytes, or open binary file.
        name: what to call it in an error; by default the path.

    Raises:
        DecodeError: libsndfile cannot read it.
    """
    handle = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with soundfile.SoundFile(handle) as sound:
            return Recording(
                samples=sound.read(dtype="float32", always_2d=True),
                rate_hz=sound.samplerate,
                declared_frames=sound.frames,
                container=sound.format,
            )
    except soundfile.LibsndfileError as error:
        called = name or (str(source) if isinstance(source, str | Path) else "recording")
        raise DecodeError(f"{called}: not a sound file that libsndfile reads: {error.error_string}") from error


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample float32 [frames] by soxr's high-quality filter; untouched if the rates agree."""
    if from_hz == to_hz:
        return samples
    return soxr.resample(samples, from_hz, to_hz, quality="HQ")
