"""Decode a recording in any supported format, for corpora and for users' own files alike.

libsndfile is tried first (`libsndfile`); FFmpeg reads what libsndfile does not (`ffmpeg`). The length that a header
announces is checked (`headers`). Recordings that are joined in one file are decoded one after the other (`chained`).
Unreadable parts are reported as a remark. Decoding goes block by block (`blocks`), so that a small file that unpacks to
hours of sound is noticed in time.
"""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import soundfile

from deepemo.arrays import Float32Array
from deepemo.audio.io.blocks import Block, ChannelsError, Collector
from deepemo.audio.io.chained import MAX_LINKS, Link, find_links, find_mp3, sound_start
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.headers import find_sound_chunk
from deepemo.audio.io.libsndfile import libsndfile_blocks
from deepemo.audio.samples import cancelled_channel, mix_down
from deepemo.errors import DecodeError, InputError

LONGEST_SECONDS = 3600.0
_MAX_FAULTS = 3  # named in one remark

PARTIAL = "partial"
OPPOSITE_POLARITY = "opposite_polarity"
FEWER_CHANNELS = "fewer_channels"

# The names of all remarks, each with its explanation.
REMARKS = {
    PARTIAL: "Only a part of the recording could be read.",
    OPPOSITE_POLARITY: "Its channels cancel one another when they are mixed; one of them was heard.",
    FEWER_CHANNELS: "It has fewer channels than were asked for; the last one was heard.",
}

_Returned = TypeVar("_Returned")


class Remark(NamedTuple):
    """A note on something unusual in a recording that could be decoded: one of `REMARKS`, and what was found."""

    name: str
    detail: str

    @property
    def explanation(self) -> str:
        """The remark in a sentence."""
        return REMARKS[self.name]


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        samples: float32 [frames, channels], full scale at 1.0: all channels, or one if only one was asked for.
        rate_hz: native sample rate; of the first part if the rate changes.
        container: libsndfile's name of the format (`WAV`, `OGG`), or FFmpeg's name of the container.
        channels: number of channels in the file; in its first part if that changes.
        channel: the one channel that was decoded, counted from 0; None for all channels or for their mix.
        remarks: at most one of each name.
    """

    samples: Float32Array
    rate_hz: int
    container: str
    channels: int
    channel: int | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration of the part that was read."""
        return len(self.samples) / self.rate_hz

    @property
    def partial(self) -> str | None:
        """What is missing from the recording; None if it is complete."""
        return next((remark.detail for remark in self.remarks if remark.name == PARTIAL), None)

    def mono(self) -> Float32Array:
        """The channels mixed down, float32 [frames]; the loudest one if they cancel one another."""
        return mix_down(self.samples)


def read_recording(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    max_seconds: float = LONGEST_SECONDS,
    max_samples: float = np.inf,
) -> Recording:
    """Decode all channels of a recording.

    Args:
        source: path or content of the file.
        name: name of the file in errors; by default the path.
        max_seconds: maximum duration. Above 48 kHz the limit is the number of frames of so many seconds at 48 kHz.
        max_samples: maximum number of samples that are decoded, of all channels together.

    Raises:
        DecodeError: the file holds no sound that can be decoded.
        TooLongError: the recording exceeds a limit.
        OSError: the path cannot be read.

    Example:
        >>> wav = io.BytesIO()
        >>> soundfile.write(wav, np.zeros((800, 2)), 8000, format="WAV")
        >>> recording = read_recording(wav.getvalue())
        >>> recording.samples.shape, recording.rate_hz, recording.seconds, recording.mono().shape
        ((800, 2), 8000, 0.1, (800,))
    """
    called = _called(source, name)
    with _opened(source) as file:
        collector = Collector(called, max_seconds, max_samples, mix=False)
        container, remarks = _read(file, collector)
    samples, rate_hz, channels = collector.joined()
    return Recording(samples, rate_hz, container, channels, remarks=remarks)


def read_mono(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    max_seconds: float = LONGEST_SECONDS,
    channel: int | None = None,
    max_samples: float = np.inf,
    max_channels: float = np.inf,
) -> Recording:
    """Decode a recording to one channel; memory use does not depend on the number of channels in the file.

    Args:
        source: path or content of the file.
        name: name of the file in errors; by default the path.
        max_seconds: maximum duration. Above 48 kHz the limit is the number of frames of so many seconds at 48 kHz.
        channel: the channel to decode, counted from 0; the last one if the file has fewer. By default the mix of all
            channels, or the loudest one if they cancel one another in the mix.
        max_samples: maximum number of samples that are decoded, of all channels together, in each pass over the file;
            channels that cancel one another need two.
        max_channels: maximum number of channels.

    Raises:
        DecodeError: the file holds no sound that can be decoded, has too many channels, or a sample is not a finite
            number.
        TooLongError: the recording exceeds a limit.
        OSError: the path cannot be read.
    """
    called = _called(source, name)
    limits = (max_seconds, max_samples, max_channels)
    with _opened(source) as file:
        collector = Collector(called, *limits, mix=True, chosen=channel)
        container, remarks = _read(file, collector)
        if channel is None and (loudest := collector.loudest_if_cancelled()) is not None:
            # This is rare, so decode again instead of keeping all channels of every recording.
            channel = loudest
            collector = Collector(called, *limits, mix=True, chosen=channel)
            container, remarks = _read(file, collector)
            remarks += (_opposite(channel),)
    samples, rate_hz, channels = collector.joined()
    if channel is not None and channel >= channels:
        remarks += (_fewer(channel, channels),)
        channel = channels - 1
    broken = int(np.count_nonzero(~np.isfinite(samples)))
    if broken:
        of_channel = "" if channel is None or channels == 1 else f" of channel {channel + 1}"
        found = f"{broken} of {len(samples)} samples{of_channel}"
        raise DecodeError(f"{called}: {found} are NaN or infinite, expected numbers")
    return Recording(samples, rate_hz, container, channels, channel, remarks)


