"""Decode a recording, whatever it is and wherever it comes from: one reader for corpora and for people's own files.

libsndfile comes first, FFmpeg reads what it does not (`containers`). What a header announces is checked (`headers`),
recordings that are joined in one file are heard one after the other (`links`), and what is lost on the way is said.
Everything is read block by block, so that a few bytes that unfold to hours are noticed in time.
"""

import io
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import soundfile

from deepemo.audio.blocks import Block, DecodeError, Gatherer, TooLongError, resample
from deepemo.audio.excerpt import Excerpt
from deepemo.audio.headers import find_sound_chunk, flac_frames
from deepemo.audio.levels import cancelled_channel, mix_down
from deepemo.audio.links import MOST_LINKS, Link, find_links, find_mp3, sound_start
from deepemo.audio.remarks import FEWER_CHANNELS, OPPOSITE_POLARITY, PARTIAL, Remark
from deepemo.errors import InputError

Floats = npt.NDArray[np.float32]
Found = TypeVar("Found")

__all__ = ["DecodeError", "Recording", "TooLongError", "choose_channel", "read_mono", "read_recording", "resample"]

LONGEST_SECONDS = 3600.0
BLOCK_SAMPLES = 1 << 18
# A count of frames beyond it is none.
_MOST_FRAMES = 1 << 40
# Of MP3 without a length, by its frames: a decoder leaves out those whose sound begins in one that is not there.
_MP3_SLACK_FRAMES = 3 * 1152
_MOST_FAULTS = 3


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        samples: float32 [frames, channels], full scale at 1.0: all channels, or one if only one was asked for.
        rate_hz: native sample rate, of its first part if that changes.
        container: `WAV`, `OGG` and so on as libsndfile calls it, or FFmpeg's name of the container.
        channels: how many the file has, in its first part if that changes.
        channel: which one alone was heard, the first being 0; None for all, or for their mix.
        remarks: what is to be said of it, at most one of a kind.
    """

    samples: Floats
    rate_hz: int
    container: str
    channels: int
    channel: int | None = None
    remarks: tuple[Remark, ...] = ()

    @property
    def seconds(self) -> float:
        """Duration of what was read."""
        return len(self.samples) / self.rate_hz

    @property
    def partial(self) -> str | None:
        """What is missing of it; None if it is whole."""
        return next((remark.detail for remark in self.remarks if remark.name == PARTIAL), None)

    def mono(self) -> Floats:
        """The channels mixed down, float32 [frames]; one of them where they cancel one another."""
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
        name: what to call it in an error; by default the path.
        max_seconds: longest duration accepted; above 48 kHz, longest at 48 kHz with as many frames.
        max_samples: most samples accepted, of all channels together.

    Raises:
        DecodeError: no reader finds sound in it.
        TooLongError: there is more than is accepted.
        OSError: the path cannot be read.
    """
    called = _called(source, name)
    with _opened(source) as file:
        gatherer = Gatherer(called, max_seconds, max_samples, mix=False)
        container, remarks = _read(file, gatherer)
    samples, rate_hz, channels = gatherer.joined()
    return Recording(samples, rate_hz, container, channels, remarks=remarks)


def read_mono(
    source: str | Path | bytes,
    *,
    name: str | None = None,
    max_seconds: float = LONGEST_SECONDS,
    channel: int | None = None,
) -> Recording:
    """Decode a recording to one channel; memory does not grow with the number that it has.

    Args:
        source: as for `read_recording`.
        name: likewise.
        max_seconds: likewise.
        channel: which one to hear, the first being 0; the last one of a file that has fewer. By default their mix, or
            the loudest one if they cancel one another in it.

    Raises:
        DecodeError: no reader finds sound in it, or a sample is not a finite number.
        TooLongError: there is more than is accepted.
        OSError: the path cannot be read.
    """
    called = _called(source, name)
    with _opened(source) as file:
        gatherer = Gatherer(called, max_seconds, mix=True, chosen=channel)
        container, remarks = _read(file, gatherer)
        if channel is None and (loudest := gatherer.loudest_if_cancelled()) is not None:
            # Rare enough to decode it once more rather than keep all channels of every recording.
            channel = loudest
            gatherer = Gatherer(called, max_seconds, mix=True, chosen=channel)
            container, remarks = _read(file, gatherer)
            remarks += (_opposite(channel),)
    samples, rate_hz, channels = gatherer.joined()
    if channel is not None and channel >= channels:
        remarks += (_fewer(channel, channels),)
        channel = channels - 1
    broken = int(np.count_nonzero(~np.isfinite(samples)))
    if broken:
        raise DecodeError(f"{called}: {broken} of {len(samples)} samples are NaN or infinite, expected numbers")
    return Recording(samples, rate_hz, container, channels, channel, remarks)


def choose_channel(recording: Recording, channel: int | None = None) -> Recording:
    """Of a recording with all its channels what `read_mono` makes of its file."""
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
def _opened(source: str | Path | bytes) -> Iterator[Excerpt]:
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as handle:
        # A pipe cannot be sought in, and decoders must.
        yield Excerpt(handle if handle.seekable() else io.BytesIO(handle.read()))


def _read(file: Excerpt, gatherer: Gatherer) -> tuple[str, tuple[Remark, ...]]:
    """Read a file into a gatherer; its container, and what is missing of it."""
    try:
        container, faults = _read_chain(file.part(sound_start(file)), gatherer)
    except TooLongError:
        raise
    except DecodeError:
        if file.error is not None:
            raise file.error from None
        # MP3 is streamed, and may be cut out of a stream anywhere.
        if not (start := find_mp3(file)):
            raise
        container, faults = _read_chain(file.part(start), gatherer)
    if file.error is not None:
        raise file.error
    faults = [*faults, *gatherer.left_out]
    if faults and not any(run.frames for run in gatherer.runs):
        raise DecodeError(f"{gatherer.called}: nothing of it can be decoded: {faults[0]}")
    further = f"; {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    return container, (Remark(PARTIAL, "; ".join(faults[:_MOST_FAULTS]) + further),) if faults else ()


