"""What the header of a sound file announces, before and beside what the decoder makes of it."""

import io
import struct
from dataclasses import dataclass

import soundfile

from deepemo.audio.decode import DecodeError

# Far below any recorder, far above any sound card: beyond them a header lies.
LOWEST_RATE_HZ = 2_000
HIGHEST_RATE_HZ = 768_000

_BYTE_ORDERS = {b"RIFF": "<", b"RIFX": ">", b"FORM": ">"}
_SOUND_CHUNKS = (b"data", b"SSND")

# Programs that write to a pipe cannot go back to fill in the length, and leave one of these.
_UNKNOWN_LENGTHS = (0, 0x7FFFFFFF, 0xFFFFFFFF)


@dataclass(frozen=True)
class Announced:
    """Size of a recording by its header.

    Attributes:
        rate_hz: sample rate, between `LOWEST_RATE_HZ` and `HIGHEST_RATE_HZ`.
        frames: samples of each channel.
        channels: how many there are.
    """

    rate_hz: int
    frames: int
    channels: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / self.rate_hz


def read_header(payload: bytes, *, name: str) -> Announced:
    """Read the header alone, so that a file that unfolds to hours is noticed before it is decoded.

    Args:
        payload: the whole file.
        name: what to call it in an error.

    Raises:
        DecodeError: libsndfile cannot read it, or the sample rate is none that recordings have.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(payload)) as sound:
            announced = Announced(sound.samplerate, sound.frames, sound.channels)
    except soundfile.LibsndfileError as error:
        raise DecodeError(f"{name}: not a sound file that libsndfile reads: {error.error_string}") from error
    if not LOWEST_RATE_HZ <= announced.rate_hz <= HIGHEST_RATE_HZ:
        expected = f"expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
        raise DecodeError(f"{name}: a sample rate of {announced.rate_hz} Hz, {expected}")
    return announced


def missing_bytes(payload: bytes) -> int:
    """Bytes of sound that a WAV or AIFF header announces beyond the end of the file.

    libsndfile lowers the announced length to what the file holds, so a file that was cut short decodes without an
    error.

    Args:
        payload: the whole file.

    Returns:
        0 if nothing is missing, if the header leaves the length open, or if it is another kind of file.
    """
    order = _BYTE_ORDERS.get(payload[:4])
    position = 12
    while order is not None and position + 8 <= len(payload):
        name, length = struct.unpack_from(f"{order}4sI", payload, position)
        position += 8
        if name in _SOUND_CHUNKS:
            return 0 if length in _UNKNOWN_LENGTHS else max(0, length - (len(payload) - position))
        # Chunks are padded to an even length.
        position += length + length % 2
    return 0
