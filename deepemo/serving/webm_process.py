"""A process that decodes one stream of WebM for `webm.WebmDecoder`, as it arrives, with limits on memory and time.

Run as `python -m deepemo.serving.webm_process SOCKET MEMORY_BYTES CPU_SECONDS`. It receives the bytes of the stream as
messages; an empty one ends it. When all received bytes are decoded, it sends their sound in messages of `SOUND` (the
rate as int32, then float32 samples of the mix of the channels), then `HUNGRY`.
"""

import os
import struct
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection

import av
import numpy as np

from deepemo.arrays import Float32Array
from deepemo.errors import DecodeError
from deepemo.serving.containment import READY, hush, limit_process

# The first byte of each message to the other end.
HUNGRY, SOUND, ENDED, REFUSED = b"h", b"s", b"e", b"r"
RATE = struct.Struct("<i")
# Samples from which on a message is sent; it may hold those of one packet more.
MESSAGE_SAMPLES = 1 << 16

_EBML = b"\x1a\x45\xdf\xa3"
_DEMUXER = "matroska"  # WebM too
# FFmpeg's own decoders, which give planes of single precision.
_CODECS = ("opus", "vorbis")
_SAMPLES = "fltp"
# PyAV crashes on planar frames with more channels, because it reads past the last plane.
_MOST_CHANNELS = 8


class _Feed:
    """The stream as a file that cannot seek; a read waits for more bytes once all received ones are decoded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._left = b""
        self._is_over = False
        self._decoded: list[Float32Array] = []
        self._samples = 0
        self._rate_hz: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether its end was reached."""
        return self._is_over

    def read(self, count: int) -> bytes:
        """At most `count` bytes, and none at the end of the stream; called from FFmpeg."""
        if not self._left and not self._is_over:
            self._left = self._next()
        content, self._left = self._left[:count], self._left[count:]
        return content

    def peek(self, count: int) -> bytes:
        """The first bytes, which a later read returns again; fewer if the stream is shorter."""
        while len(self._left) < count and not self._is_over:
            self._left += self._next()
        return self._left[:count]

    def give(self, rate_hz: int, samples: Float32Array) -> None:
        """Add sound, float32 [n], to the next message to the other end.

        Raises:
            DecodeError: its rate differs from the rate before.
        """
        if self._rate_hz not in (None, rate_hz):
            raise DecodeError(f"its rate changes from {self._rate_hz} to {rate_hz} Hz, expected one rate")
        self._rate_hz = rate_hz
        self._decoded.append(samples)
        self._samples += len(samples)
        if self._samples >= MESSAGE_SAMPLES:
            self.flush()

    def flush(self) -> None:
        """Send the sound that was not sent yet."""
        if self._rate_hz is not None and self._samples:
            self._connection.send_bytes(SOUND + RATE.pack(self._rate_hz) + np.concatenate(self._decoded).tobytes())
            self._decoded, self._samples = [], 0

    def _next(self) -> bytes:
        self.flush()
        try:
            self._connection.send_bytes(HUNGRY)
            content = self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            # The other end is gone. FFmpeg, which calls this, does not pass on an exception everywhere.
            os._exit(0)
        self._is_over = not content
        return content


def main(connected: int, memory_bytes: int, cpu_seconds: int) -> None:
    """Decode a stream until its end, or until it cannot be decoded; the last message says which."""
    limit_process(memory_bytes, cpu_seconds=cpu_seconds)
    with Connection(connected) as connection:
        connection.send_bytes(READY)
        hush()
        feed = _Feed(connection)
        try:
            for frame in _frames(feed):
                feed.give(frame.sample_rate, _mix(frame))
            feed.flush()
            last = ENDED
        except DecodeError as error:
            last = REFUSED + str(error).encode()
        except av.FFmpegError as error:
            last = REFUSED + f"it cannot be read as WebM: {error.strerror or error}".encode()
        except MemoryError:
            last = REFUSED + b"it takes more memory to decode than is allowed"
        connection.send_bytes(last)


def _frames(feed: _Feed) -> Iterator[av.AudioFrame]:
    """The decoded frames of the first audio stream; packets that cannot be decoded are left out.

    Raises:
        DecodeError: it is not WebM, or has no sound in a codec that is read.
        av.FFmpegError: its headers cannot be read, or reading fails before its end.
    """
    head = feed.peek(len(_EBML))
    if not head:
        return
    if head != _EBML:
        raise DecodeError(f"it begins with {head.hex(' ')}, expected WebM, which begins with {_EBML.hex(' ')}")
    options = {
        "codec_whitelist": ",".join(_CODECS),
        "format_whitelist": _DEMUXER,
        # Headers say all that is needed; FFmpeg would wait for five seconds of sound to learn of other tracks.
        "probesize": "32",
    }
    with av.open(feed, "r", format=_DEMUXER, metadata_errors="replace", options=options) as container:
        found = next(iter(container.streams.audio), None)
        context = None if found is None else found.codec_context
        if found is None or context is None or context.codec.name not in _CODECS:
            named = "no sound" if found is None else context.codec.name if context else "an unknown codec"
            raise DecodeError(f"it has {named}, expected {' or '.join(_CODECS)}")
        packets = container.demux(found)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                if not feed.is_over:
                    raise
                packet = None  # cut off in the middle of a packet
            if packet is None:
                return
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                continue
            yield from decoded


def _mix(frame: av.AudioFrame) -> Float32Array:
    """The mean of the channels, float32 [n].

    Raises:
        DecodeError: there are too many channels, or samples of another kind.
    """
    channels = frame.layout.nb_channels
    if frame.format.name != _SAMPLES or channels > _MOST_CHANNELS:
        raise DecodeError(f"it has {channels} channels of {frame.format.name}, expected at most {_MOST_CHANNELS}")
    mixed: Float32Array = frame.to_ndarray().mean(axis=0)
    return mixed


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