def choose_channel(recording: Recording, channel: int | None = None) -> Recording:
    """Reduce a recording with all channels to the one that `read_mono` would give: its `channel`, or its mix."""
    if channel is None and (loudest := cancelled_channel(recording.samples)) is not None:
        remarks = (*recording.remarks, _opposite(loudest))
        return replace(recording, samples=recording.samples[:, [loudest]], channel=loudest, remarks=remarks)
    if channel is None:
        return replace(recording, samples=recording.samples.mean(axis=1, keepdims=True))
    remarks = recording.remarks
    if channel >= recording.channels:
        remarks = (*remarks, _fewer(channel, recording.channels))
        channel = recording.channels - 1
    return replace(recording, samples=recording.samples[:, [channel]], channel=channel, remarks=remarks)


def _opposite(channel: int) -> Remark:
    return Remark(OPPOSITE_POLARITY, f"channel {channel + 1} was heard")


def _fewer(channel: int, channels: int) -> Remark:
    return Remark(FEWER_CHANNELS, f"channel {channel + 1} was asked for, the last one is {channels}")


def _called(source: str | Path | bytes, name: str | None) -> str:
    return name or ("recording" if isinstance(source, bytes) else str(source))


@contextmanager
def _opened(source: str | Path | bytes) -> Iterator[FileSlice]:
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as handle:
        # Decoders need to seek, and a pipe cannot.
        yield FileSlice(handle if handle.seekable() else io.BytesIO(handle.read()))


def _read(file: FileSlice, collector: Collector) -> tuple[str, tuple[Remark, ...]]:
    """Decode a file into a collector; returns its container, and a remark on what is missing."""
    try:
        container, faults = _read_chain(file.part(sound_start(file)), collector)
    except ChannelsError as error:
        raise DecodeError(str(error)) from error
    except DecodeError:
        if file.error is not None:
            raise file.error from None
        # A recorded MP3 stream may begin at any point of the stream.
        if not (start := find_mp3(file)):
            raise
        container, faults = _read_chain(file.part(start), collector)
    if file.error is not None:
        raise file.error
    faults = [*faults, *collector.left_out]
    if faults and not any(run.frames for run in collector.runs):
        raise DecodeError(f"{collector.called}: nothing of it can be decoded: {faults[0]}")
    further = f"; {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
    return container, (Remark(PARTIAL, "; ".join(faults[:_MAX_FAULTS]) + further),) if faults else ()


def _read_chain(file: FileSlice, collector: Collector) -> tuple[str, list[str]]:
    """Decode every recording that is joined in a file; returns the first one's container, and what is lost.

    Raises:
        DecodeError: none of them can be decoded; the message is the first one's.
    """
    chain = find_links(file)
    faults = list(chain.faults)
    containers: list[str] = []
    refused: list[DecodeError] = []
    for number, link in enumerate(chain.links[:MAX_LINKS], start=1):
        try:
            container, lost = _read_link(file.part(link.start, link.end), link, collector)
        except DecodeError as error:
            refused.append(error)
            faults.append(f"part {number} of {len(chain.links)} cannot be read")
        else:
            containers.append(container)
            faults += lost
    if len(chain.links) > MAX_LINKS:
        faults.append(f"{MAX_LINKS} joined recordings were read, there are more")
    if not containers:
        raise refused[0]
    return containers[0], faults


def _read_link(file: FileSlice, link: Link, collector: Collector) -> tuple[str, list[str]]:
    """Decode one recording by libsndfile, else by FFmpeg; returns its container, and what is lost."""
    faults = []
    if (chunk := find_sound_chunk(file)) is not None:
        if chunk.missing:
            faults.append(f"the file ends {chunk.missing} bytes before the end of its sound")
        if chunk.corrections:
            file = file.part(0, replaced=chunk.corrections)
    position = len(collector.runs)
    collector.begin()
    try:
        container, lost = _collect(libsndfile_blocks(file, link), collector, "not a sound file")
        return container, [*faults, *lost]
    except DecodeError as error:
        refusal = error
    # Imported only here, because PyAV is slow to load and corpora of WAV files do not need it.
    from deepemo.audio.io.ffmpeg import ffmpeg_blocks, ffmpeg_reader

    taken = collector.take_back(position)
    try:
        if (reader := ffmpeg_reader(file)) is None:
            raise refusal
        lost = _collect(ffmpeg_blocks(file, reader), collector, f"not a sound file that FFmpeg reads as {reader}")
        return reader, [*faults, *lost]
    except DecodeError:
        if not any(run.frames for run in taken):
            raise
    collector.take_back(position)
    collector.runs += taken
    return "damaged", [*faults, str(refusal).removeprefix(f"{collector.called}: ")]


def _collect(blocks: Generator[Block, None, _Returned], collector: Collector, refusal: str) -> _Returned:
    """Add all blocks and return what their generator returns; any error of a decoder becomes a DecodeError."""
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        except InputError as error:
            raise DecodeError(f"{collector.called}: {error}") from error
        except Exception as error:
            raise DecodeError(f"{collector.called}: {refusal}: {_message(error)}") from error
        collector.add(block)


def _message(error: Exception) -> str:
    """Message of a decoder's error, without the memory address of the file object."""
    if isinstance(error, soundfile.LibsndfileError):
        said = error.error_string.strip()
        # For any unknown file, libsndfile's message is about the last format that it tries.
        return "Format not recognised." if said.startswith("Error : bad ") else said or f"error {error.code}"
    said = getattr(error, "strerror", None) or str(error)
    return said.strip() or type(error).__name__
