"""Decode a recording that anybody may have sent: what libsndfile reads, what browsers and phones write, within limits.

libsndfile comes first. What it does not read goes to FFmpeg (PyAV) only if its first bytes are those of a container
named below, and then to that container's reader alone: FFmpeg's guess would also open playlists, which name files and
addresses of their own. Both are read block by block, so that a few bytes that unfold to hours are noticed in time.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

from deepemo.audio.decode import DecodeError
from deepemo.errors import InputError

Floats = npt.NDArray[np.float32]

BLOCK_SAMPLES = 1 << 18
# Of all rates above it a recording may hold as many samples as one of this rate: memory is bounded, not only time.
FULL_RATE_HZ = 48_000
# Far below any recorder, far above any sound card; beyond them a header lies.
LOWEST_RATE_HZ = 2_000
HIGHEST_RATE_HZ = 768_000

# FFmpeg's name of the reader, by a test of the first bytes.
_READERS: dict[str, Callable[[bytes], bool]] = {
    "matroska": lambda head: head.startswith(b"\x1a\x45\xdf\xa3"),  # WebM too
    "mov": lambda head: head[4:8] == b"ftyp",  # MP4, M4A, 3GP
    "ogg": lambda head: head.startswith(b"OggS"),  # with codecs that libsndfile lacks
    "flac": lambda head: head.startswith(b"fLaC"),  # with a length that is missing or lies
    "aac": lambda head: head[:1] == b"\xff" and head[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9"),
    "amr": lambda head: head.startswith(b"#!AMR"),
}


class TooLongError(InputError):
    """A recording that is longer than is wanted."""


@dataclass(frozen=True)
class Sound:
    """A decoded recording, mixed down.

    Attributes:
        samples: float32 [frames], mono, the mean of the channels; full scale at 1.0.
        rate_hz: native sample rate.
        channels: how many there were.
        container: `WAV`, `OGG` and so on as libsndfile calls it, or FFmpeg's name of the container.
    """

    samples: Floats
    rate_hz: int
    channels: int
    container: str

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate_hz


def read_sound(source: Path | bytes, *, max_seconds: float, name: str | None = None) -> Sound:
    """Decode a recording of any usual format, reading no more than is allowed.

    Args:
        source: path or content of the file.
        max_seconds: longest duration accepted; above 48 kHz, longest at 48 kHz with as many samples.
        name: what to call it in an error; by default the path.

    Raises:
        DecodeError: no reader finds sound in it, or a sample is not a finite number.
        TooLongError: it goes on after `max_seconds`.
        OSError: the path cannot be read.
    """
    called = name or (str(source) if isinstance(source, Path) else "recording")
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as handle:
        head = handle.read(16)
        handle.seek(0)
        try:
            sound = _by_libsndfile(handle, max_seconds, called)
        except soundfile.LibsndfileError as error:
            reader = next((reader for reader, fits in _READERS.items() if fits(head)), None)
            if reader is None:
                raise DecodeError(f"{called}: not a sound file: {error.error_string}") from error
            handle.seek(0)
            sound = _by_ffmpeg(handle, reader, max_seconds, called)
    broken = int(np.count_nonzero(~np.isfinite(sound.samples)))
    if broken:
        raise DecodeError(f"{called}: {broken} of {len(sound.samples)} samples are NaN or infinite, expected numbers")
    return sound


def _by_libsndfile(handle: object, max_seconds: float, called: str) -> Sound:
    with soundfile.SoundFile(handle) as sound:
        rate_hz, channels = sound.samplerate, sound.channels
        _check_rate(rate_hz, called)
        samples = _gather(_libsndfile_blocks(sound), rate_hz, max_seconds, called)
        return Sound(samples, rate_hz, channels, sound.format)


def _libsndfile_blocks(sound: soundfile.SoundFile) -> Iterator[Floats]:
    """Frames as float32 [channels, frames], ended by an empty block."""
    # The header's count of frames is not believed: asked for all, soundfile sets aside memory for that many.
    frames = max(1, BLOCK_SAMPLES // sound.channels)
    while True:
        yield sound.read(frames, dtype="float32", always_2d=True).T


def _by_ffmpeg(handle: object, reader: str, max_seconds: float, called: str) -> Sound:
    try:
        with av.open(handle, "r", format=reader, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise DecodeError(f"{called}: a {reader} file without sound")
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise DecodeError(f"{called}: a {reader} file with sound of an unknown codec")
            rate_hz, channels = stream.codec_context.sample_rate, stream.codec_context.channels
            _check_rate(rate_hz, called)
            blocks = _ffmpeg_blocks(container, stream, rate_hz)
            return Sound(_gather(blocks, rate_hz, max_seconds, called), rate_hz, channels, reader)
    except av.FFmpegError as error:
        raise DecodeError(f"{called}: FFmpeg cannot read it as {reader}: {error.strerror}") from error


def _ffmpeg_blocks(container: av.container.InputContainer, stream: av.AudioStream, rate_hz: int) -> Iterator[Floats]:
    """Frames as float32 [channels, frames] at one rate, ended by an empty one."""
    to_floats = av.AudioResampler(format="fltp", rate=rate_hz)
    for frame in chain(container.decode(stream), [None]):
        for block in to_floats.resample(frame):
            yield block.to_ndarray().astype(np.float32, copy=False)
    yield np.zeros((1, 0), dtype=np.float32)


def _gather(blocks: Iterator[Floats], rate_hz: int, max_seconds: float, called: str) -> Floats:
    """Mix down blocks [channels, frames] and join them, until an empty one."""
    most = int(max_seconds * min(rate_hz, FULL_RATE_HZ))
    gathered: list[Floats] = []
    frames = 0
    for block in blocks:
        if block.shape[1] == 0:
            break
        frames += block.shape[1]
        if frames > most:
            raise TooLongError(f"{called}: longer than {most / rate_hz:g} s, the most that is accepted at {rate_hz} Hz")
        gathered.append(block[0] if len(block) == 1 else block.mean(axis=0))
    return np.concatenate(gathered) if gathered else np.zeros(0, dtype=np.float32)


def _check_rate(rate_hz: int, called: str) -> None:
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise DecodeError(f"{called}: a sample rate of {rate_hz} Hz, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}")
