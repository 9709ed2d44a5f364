"""Decode by libsndfile (soundfile): WAV and its relatives, AIFF, AU, CAF, FLAC, Ogg Vorbis, Opus and MP3."""

from collections.abc import Generator

import numpy as np
import soundfile

from deepemo.audio.io.blocks import Block
from deepemo.audio.io.chained import Link
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.flac import flac_frames, goes_beyond
from deepemo.errors import DecodeError

_BLOCK_SAMPLES = 1 << 18
# First bytes of a MIDI sample dump, the format in which samplers exchange sounds. libsndfile prints its errors about
# such a file to standard output, where they would mix with a program's answers.
_SAMPLE_DUMP = b"\xf0\x7e"
# A larger number of frames in a header is not a real count.
_MAX_FRAMES = 1 << 40
# Tolerance for MP3 without an announced length: a decoder leaves out frames whose data begin in a frame before the
# start of the file.
_MP3_SLACK_FRAMES = 3 * 1152
# For MP3 with an announced length: some encoders count the frame that announces it.
_MP3_FRAME = 1152


def libsndfile_blocks(file: FileSlice, link: Link) -> Generator[Block, None, tuple[str, list[str]]]:
    """Decode a file by libsndfile.

    Args:
        file: holds one recording.
        link: the recording as `chained.find_links` found it.

    Returns:
        libsndfile's name of the format, and what could not be read.

    Raises:
        DecodeError: libsndfile stops, or would stop, before the sound ends; or the file is a MIDI sample dump.
        Exception: any error of soundfile.
    """
    if file.at(0, 2) == _SAMPLE_DUMP:
        raise DecodeError("a MIDI sample dump, which is not read")
    file.seek(0)
    with soundfile.SoundFile(file) as sound:
        announced = _announced_frames(sound, file, link)
        if sound.subtype.startswith("MPEG") and sound.format != "MP3":
            # In WAV, libsndfile computes the end of the sound from the bit rate of the first frame, which may differ
            # from that of the others.
            raise DecodeError(f"{sound.subtype} in {sound.format} is left to another reader")
        if sound.format == "FLAC" and announced is not None and goes_beyond(file, announced):
            raise DecodeError(f"more frames than the {announced} that are announced")
        most = max(1, _BLOCK_SAMPLES // sound.channels)
        # A read without a size would allocate all announced frames, and fail if none are announced.
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
    if announced is not None and read < announced - (_MP3_FRAME if container == "MP3" else 0):
        if read == 0:
            raise DecodeError(f"nothing read, {announced} frames announced")
        return container, [f"{read} frames read, {announced} announced"]
    return container, []


def _announced_frames(sound: soundfile.SoundFile, file: FileSlice, link: Link) -> int | None:
    """Number of frames by the header; None if it is not given, or is only libsndfile's estimate."""
    if sound.format == "FLAC":
        return flac_frames(file)
    guessed = link.frames is not None or not sound.seekable() or sound.frames > _MAX_FRAMES
    return None if guessed else int(sound.frames)
