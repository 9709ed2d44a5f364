"""Decode recordings of unknown origin in separate processes: a file that crashes or loops ends only its own decoder.

A file can make a decoder crash, loop or take gigabytes. Here a decoder has limits on memory and time. One that dies is
replaced, and only the request that it worked on is refused. Results come back as samples and a few checked fields,
never as pickled objects.
"""

import fcntl
import json
import mmap
import os
import queue
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from deepemo.audio.io.blocks import FULL_RATE_HZ
from deepemo.audio.io.decode import REMARKS, Recording, Remark
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import DecodeError, TooLongError
from deepemo.serving.containment import KEPT_BYTES, LONGEST_DETAIL, MIB, CancelledError, ContainedProcess
from deepemo.serving.decoder_process import TOO_LONG, DecodingRequest

# Memory beyond the content and the samples: for tables, blocks and the buffers of decoders.
_WORKING_BYTES = 192 * MIB
_ABOUT_BYTES = 1 << 16
# Wait beyond the time limit at which a decoder ends itself.
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class DecodingLimits:
    """What decoding one recording may cost.

    Attributes:
        max_seconds: longest recording.
        max_channels: most channels.
        seconds: time to decode it.
        content_bytes: of the file.
    """

    max_seconds: float
    max_channels: int = 32
    seconds: float = 20.0
    content_bytes: int = 32 * MIB

    @property
    def max_samples(self) -> int:
        """Frames times channels: the longest recording in stereo. One with more channels must be shorter."""
        return round(2 * self.max_seconds * FULL_RATE_HZ)

    @property
    def memory_bytes(self) -> int:
        """Memory of a decoder: the content twice, the samples of one channel three times, and room to work."""
        return _WORKING_BYTES + 2 * self.content_bytes + 3 * self._samples_bytes

    @property
    def shared_bytes(self) -> int:
        """Size of the memory shared with a decoder, for the content, and then for the samples in its place."""
        return max(self.content_bytes, self._samples_bytes, mmap.PAGESIZE)

    @property
    def _samples_bytes(self) -> int:
        return round(4 * self.max_seconds * FULL_RATE_HZ)


class _About(BaseModel):
    """A decoder's answer about a recording, checked because a hostile file may control the decoder."""

    model_config = ConfigDict(extra="forbid", strict=True)

    frames: int = Field(ge=0)
    rate_hz: int = Field(ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ)
    container: str = Field(max_length=40)
    channels: int = Field(ge=1, le=1024)
    channel: int | None = Field(ge=0, le=1024)
    remarks: list[list[str]] = Field(max_length=len(REMARKS))

    def to_recording(self, memory: mmap.mmap) -> Recording:
        """The recording, with a copy of its samples from the start of shared memory.

        Raises:
            ValueError: the samples or the remarks are invalid.
        """
        samples = np.frombuffer(memory, np.float32, self.frames)[:, np.newaxis].copy()
        remarks = tuple(Remark(*remark) for remark in self.remarks)
        # The extremes are NaN if any sample is. Testing each sample would make an array and cost as much as the copy.
        extremes = samples.min(initial=0), samples.max(initial=0)
        if not np.isfinite(extremes).all() or not all(remark.name in REMARKS for remark in remarks):
            raise ValueError("not a recording")
        return Recording(samples, self.rate_hz, self.container, self.channels, self.channel, remarks)


class _Decoder:
    """One process, which is started at once and waited for on first use."""

    def __init__(self, limits: DecodingLimits) -> None:
        shared = _memory_file(limits.shared_bytes)
        try:
            self._memory = mmap.mmap(shared, limits.shared_bytes)
            self._process = ContainedProcess(
                "deepemo.serving.decoder_process", [shared, limits.memory_bytes], passed=[shared]
            )
        finally:
            os.close(shared)

    def ask(self, content: bytes, request: DecodingRequest, gone: Callable[[], bool]) -> Recording:
        """The recording.

        Raises:
            DecodeError: it refused.
            TooLongError: it refused the length.
            EOFError: the process died.
            OSError: the same.
            ValueError: its answer is invalid.
            TimeoutError: it took too long.
            CancelledError: `gone` returned True.
        """
        self._process.wait_ready()
        self._memory[: len(content)] = content
        self._process.connection.send_bytes(request.to_json())
        self._process.wait(request.seconds + _GRACE_SECONDS, gone)
        said = json.loads(self._process.connection.recv_bytes(_ABOUT_BYTES))
        try:
            if isinstance(said, dict) and "refused" in said:
                kind = TooLongError if said["refused"] == TOO_LONG else DecodeError
                raise kind(str(said.get("detail"))[:LONGEST_DETAIL])
            return _About.model_validate(said).to_recording(self._memory)
        finally:
            self._shrink()

    def _shrink(self) -> None:
        """Give all but the start of the shared memory back to the system."""
        if len(self._memory) > KEPT_BYTES and hasattr(mmap, "MADV_REMOVE"):
            self._memory.madvise(mmap.MADV_REMOVE, KEPT_BYTES)

    def end(self) -> int:
        """Kill the process, and return its exit status."""
        status = self._process.end()
        self._memory.close()
        return status


