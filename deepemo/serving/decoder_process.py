"""A process that decodes recordings for `decoders.Decoders`, one after the other, with limits on memory and time.

Run as `python -m deepemo.serving.decoder_process SOCKET SHARED MEMORY_BYTES`. SOCKET and SHARED are numbers of open
files: one end of a pair of sockets, and a file in memory through which contents and samples are passed. The process
imports only what it needs, opens no file, and ends with the process that started it.
"""

import json
import mmap
import signal
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection

import numpy as np

import deepemo.audio.io.ffmpeg  # noqa: F401 - loaded before the limits hold, as `decode` loads it later
from deepemo.audio.io.decode import read_mono
from deepemo.errors import InputError, TooLongError
from deepemo.serving.containment import READY, hush, limit_process

TOO_LONG = "too_long"
UNDECODABLE = "undecodable"


@dataclass(frozen=True, kw_only=True)
class DecodingRequest:
    """What to decode; see `audio.io.decode.read_mono`.

    Attributes:
        content_bytes: of the file, at the start of the shared memory.
        seconds: time limit, after which the process ends.
        max_seconds: of the recording.
        max_samples: of all channels together.
        max_channels: of the recording.
        channel: the one to decode; None for the mix.
    """

    content_bytes: int
    seconds: float
    max_seconds: float
    max_samples: float
    max_channels: int
    channel: int | None

    def to_json(self) -> bytes:
        """The message that the process expects."""
        return json.dumps(asdict(self)).encode()


def main(connected: int, shared: int, memory_bytes: int) -> None:
    """Answer requests until the other end is closed.

    An answer is a JSON object. It has facts about the recording, with the number of float32 samples at the start of
    the shared memory, or the reason why the recording is refused.
    """
    memory = mmap.mmap(shared, 0)
    limit_process(memory_bytes)
    with Connection(connected) as connection:
        connection.send_bytes(READY)
        hush()
        while True:
            try:
                request = DecodingRequest(**json.loads(connection.recv_bytes()))
                # The signal is not handled, so that it ends the process even inside a decoder's loop.
                signal.setitimer(signal.ITIMER_REAL, request.seconds)
                about = _decode(memory, request)
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.send_bytes(json.dumps(about).encode())
            except (EOFError, ConnectionError):
                return


def _decode(memory: mmap.mmap, request: DecodingRequest) -> dict[str, object]:
    try:
        recording = read_mono(
            memory[: request.content_bytes],
            max_seconds=request.max_seconds,
            channel=request.channel,
            max_samples=request.max_samples,
            max_channels=request.max_channels,
        )
        frames = len(recording.samples)
        np.frombuffer(memory, np.float32, frames)[:] = recording.samples[:, 0]
    except TooLongError as error:
        return {"refused": TOO_LONG, "detail": str(error)}
    except InputError as error:
        return {"refused": UNDECODABLE, "detail": str(error)}
    except MemoryError:
        return {"refused": UNDECODABLE, "detail": "recording: takes more memory to decode than is allowed"}
    return {
        "frames": frames,
        "rate_hz": recording.rate_hz,
        "container": recording.container,
        "channels": recording.channels,
        "channel": recording.channel,
        "remarks": recording.remarks,
    }


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