def _read_chain(file: Excerpt, gatherer: Gatherer) -> tuple[str, list[str]]:
    """Read every recording that is joined in a file; the first one's container, and what is lost of them.

    Raises:
        DecodeError: none of them can be decoded; the first one's reason.
    """
    chain = find_links(file)
    faults = list(chain.faults)
    containers: list[str] = []
    refusals: list[DecodeError] = []
    for number, link in enumerate(chain.links[:MOST_LINKS], start=1):
        try:
            container, lost = _read_link(file.part(link.start, link.end), link, gatherer)
        except TooLongError:
            raise
        except DecodeError as error:
            refusals.append(error)
            faults.append(f"part {number} of {len(chain.links)} cannot be read")
        else:
            containers.append(container)
            faults += lost
    if len(chain.links) > MOST_LINKS:
        faults.append(f"{MOST_LINKS} joined recordings were read, there are more")
    if not containers:
        raise refusals[0]
    return containers[0], faults


def _read_link(file: Excerpt, link: Link, gatherer: Gatherer) -> tuple[str, list[str]]:
    """Read a recording by libsndfile, else by FFmpeg; its container, and what is lost of it."""
    faults = []
    if (chunk := find_sound_chunk(file)) is not None:
        if chunk.missing:
            faults.append(f"the file ends {chunk.missing} bytes before the end of its sound")
        if chunk.corrections:
            file = file.part(0, replaced=chunk.corrections)
    position = len(gatherer.runs)
    gatherer.begin()
    try:
        container, lost = _gather(libsndfile_blocks(file, link), gatherer, "not a sound file")
        return container, [*faults, *lost]
    except TooLongError:
        raise
    except DecodeError as error:
        refusal = error
    # PyAV takes a while to load, and corpora of WAV files do without.
    from deepemo.audio.containers import ffmpeg_blocks, ffmpeg_reader

    taken = gatherer.take_back(position)
    try:
        if (reader := ffmpeg_reader(file)) is None:
            raise refusal
        lost = _gather(ffmpeg_blocks(file, reader), gatherer, f"not a sound file that FFmpeg reads as {reader}")
        return reader, [*faults, *lost]
    except TooLongError:
        raise
    except DecodeError:
        if not any(run.frames for run in taken):
            raise
    gatherer.take_back(position)
    gatherer.runs += taken
    return "damaged", [*faults, str(refusal).removeprefix(f"{gatherer.called}: ")]


def _gather(blocks: Generator[Block, None, Found], gatherer: Gatherer, refusal: str) -> Found:
    """Add all blocks; what their generator returns. Whatever a decoder raises becomes one error of ours."""
    while True:
        try:
            block = next(blocks)
        except StopIteration as end:
            return end.value
        except InputError as error:
            raise DecodeError(f"{gatherer.called}: {error}") from error
        except Exception as error:
            raise DecodeError(f"{gatherer.called}: {refusal}: {_words(error)}") from error
        gatherer.add(block)


def libsndfile_blocks(file: Excerpt, link: Link) -> Generator[Block, None, tuple[str, list[str]]]:
    """Decode by libsndfile.

    Returns:
        Its name of the container, and what is lost.

    Raises:
        DecodeError: it comes to an end before the sound does.
        Exception: whatever else soundfile raises.
    """
    file.seek(0)
    with soundfile.SoundFile(file) as sound:
        announced = _announced_frames(sound, file, link)
        most = max(1, BLOCK_SAMPLES // sound.channels)
        # Asked for all, soundfile sets aside memory for as many as are announced, and refuses where none are.
        wanted = min(most, max(1, sound.frames))
        read = 0
        more = True
        while more:
            samples = sound.read(out=np.empty((wanted, sound.channels), dtype=np.float32))
            read += len(samples)
            more = len(samples) > 0 and (announced is None or read < announced)
            if len(samples) > 0 or read == 0:
                yield Block(sound.samplerate, samples)
            wanted = most
        container = sound.format
    if link.frames is not None and read < link.frames - _MP3_SLACK_FRAMES:
        raise DecodeError(f"{read} frames read, {link.frames} are there")
    if announced is not None and read < announced:
        if read == 0:
            raise DecodeError(f"nothing read, {announced} frames announced")
        return container, [f"{read} frames read, {announced} announced"]
    return container, []


def _announced_frames(sound: soundfile.SoundFile, file: Excerpt, link: Link) -> int | None:
    """Frames by the header; None if it does not tell, or libsndfile guesses."""
    if sound.format == "FLAC":
        return flac_frames(file)
    guessed = link.frames is not None or not sound.seekable() or sound.frames > _MOST_FRAMES
    if sound.subtype.startswith("MPEG") and sound.format != "MP3":  # MP3 in WAV, by its bit rate
        guessed = True
    return None if guessed else int(sound.frames)


def _words(error: Exception) -> str:
    """What a decoder says, without the address of the object that it was given."""
    if isinstance(error, soundfile.LibsndfileError):
        said = error.error_string.strip()
        # What it says of the last format that it tries, whatever the file is.
        return "Format not recognised." if said.startswith("Error : bad ") else said or f"error {error.code}"
    said = getattr(error, "strerror", None) or str(error)
    return said.strip() or type(error).__name__
