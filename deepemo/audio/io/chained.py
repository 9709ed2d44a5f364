"""Find the links of chained files: a file may hold several recordings, one after the other.

Decoders read the first recording and silently ignore the others. This module finds each of them, so that it can be
decoded separately. The search also finds where a stream of Ogg, MP3 or AAC is damaged or cut off.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.joined import joined_starts

# Tags and zero bytes before the first frame of MP3 or AAC are skipped up to this many bytes.
_MAX_BEFORE = 1 << 16
_FLAC_START = b"fLaC\x00\x00\x00\x22"
_OGG_HEADER = 27
_OGG_FIRST_PAGE = 0x02
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

# Eleven ones, a valid version and layer, then a valid bit rate.
_MP3_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff](?=[\x10-\xef])")
_MP3_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
# kbit/s by version and layer, MPEG 1 first.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# The maximum number of links: each needs its own decoder, and real files have far fewer.
MAX_LINKS = 1000
# Total number of bytes in a damaged stream that are searched for the next frame.
_MAX_SEARCHED = 1 << 20


class Link(NamedTuple):
    """One recording of a chained file.

    Attributes:
        start: position of its first byte.
        end: position after its last byte.
        frames: samples of each channel, counted from the frames if an MP3 does not announce its length; None for all
            other recordings, whose announced length is used.
    """

    start: int
    end: int
    frames: int | None = None


@dataclass
class Chain:
    """The recordings of a file, in order, and the faults of the stream."""

    links: list[Link]
    faults: list[str] = field(default_factory=list)


class Mp3Frame(NamedTuple):
    """The header of a frame of MP3, MP2 or MP1: its length in bytes, and the properties of the sound."""

    length: int
    rate_hz: int
    mono: bool
    samples: int
    layer: int

    @property
    def kind(self) -> tuple[int, bool, int]:
        """Properties that are constant within a stream."""
        return self.rate_hz, self.mono, self.layer


def find_links(file: FileSlice) -> Chain:
    """Find the recordings of a file; in formats that cannot be chained, the whole file is one."""
    head = file.at(0, 10)
    if head[:4] == b"OggS":
        return _ogg_links(file)
    if head[:4] == b"fLaC":
        return _flac_links(file)
    if read_mp3_frame(head) is not None:
        return _mp3_links(file)
    if is_adts(head):
        return Chain([Link(0, file.size)], _adts_faults(file))
    return Chain(_between(joined_starts(file, MAX_LINKS + 1), file.size))


def sound_start(file: FileSlice) -> int:
    """Position at which the sound begins, after tags (ID3) and zero bytes; 0 if nothing is to be skipped."""
    position = _behind_tags(file, 0)
    head = file.at(position, _MAX_BEFORE)
    zeros = len(head) - len(head.lstrip(b"\0"))
    # Some formats begin with a zero or two (MP4 with the length of its first box).
    if zeros > 3 and zeros < len(head):
        first = _behind_tags(file, position + zeros)
        if first > position + zeros or _is_mp3(file, first) or is_adts(file.at(first, 2)):
            return first
    if position > 0 or _is_mp3(file, 0):
        return position
    return 0


def find_mp3(file: FileSlice, start: int = 0, most: int = _MAX_BEFORE) -> int | None:
    """First position of an MP3 frame within `most` bytes from `start`; None if there is none."""
    candidates = (found.start() for found in _MP3_SYNC.finditer(file.at(start, most)))
    return next((start + position for position in candidates if _is_mp3(file, start + position)), None)


def is_adts(head: bytes) -> bool:
    """Whether these bytes can begin a frame of AAC (ADTS)."""
    return head[:1] == b"\xff" and head[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9")


def read_mp3_frame(header: bytes) -> Mp3Frame | None:
    """Parse the 4 header bytes of a frame of MPEG audio (ISO/IEC 11172-3, 2.4.1.3); None if they are not a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    first = version == 3
    rate_hz = _MP3_RATES_HZ[version][rate]
    bits_a_second = _BIT_RATES[first, layer][bit_rate - 1] * 1000
    padding = header[2] >> 1 & 1
    samples = 384 if layer == 1 else 576 if layer == 3 and not first else 1152
    slot = 4 if layer == 1 else 1
    length = (samples // 8 // slot * bits_a_second // rate_hz + padding) * slot
    return Mp3Frame(length, rate_hz, header[3] >> 6 == 3, samples, layer)


def _is_mp3(file: FileSlice, position: int) -> bool:
    """Whether three frames of the same kind follow here, or two up to the end of the file."""
    kinds: set[tuple[int, bool, int]] = set()
    for count in range(3):
        frame = read_mp3_frame(file.at(position, 4))
        if frame is None:
            return count > 1 and position >= file.size
        kinds.add(frame.kind)
        position += frame.length
    return len(kinds) == 1


def _behind_tags(file: FileSlice, position: int) -> int:
    """Position after the ID3v2 tags that begin here, if any."""
    while (header := file.at(position, 10))[:3] == b"ID3" and len(header) == 10:
        length = 0
        for seven_bits in header[6:]:
            length = length << 7 | seven_bits & 0x7F
        position += 10 + length + (10 if header[5] & 0x10 else 0)
    return position


def _ogg_links(file: FileSlice) -> Chain:
    chain = Chain([])
    position = start = 0
    begun = False  # whether a page other than the first of a stream was seen
    numbers: dict[int, int] = {}
    reached: dict[int, int] = {}
    lost = damaged = wrong = 0
    while len(header := file.at(position, _OGG_HEADER + 255)) > 0:
        if header[:4] != b"OggS" or len(header) < _OGG_HEADER:
            following = file.find(b"OggS", position + 1)
            if following < 0:
                chain.faults.append(f"the last {file.size - position} bytes are no page")
                break
            chain.faults.append(f"{following - position} bytes in the middle are no page")
            position = following
            continue
        serial, number = int.from_bytes(header[14:18], "little"), int.from_bytes(header[18:22], "little")
        if header[5] & _OGG_FIRST_PAGE:
            if begun:
                chain.links.append(Link(start, position))
                start, begun = position, False
                if len(chain.links) > MAX_LINKS:
                    break
                numbers.clear()
                reached.clear()
        else:
            begun = True
            lost += number > numbers.get(serial, number - 1) + 1
        numbers[serial] = number
        segments = header[_OGG_HEADER : _OGG_HEADER + header[26]]
        # How far the sound reaches at the end of the page, in samples; -1 if no packet ends on it.
        reaches = int.from_bytes(header[6:14], "little", signed=True)
        wrong += reaches < reached.get(serial, 0) and (reaches >= 0 or min(segments, default=255) < 255)
        reached[serial] = max(reaches, reached.get(serial, 0))
        length = _OGG_HEADER + header[26] + sum(segments)
        if position + length > file.size:
            chain.faults.append("the last page is cut off")
            break
        damaged += header[22:26] != _ogg_checksum(file.at(position, length))
        position += length
    for count, fault in ((lost, "gaps between pages"), (damaged, "damaged pages"), (wrong, "pages out of order")):
        if count:
            chain.faults.append(f"{fault}: {count}")
    chain.links.append(Link(start, file.size))
    return chain


def _ogg_checksum(page: bytes) -> bytes:
    """Checksum of a page (RFC 3533, section 6): zlib's CRC-32 without its inversions, all bits in reverse order."""
    bare = page[:22] + bytes(4) + page[26:]
    mirrored = zlib.crc32(bare.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "big").translate(_MIRRORED)


def _flac_links(file: FileSlice) -> Chain:
    starts = [0]
    while len(starts) <= MAX_LINKS and (following := file.find(_FLAC_START, starts[-1] + 1)) > 0:
        starts.append(following)
    return Chain(_between(starts, file.size))


def _between(starts: list[int], end: int) -> list[Link]:
    return [Link(start, following) for start, following in zip(starts, [*starts[1:], end], strict=True)]


def _mp3_links(file: FileSlice) -> Chain:
    chain = Chain([])
    start = samples = frames = 0
    announced: int | None = None
    kind: tuple[int, bool, int] | None = None
    is_rest = False  # whether the link begins after the announced frames of the one before
    for position, frame, header in _mp3_frames(file, chain.faults):
        tells = _announced_frames(header)
        # Decoders stop after the announced number of frames.
        is_other = kind is None or frame.kind != kind or tells is not None
        if is_other or (announced and frames == announced):
            is_rest = not is_other
            if kind is not None:
                chain.links.append(Link(start, position, None if announced else samples))
                start = position
            kind, announced, samples, frames = frame.kind, tells, 0, 0
            if len(chain.links) > MAX_LINKS:
                break
        if tells is None:
            samples += frame.samples
            frames += 1
    if is_rest and frames == 1:
        # Some encoders do not count the last frame, which cannot be decoded by itself.
        chain.links[-1] = chain.links[-1]._replace(end=file.size)
    else:
        chain.links.append(Link(start, file.size, None if announced else samples))
    return chain


def _mp3_frames(file: FileSlice, faults: list[str]) -> Iterator[tuple[int, Mp3Frame, bytes]]:
    """Each frame with its position and first bytes. Bytes between frames that are not a tag are a fault."""
    position = 0
    searched = 0
    while position < file.size:
        header = file.at(position, 64)
        frame = read_mp3_frame(header)
        if frame is not None:
            if position + frame.length > file.size:
                faults.append("the last frame is cut off")
                return
            yield position, frame, header
            position += frame.length
        elif (behind := _behind_tag(file, position, header)) is not None:
            position = behind
        else:
            following = find_mp3(file, position + 1, _MAX_SEARCHED - searched)
            if following is None:
                faults.append(f"the last {file.size - position} bytes are no frames")
                return
            faults.append(f"{following - position} bytes in the middle are no frames")
            searched += following - position
            position = following


def _behind_tag(file: FileSlice, position: int, header: bytes) -> int | None:
    """Position after a tag or zero bytes between or after the frames; None if there is neither."""
    if header[:3] == b"ID3":
        return _behind_tags(file, position)
    if header[:3] == b"TAG":
        return position + 128
    if header[:8] == b"APETAGEX":
        # In a header, the length counts the bytes after the header's 32 bytes. In a footer, it includes the footer but
        # not the header.
        return position + 32 + (int.from_bytes(header[12:16], "little") if header[23] & 0x20 else 0)
    if header[:11] == b"LYRICSBEGIN":
        end = file.find(b"LYRICS200", position)
        return end + 9 if end >= 0 else None
    if not header.strip(b"\0"):
        while not (zeros := file.at(position, 1 << 16)).strip(b"\0") and zeros:
            position += len(zeros)
        return position + len(zeros) - len(zeros.lstrip(b"\0"))
    return None


def _announced_frames(header: bytes) -> int | None:
    """Number of frames that a Xing, Info or VBRI frame announces, 0 if it announces none; None in other frames."""
    mpeg_1, mono = header[1] & 0x08, header[3] >> 6 == 3
    tag = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    if header[tag : tag + 4] in (b"Xing", b"Info"):
        return int.from_bytes(header[tag + 8 : tag + 12], "big") if header[tag + 7] & 1 else 0
    if header[36:40] == b"VBRI":
        return int.from_bytes(header[50:54], "big")
    return None


def _adts_faults(file: FileSlice) -> list[str]:
    """Faults of a stream of AAC frames (ADTS; ISO/IEC 13818-7, 6.2)."""
    faults: list[str] = []
    position = 0
    while len(header := file.at(position, 7)) == 7:
        length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        if is_adts(header) and length > 7:
            position += length
        elif (behind := _behind_tag(file, position, header)) is not None:
            position = behind
        else:
            following = file.find(b"\xff", position + 1)
            position = file.size if following < 0 else following
            faults.append("there is something else between the frames")
            if len(faults) > MAX_LINKS:
                break
    if position > file.size:
        faults.append("the last frame is cut off")
    return faults
