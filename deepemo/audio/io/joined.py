"""Find recordings that were joined by appending one file to another, in containers with a header of their own.

Decoders read only as much as the header of the first recording announces and silently ignore the rest, or they refuse
the file. This module searches for the header of a further recording after the announced sound of the one before.
"""

from collections.abc import Callable, Iterator

from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, W64_RIFF, find_sound_chunk

_MOST_CHANNELS = 1024
# First bytes, and the rest of a header that must follow them; none of these occurs in sound by chance.
_IFF = {b"RIFF": (b"WAVE",), b"RIFX": (b"WAVE",), b"RF64": (b"WAVE",), b"FORM": (b"AIFF", b"AIFC")}
_CAF = b"caff\x00\x01\x00\x00"
_AMR = b"#!AMR"


def joined_starts(file: FileSlice, most: int) -> list[int]:
    """Position of each recording in a WAV, RF64, AIFF, AU, CAF, W64, AMR or MP4 file; 0 alone in other files.

    Args:
        file: from the first byte of its first recording on.
        most: maximum number of positions.
    """
    starts = [0]
    next_start = _next_mp4 if file.at(4, 4) == b"ftyp" else _next_by_header
    while len(starts) < most and (following := next_start(file.part(starts[-1]))) is not None:
        starts.append(starts[-1] + following)
    return starts


def _next_by_header(file: FileSlice) -> int | None:
    """Position of the next recording in a file that begins with another; None if there is none."""
    head = file.at(0, 16)
    begins: Callable[[bytes], bool]
    if head[:4] in _IFF:
        marks, begins = [mark for mark, forms in _IFF.items() if forms == _IFF[head[:4]]], _is_iff
    elif head[:4] in (b".snd", b"dns."):
        marks, begins = [head[:4]], _is_au
    elif head[:8] == _CAF or head == W64_RIFF:
        marks, begins = [_CAF if head[:8] == _CAF else W64_RIFF], bool
    elif head[:5] == _AMR:
        marks, begins = [_AMR], bool
    else:
        return None
    behind = len(_AMR)
    if marks != [_AMR]:
        if (chunk := find_sound_chunk(file)) is None or chunk.missing:
            return None
        behind = chunk.start + (chunk.announced or 0)
    found = (position for mark in marks for position in _positions(file, mark, behind))
    return min((position for position in found if begins(file.at(position, 24))), default=None)


def _positions(file: FileSlice, mark: bytes, start: int) -> Iterator[int]:
    while (start := file.find(mark, start)) >= 0:
        yield start
        start += 1


def _is_iff(head: bytes) -> bool:
    return head[8:12] in _IFF[head[:4]]


def _is_au(head: bytes) -> bool:
    start, _, encoding, rate_hz, channels = (
        int.from_bytes(head[at : at + 4], "big" if head[:1] == b"." else "little") for at in range(4, 24, 4)
    )
    known = 24 <= start < 1 << 16 and 1 <= encoding <= 27
    return known and LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ and 1 <= channels <= _MOST_CHANNELS


def _next_mp4(file: FileSlice) -> int | None:
    """Position of the next file in an MP4: of a type box (ftyp) after an index (moov); None if there is none."""
    position, has_index = 0, False
    while len(header := file.at(position, 16)) >= 8:
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if name == b"ftyp" and has_index:
            return position
        has_index = has_index or name == b"moov"
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            return None
        position += length
    return None
