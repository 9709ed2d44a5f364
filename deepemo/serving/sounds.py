"""Sources of live sound: a microphone of this machine, or PCM from standard input."""

import queue
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from typing import Any, cast

from deepemo.arrays import Float32Array
from deepemo.errors import InputError, extra
from deepemo.serving.pcm import PcmFormat, PcmReader

BLOCK_SECONDS = 0.1
# Time between checks for Ctrl+C.
_WAIT_SECONDS = 0.2
# Most bytes that are read at once.
_PIECE_BYTES = 1 << 16
# First bytes of files that are piped by mistake.
_CONTAINERS = {b"RIFF": "WAV", b"fLaC": "FLAC", b"OggS": "Ogg", b"ID3": "MP3", b"\x1aE\xdf\xa3": "WebM or Matroska"}


@dataclass(frozen=True)
class Sound:
    """Sound that is still arriving.

    Attributes:
        name: where it comes from.
        rate_hz: of its samples.
        channels: of its samples.
        pieces: the sound as it arrives, float32 [frames, channels] with full scale at 1.
    """

    name: str
    rate_hz: int
    channels: int
    pieces: Iterator[Float32Array]


def standard_input(kind: PcmFormat, *, rate_hz: int, channels: int) -> Sound:
    """PCM from standard input; its pieces raise `InputError` if it begins like a sound file with a header.

    Raises:
        InputError: standard input is a terminal.
    """
    if sys.stdin.isatty():
        raise InputError("standard input: found a terminal, expected a pipe of PCM")
    return Sound("standard input", rate_hz, channels, _pieces(PcmReader(kind, channels=channels)))


def _pieces(reader: PcmReader) -> Iterator[Float32Array]:
    first = True
    piped = cast(BufferedReader, sys.stdin.buffer)
    while content := piped.read1(_PIECE_BYTES):
        for start, container in _CONTAINERS.items() if first else ():
            if content.startswith(start):
                raise InputError(
                    f"standard input: found {container}, expected PCM without a header; `deepemo predict -` reads files"
                )
        first = False
        yield reader.frames(content)


def microphone(device: str | None = None, rate_hz: int | None = None) -> AbstractContextManager[Sound]:
    """A microphone, through PortAudio. It records inside the block, and its pieces never end.

    Args:
        device: its number, or a part of its name; None for the default of the system.
        rate_hz: of its samples; None for its own rate.

    Raises:
        InputError: the extra or PortAudio is missing, there is no such microphone, or it cannot be used.
    """
    try:
        with extra("microphone"):
            import sounddevice
    except OSError as error:
        raise InputError(f"no microphone can be used: {error} (Debian has it as libportaudio2)") from error
    heard: queue.SimpleQueue[Float32Array] = queue.SimpleQueue()

    def take(block: Float32Array, frames: int, moment: Any, status: Any) -> None:
        heard.put(block.copy())  # PortAudio uses the array again

    chosen = int(device) if device is not None and device.isdecimal() else device
    faults = (sounddevice.PortAudioError, ValueError)
    with _told(*faults):
        found = sounddevice.query_devices(chosen, "input")
        rate_hz = rate_hz or round(found["default_samplerate"])
        stream = sounddevice.InputStream(
            samplerate=rate_hz,
            blocksize=round(BLOCK_SECONDS * rate_hz),
            device=chosen,
            channels=1,
            dtype="float32",
            callback=take,
        )
    sound = Sound(found["name"], rate_hz, 1, _blocks(heard))

    @contextmanager
    def listening() -> Iterator[Sound]:
        with closing(stream):
            with _told(*faults):
                stream.start()
            yield sound

    return listening()


@contextmanager
def _told(*faults: type[Exception]) -> Iterator[None]:
    """Turn errors of a microphone inside the block into `InputError`."""
    try:
        yield
    except faults as error:
        raise InputError(f"no microphone can be used: {error}") from error


def _blocks(heard: "queue.SimpleQueue[Float32Array]") -> Iterator[Float32Array]:
    while True:
        try:
            yield heard.get(timeout=_WAIT_SECONDS)
        except queue.Empty:
            continue
