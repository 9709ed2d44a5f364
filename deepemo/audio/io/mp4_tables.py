"""The boxes and tables of an MP4 file, checked before FFmpeg reads them.

FFmpeg makes an index entry of 32 bytes for each sample that the tables announce, before it reads any sample. A file of
7 KB took 2 GB in this way. This module first computes the number of entries as FFmpeg does (libavformat/mov.c,
`mov_build_index` and `mov_read_trun`; ISO/IEC 14496-12, 8.6 to 8.8).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from deepemo.audio.io.file_slice import FileSlice
from deepemo.errors import DecodeError

# An hour of AAC has 170,000 samples. More than this are accepted only if the file has at least one byte for each.
_MOST_ENTRIES = 1 << 20
# Size of FFmpeg's packets of uncompressed sound.
_FRAMES_A_PACKET = 1024
_PARENTS = frozenset(b"moov trak mdia minf stbl moof traf mvex edts udta dinf".split())
_INDEXES = frozenset((b"moov", b"moof"))
_DEEPEST = 10
_MOST_BOXES = 1 << 16


class _Box(NamedTuple):
    """A box: its name, and the positions of the start and the end of its content."""

    name: bytes
    start: int
    end: int


def find_index(file: FileSlice) -> tuple[FileSlice, bool]:
    """Find the index of an MP4 or QuickTime file, even if bytes lost or added before it make box lengths wrong.

    Returns:
        The file, with the length of the box before the index corrected if it is wrong; and whether it was corrected.

    Raises:
        DecodeError: there is no index, without which the sound cannot be divided into samples.
        OSError: the disk cannot be read.
    """
    position = last = 0
    while len(header := file.at(position, 16)) >= 8 and header[4:8].isalnum():
        if header[4:8] in _INDEXES:
            return file, False
        last, length = position, int.from_bytes(header[:4], "big")
        position += int.from_bytes(header[8:], "big") if length == 1 else max(length, 1)
    index = _first_index(file, last + 8)
    if index is None:
        raise DecodeError("an MP4 without its index (moov), as one that was cut off: its sound cannot be told apart")
    wide = file.at(last, 4) == b"\0\0\0\1"
    corrected = struct.pack(">Q" if wide else ">I", index - last)
    return file.part(0, replaced={last + 8 * wide: corrected}), True


def _first_index(file: FileSlice, start: int) -> int | None:
    """Position of the first index (moov) from `start` on that begins with a box mvhd; None if there is none."""
    while (named := file.find(b"moov", start)) >= 0:
        if file.at(named + 8, 4) == b"mvhd":
            return named - 4
        start = named + 1
    return None


def check_tables(file: FileSlice) -> None:
    """Refuse an MP4 or QuickTime file whose tables announce far more samples than it can hold.

    Raises:
        DecodeError: they do.
        OSError: the disk cannot be read.
    """
    most = max(_MOST_ENTRIES, file.size)
    entries = 0
    tables: dict[bytes, _Box] = {}  # of the track or fragment that is being read
    for box in _boxes(file, 0, file.size):
        if box.name == b"trak":
            tables.clear()
        if box.name in (b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64"):
            tables[box.name] = box
            announced = entries + _track_entries(file, tables)
        elif box.name == b"trun":
            entries += _numbers(file, box.start + 4, 1)[0]
            announced = entries
        else:
            continue
        if announced > most:
            raise DecodeError(f"the tables of the MP4 announce {announced} samples, {file.size} bytes are there")


def _track_entries(file: FileSlice, tables: dict[bytes, _Box]) -> int:
    """Number of index entries of a track, from the tables that are known so far."""
    times = tables.get(b"stts")
    by_chunk = times is not None and _numbers(file, times.start + 4, 3)[::2] == (1, 1)
    if not by_chunk:
        sizes = tables.get(b"stsz", tables.get(b"stz2"))
        return _numbers(file, sizes.start + 8, 1)[0] if sizes is not None else 0
    offsets = tables.get(b"stco", tables.get(b"co64"))
    runs = tables.get(b"stsc")
    if offsets is None or runs is None:
        return 0
    chunks = _numbers(file, offsets.start + 4, 1)[0]
    count = min(_numbers(file, runs.start + 4, 1)[0], (runs.end - runs.start - 8) // 12, _MOST_ENTRIES)
    content = file.at(runs.start + 8, 12 * count)
    entries = 0
    found = list(struct.iter_unpack(">III", content[: len(content) // 12 * 12]))
    for position, (first, frames, _) in enumerate(found):
        following = found[position + 1][0] if position + 1 < len(found) else chunks + 1
        entries += max(0, following - first) * -(-frames // _FRAMES_A_PACKET)
    return entries


def _boxes(file: FileSlice, position: int, end: int) -> Iterator[_Box]:
    """Every box of a file; a box comes before the boxes inside it."""
    left = _MOST_BOXES
    open_until = [end]
    while open_until and left:
        if len(header := file.at(position, 16)) < 8 or position + 8 > open_until[-1]:
            position = open_until.pop()
            continue
        left -= 1
        length, name = struct.unpack_from(">I4s", header)
        start = position + 8
        if length == 1 and len(header) == 16:
            length, start = int.from_bytes(header[8:16], "big"), position + 16
        last = open_until[-1] if length == 0 else min(position + length, open_until[-1])
        if last < start:
            position = open_until.pop()
            continue
        yield _Box(name, start, last)
        if name in _PARENTS and len(open_until) < _DEEPEST:
            open_until.append(last)
            position = start
        else:
            position = last


def _numbers(file: FileSlice, position: int, count: int) -> tuple[int, ...]:
    """32-bit numbers; zeros behind the end of the file."""
    return struct.unpack(f">{count}I", file.at(position, 4 * count).ljust(4 * count, b"\0"))