def _memory_file(size_bytes: int) -> int:
    """A file in memory of a fixed size, so that no process can shrink it while it is mapped."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("decoder", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(file, size_bytes)
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        return file
    with tempfile.TemporaryFile() as temporary:
        file = os.dup(temporary.fileno())
        os.ftruncate(file, size_bytes)
        return file


class Decoders:
    """A few processes that decode for many threads; those that die are replaced."""

    def __init__(self, processes: int, limits: DecodingLimits, *, on_death: Callable[[], None] = lambda: None) -> None:
        """Start no process yet: one is started when none is free, or by `start`.

        Args:
            processes: how many at most.
            limits: of each recording.
            on_death: called each time that one of them is replaced.
        """
        self.limits = limits
        self._on_death = on_death
        self._idle: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        self._lock = threading.Lock()
        self._open = True
        self._processes = processes
        self._started = 0

    def start(self, processes: int) -> None:
        """Start some of the processes, which takes half a second, without waiting for them."""
        for _ in range(processes):
            self._grow()

    def read_mono(
        self, content: bytes, *, channel: int | None = None, gone: Callable[[], bool] = lambda: False
    ) -> Recording:
        """Decode a recording to one channel, as `audio.io.decode.read_mono` does; blocks until a process is free.

        Args:
            content: of the file.
            channel: the one to decode; None for the mix.
            gone: whether nobody waits for the answer any more; called now and then.

        Raises:
            DecodeError: the content is no sound that can be decoded, costs too much to decode, or killed the decoder.
            TooLongError: the recording exceeds a limit.
            CancelledError: `gone` returned True, or the decoders are closed.
        """
        request = DecodingRequest(
            content_bytes=len(content),
            seconds=self.limits.seconds,
            max_seconds=self.limits.max_seconds,
            max_samples=self.limits.max_samples,
            max_channels=self.limits.max_channels,
            channel=channel,
        )
        if self._idle.empty():
            self._grow()
        decoder = self._idle.get()
        if decoder is None:
            self._idle.put(None)
            raise CancelledError
        try:
            recording = decoder.ask(content, request, gone)
        except (DecodeError, TooLongError):
            self._give_back(decoder)
            raise
        except CancelledError:
            self._replace(decoder)
            raise
        except TimeoutError as error:
            self._replace(decoder)
            raise DecodeError(_too_slow(request)) from error
        except (EOFError, OSError, TypeError, ValueError) as error:
            status = self._replace(decoder)
            if status == -signal.SIGALRM:
                raise DecodeError(_too_slow(request)) from error
            raise DecodeError(f"recording: its decoder died (status {status})") from error
        except BaseException:
            self._replace(decoder)
            raise
        self._give_back(decoder)
        return recording

    def close(self) -> None:
        """End the processes that are idle, and refuse all requests that wait for one; those at work go on."""
        with self._lock:
            self._open = False
        while True:
            try:
                decoder = self._idle.get_nowait()
            except queue.Empty:
                break
            if decoder is not None:
                decoder.end()
        self._idle.put(None)

    def _grow(self) -> None:
        with self._lock:
            if self._open and self._started < self._processes:
                self._started += 1
                self._idle.put(_Decoder(self.limits))

    def _give_back(self, decoder: _Decoder) -> None:
        with self._lock:
            if self._open:
                self._idle.put(decoder)
                return
        decoder.end()

    def _replace(self, decoder: _Decoder) -> int:
        status = decoder.end()
        self._on_death()
        with self._lock:
            self._idle.put(_Decoder(self.limits) if self._open else None)
        return status


def _too_slow(request: DecodingRequest) -> str:
    return f"recording: takes longer than {request.seconds:g} s to decode"
