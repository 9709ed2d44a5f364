"""The length that the header of a sound file announces, checked and corrected.

Announced lengths can be wrong. Programs that write to a pipe cannot go back to fill in the length, and leave 0 or a
number near 2^31 or 2^32. A file that was cut off announces more than it holds. Each decoder handles this differently.
This module therefore determines the length of the sound first, and corrects the header if it is wrong.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from deepemo.audio.io.file_slice import FileSlice

# Sample rates outside these limits are errors of the header: no recorder and no sound card has them.
LOWEST_RATE_HZ = 2_000
HIGHEST_RATE_HZ = 768_000

# A length this near to 2^31 or 2^32 was never filled in. Programs subtract the size of their header from it or round
# it, some to 0x7f000000.
_NEAR = 1 << 25
# A length up to this was never filled in if sound follows. Programs that leave 0 may add the size of their header.
_ALMOST_NONE = 44
# If more bytes than this follow the announced sound, and neither a chunk nor a tag begins there, they are sound too:
# the program ended before it updated the length. Fewer bytes may be padding, or something that a program left there.
_MOST_PADDING = 1 << 16
_TAGS = (b"ID3", b"TAG", b"APE")

_BYTE_ORDERS = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">", b"FORM": ">"}
W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"


@dataclass(frozen=True)
class SoundChunk:
    """Where the encoded samples of a file are.

    Attributes:
        start: position of their first byte.
        announced: their number of bytes by the header; None if the header does not say it.
        held: the number of bytes that are in the file.
        fields: the fields of the header that give the length: position, format of `struct`, and correct value.
    """

    start: int
    announced: int | None
    held: int
    fields: tuple[tuple[int, str, int], ...]

    @property
    def missing(self) -> int:
        """Number of announced bytes beyond the end of the file."""
        return 0 if self.announced is None else max(0, self.announced - self.held)

    @property
    def corrections(self) -> dict[int, bytes]:
        """Bytes by position that correct the announced length in the header; empty if it is correct."""
        if self.announced is not None and not self.missing:
            return {}
        return {position: struct.pack(form, value) for position, form, value in self.fields}


@dataclass(frozen=True)
class _Chunk:
    """A chunk of an IFF or RIFF file: its name, the positions of its length and its content, and its length."""

    name: bytes
    length_at: int
    start: int
    length: int


def find_sound_chunk(file: FileSlice) -> SoundChunk | None:
    """Find the samples in a WAV, RF64, AIFF, AU, CAF or W64 file; None in other files, or if there is no such chunk."""
    head = file.at(0, 40)
    if head[:4] in (b".snd", b"dns."):
        return _au(file, head)
    if head[:4] == b"caff":
        return _caf(file)
    if head[:16] == W64_RIFF:
        return _w64(file)
    if head[:4] in _BYTE_ORDERS:
        return _iff(file, head)
    return None


def _iff(file: FileSlice, head: bytes) -> SoundChunk | None:
    order = _BYTE_ORDERS[head[:4]]
    wanted = b"SSND" if head[:4] == b"FORM" else b"data"
    frames_field: tuple[int, str, int] | None = None
    wide: tuple[int, int] | None = None  # position and value of RF64's length of the data
    bytes_a_frame = 0
    for chunk in _chunks(file, order):
        if chunk.name == b"COMM":
            channels, _, bits = struct.unpack(">hIh", file.at(chunk.start, 8).ljust(8, b"\0"))
            compressed = head[8:12] == b"AIFC" and file.at(chunk.start + 18, 4) not in (b"NONE", b"twos", b"sowt")
            bytes_a_frame = 0 if compressed else channels * ((bits + 7) // 8)
            frames_field = (chunk.start + 2, ">I", 0)
        if chunk.name == b"ds64" and head[:4] == b"RF64":
            wide = (chunk.start + 8, int.from_bytes(file.at(chunk.start + 8, 8), "little"))
        if chunk.name != wanted:
            continue
        held = file.size - chunk.start
        if wide is not None and chunk.length == 0xFFFFFFFF:
            length, fields = wide[1], [(wide[0], "<Q", held), (4, "<I", 0xFFFFFFFF), (wide[0] - 8, "<Q", file.size - 8)]
            announced = _believed(length, 8, follows=held > 0)
        else:
            fields = [(chunk.length_at, f"{order}I", held), (4, f"{order}I", file.size - 8)]
            end = chunk.start + chunk.length
            follows = held > chunk.length and not _is_chain(file, order, end)
            outdated = follows and held - chunk.length > _MOST_PADDING and not _is_other(file, order, end)
            announced = None if outdated else _believed(chunk.length, 4, follows=follows)
        if frames_field is not None and bytes_a_frame > 0:
            # The chunk of an AIFF begins with 8 bytes that are not samples.
            fields.append((frames_field[0], ">I", max(0, held - 8) // bytes_a_frame))
        return SoundChunk(chunk.start, announced, held, _writable(fields))
    return None


def _au(file: FileSlice, head: bytes) -> SoundChunk | None:
    order = ">" if head[:4] == b".snd" else "<"
    if len(head) < 12:
        return None
    start, length = struct.unpack_from(f"{order}II", head, 4)
    held = max(0, file.size - start)
    outdated = held - length > _MOST_PADDING and not _is_other(file, order, start + length)
    announced = None if outdated else _believed(length, 4, follows=held > length)
    return SoundChunk(start, announced, held, _writable([(8, f"{order}I", held)]))


def _caf(file: FileSlice) -> SoundChunk | None:
    position = 8
    while len(header := file.at(position, 12)) == 12:
        name, length = struct.unpack(">4sq", header)
        start = position + 12
        if name == b"data":
            held = file.size - start
            announced = _believed(length, 8, follows=held > _ALMOST_NONE)
            return SoundChunk(start, announced, held, ((position + 4, ">q", held),))
        if length < 0:
            return None
        position = start + length
    return None


def _w64(file: FileSlice) -> SoundChunk | None:
    position = 40
    while len(header := file.at(position, 24)) == 24:
        length = int.from_bytes(header[16:], "little")  # of the whole chunk, its header of 24 bytes included
        if header[:16] == _W64_DATA:
            held = file.size - position - 24
            announced = _believed(max(0, length - 24), 8, follows=held > 0)
            return SoundChunk(position + 24, announced, held, ((position + 16, "<Q", held + 24), (16, "<Q", file.size)))
        if length < 24:
            return None
        position += (length + 7) // 8 * 8
    return None


def _chunks(file: FileSlice, order: str) -> Iterator[_Chunk]:
    position = 12
    while len(header := file.at(position, 8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        yield _Chunk(name, position + 4, position + 8, length)
        # Chunks are padded to an even length.
        position += 8 + length + length % 2


def _believed(length: int, field_bytes: int, *, follows: bool) -> int | None:
    """The announced length, or None if it was never filled in.

    Args:
        length: value of the field.
        field_bytes: size of the field, 4 or 8.
        follows: whether anything other than chunks follows after this many bytes.
    """
    near = any(abs(length - full) <= _NEAR for full in (1 << 31, 1 << 32))
    if field_bytes == 8:
        near = near or length < 0 or length >= 1 << 60
    return None if near or (follows and length <= _ALMOST_NONE) else length


def _is_chain(file: FileSlice, order: str, position: int) -> bool:
    """Whether only chunks, or a byte of padding, follow from here to the end of the file."""
    position += position % 2
    while len(header := file.at(position, 8)) == 8:
        name, length = struct.unpack(f"{order}4sI", header)
        if not all(0x20 <= letter < 0x7F for letter in name):
            return False
        position += 8 + length + length % 2
    return position >= file.size - 1


def _is_other(file: FileSlice, order: str, position: int) -> bool:
    """Whether a chunk, though perhaps a damaged one, or a tag begins here."""
    position += position % 2
    name, length = struct.unpack(f"{order}4sI", file.at(position, 8).ljust(8, b"\0"))
    named = all(0x20 <= letter < 0x7F for letter in name) and length <= file.size - position
    return named or name[:3] in _TAGS


def _writable(fields: list[tuple[int, str, int]]) -> tuple[tuple[int, str, int], ...]:
    """The fields, with values of 32-bit fields limited to what they can hold."""
    return tuple(
        (position, form, value if form.endswith("Q") else min(max(0, value), 0xFFFFFFFF))
        for position, form, value in fields
    )
