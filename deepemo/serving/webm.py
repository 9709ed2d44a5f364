"""Decode WebM from a browser's recorder as it arrives, in a separate process."""

import signal
import threading
from collections.abc import Callable

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.audio.io.blocks import FULL_RATE_HZ
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.serving.containment import LONGEST_DETAIL, MIB, CancelledError, ContainedProcess
from deepemo.serving.webm_process import ENDED, HUNGRY, MESSAGE_SAMPLES, RATE, REFUSED, SOUND

# Memory beyond that at the start of the process: for packets and buffers of FFmpeg, and the sound of a message.
MEMORY_BYTES = 64 * MIB
_LARGEST_MESSAGE = 8 * MESSAGE_SAMPLES


class WebmDecoder:
    """Decodes one stream of WebM with Opus or Vorbis. One thread uses it; another may call `close`.

    Attributes:
        rate_hz: of the sound; None until the first sound is decoded.
    """

    def __init__(
        self,
        *,
        max_seconds: float,
        seconds: float,
        memory_bytes: int = MEMORY_BYTES,
        on_death: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the process, without waiting for it.

        Args:
            max_seconds: longest sound, see `blocks.FULL_RATE_HZ`.
            seconds: limit on the processor time in all, and on the wait for the sound of one piece of the stream.
            memory_bytes: limit on the memory of the process, beyond that at its start.
            on_death: called if it dies or takes too long.
        """
        self.rate_hz: int | None = None
        self._on_death = on_death
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._max_seconds = max_seconds
        self._seconds = seconds
        self._samples = 0
        self._is_hungry = False
        self._is_over = False
        arguments = [memory_bytes, max(1, round(seconds))]
        self._process = ContainedProcess("deepemo.serving.webm_process", arguments)

    def decode(self, content: bytes) -> Float32Array:
        """Decode the next bytes of the stream, cut anywhere: the mix of the channels, float32 [n].

        Raises:
            DecodeError: it is not such a stream, takes too much time or memory, or killed the process.
            TooLongError: there is more sound than is accepted.
            CancelledError: `close` was called.
        """
        return self._told(content) if content else np.zeros(0, np.float32)

    def finish(self) -> Float32Array:
        """The remaining sound at the end of the stream; raises the same errors as `decode`."""
        return self._told(b"")

    def close(self) -> None:
        """End the process, and drop its current work."""
        self._is_closed.set()
        with self._lock:
            self._process.end()

    def _told(self, content: bytes) -> Float32Array:
        with self._lock:
            if self._is_closed.is_set():
                raise CancelledError
            try:
                self._process.wait_ready()
                found = [] if self._is_hungry or self._is_over else self._until_hungry()
                if not self._is_over:
                    self._process.connection.send_bytes(content)
                    found += self._until_hungry()
            except InputError:
                raise
            except TimeoutError as error:
                self._on_death()
                raise DecodeError(f"stream: takes longer than {self._seconds:g} s to decode") from error
            except (EOFError, OSError, ValueError) as error:
                self._on_death()
                status = self._process.end()
                if status == -signal.SIGXCPU:
                    detail = f"takes more than {self._seconds:g} s of processor time to decode"
                    raise DecodeError(f"stream: {detail}") from error
                raise DecodeError(f"stream: its decoder died (status {status})") from error
        return np.concatenate([np.zeros(0, np.float32), *found])

    def _until_hungry(self) -> list[Float32Array]:
        """The sound that the process decodes until it asks for more bytes, or has finished."""
        found = []
        while True:
            self._process.wait(self._seconds, self._is_closed.is_set)
            message = self._process.connection.recv_bytes(_LARGEST_MESSAGE)
            kind, content = message[:1], message[1:]
            if kind == SOUND:
                found.append(self._take(content))
            elif kind == REFUSED:
                raise DecodeError(f"stream: {content.decode(errors='replace')[:LONGEST_DETAIL]}")
            elif kind in (HUNGRY, ENDED):
                self._is_hungry, self._is_over = kind == HUNGRY, kind == ENDED
                return found
            else:
                raise ValueError("not a message")

    def _take(self, content: bytes) -> Float32Array:
        """The samples of a message, checked because a hostile stream may control the process."""
        rate_hz = int.from_bytes(content[: RATE.size], "little", signed=True)
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ or self.rate_hz not in (None, rate_hz):
            raise ValueError(f"a rate of {rate_hz} Hz")
        self.rate_hz = rate_hz
        samples = np.frombuffer(content, np.float32, offset=RATE.size)
        self._samples += len(samples)
        if self._samples > self._max_seconds * min(rate_hz, FULL_RATE_HZ):
            raise TooLongError(f"stream: longer than {self._max_seconds:g} s, the most that is accepted")
        return samples
