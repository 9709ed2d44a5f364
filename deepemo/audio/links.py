"""Where recordings are joined: files of Ogg, FLAC and MP3 may hold several, one behind the other.

Decoders read the first of them and leave out the others without a word. Each is found here, so that it can be decoded
by itself. On the way it shows where a stream is damaged, or ends in the middle of something.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from deepemo.audio.excerpt import Excerpt

# What precedes the sound of a file: tags and zero bytes in front of the first frame of MP3 or AAC.
_MOST_BEFORE = 1 << 16
_FLAC_START = b"fLaC\x00\x00\x00\x22"
_OGG_HEADER = 27
_OGG_FIRST_PAGE = 0x02

# Eleven ones, a version and a layer, then a bit rate and a sample rate that there are.
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
# Nobody joins more, and each of them takes a decoder.
MOST_LINKS = 1000
# In a damaged stream the next frame is looked for in so many bytes, all places together.
_MOST_SEARCHED = 1 << 20


class Link(NamedTuple):
    """A recording inside a file.

    Attributes:
        start: its first byte.
        end: the byte after its last one.
        frames: of MP3 that does not announce its length, samples of each channel by the frames that are there;
            otherwise None, and what is announced counts.
    """

    start: int
    end: int
    frames: int | None = None


@dataclass
class Chain:
    """The recordings of a file, in order, and what is wrong with the stream."""

    links: list[Link]
    faults: list[str] = field(default_factory=list)


class Mp3Frame(NamedTuple):
    """A frame of MP3, or of MP2 and MP1."""

    length: int
    rate_hz: int
    mono: bool
    samples: int
    layer: int

    @property
    def kind(self) -> tuple[int, bool, int]:
        """What does not change within a stream."""
        return self.rate_hz, self.mono, self.layer


def find_links(file: Excerpt) -> Chain:
    """The recordings of a file; of a format that joins none, the whole file is one."""
    head = file.at(0, 10)
    if head[:4] == b"OggS":
        return _ogg_links(file)
    if head[:4] == b"fLaC":
        return _flac_links(file)
    if read_mp3_frame(head) is not None:
        return _mp3_links(file)
    if is_adts(head):
        return Chain([Link(0, file.size)], _adts_faults(file))
    return Chain([Link(0, file.size)])


def sound_start(file: Excerpt) -> int:
    """Where a file begins that may be behind tags (ID3), zero bytes, or, if it is MP3, something else.

    Returns:
        0 if nothing is to be left out.
    """
    position = _behind_tags(file, 0)
    head = file.at(position, _MOST_BEFORE)
    zeros = len(head) - len(head.lstrip(b"\0"))
    # Some formats begin with a zero or two (MP4 with the length of its first box).
    if zeros > 3 and zeros < len(head):
        first = _behind_tags(file, position + zeros)
        if first > position + zeros or _is_mp3(file, first) or is_adts(file.at(first, 2)):
            return first
    if position > 0 or _is_mp3(file, 0):
        return position
    return 0


def find_mp3(file: Excerpt, start: int = 0, most: int = _MOST_BEFORE) -> int | None:
    """First position at which MP3 begins, of so many; None if it does at none."""
    candidates = (found.start() for found in _MP3_SYNC.finditer(file.at(start, most)))
    return next((start + position for position in candidates if _is_mp3(file, start + position)), None)


def is_adts(head: bytes) -> bool:
    """Whether a frame of AAC may begin with these bytes."""
    return head[:1] == b"\xff" and head[1:2] in (b"\xf0", b"\xf1", b"\xf8", b"\xf9")


def read_mp3_frame(header: bytes) -> Mp3Frame | None:
    """Read the 4 bytes that a frame of MPEG audio begins with (ISO/IEC 11172-3, 2.4.1.3); None if they are none."""
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


def _is_mp3(file: Excerpt, position: int) -> bool:
    """Whether three frames alike follow here, or as many as the file has room for."""
    kinds: set[tuple[int, bool, int]] = set()
    for count in range(3):
        frame = read_mp3_frame(file.at(position, 4))
        if frame is None:
            return count > 1 and position >= file.size
        kinds.add(frame.kind)
        position += frame.length
    return len(kinds) == 1


def _behind_tags(file: Excerpt, position: int) -> int:
    """Behind the ID3v2 tags that stand here, if any."""
    while (header := file.at(position, 10))[:3] == b"ID3" and len(header) == 10:
        length = 0
        for seven_bits in header[6:]:
            length = length << 7 | seven_bits & 0x7F
        position += 10 + length + (10 if header[5] & 0x10 else 0)
    return position


def _ogg_links(file: Excerpt) -> Chain:
    chain = Chain([])
    position = start = 0
    begun = False  # whether a page came that begins no stream
    numbers: dict[int, int] = {}
    lost = 0
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
                if len(chain.links) > MOST_LINKS:
                    break
                numbers.clear()
        else:
            begun = True
            lost += number > numbers.get(serial, number - 1) + 1
        numbers[serial] = number
        segments = header[_OGG_HEADER : _OGG_HEADER + header[26]]
        position += _OGG_HEADER + header[26] + sum(segments)
        if position > file.size:
            chain.faults.append("the last page is cut off")
            break
    if lost:
        chain.faults.append(f"pages are missing in {lost} places")
    chain.links.append(Link(start, file.size))
    return chain


def _flac_links(file: Excerpt) -> Chain:
    starts = [0]
    while len(starts) <= MOST_LINKS and (following := file.find(_FLAC_START, starts[-1] + 1)) > 0:
        starts.append(following)
    return Chain([Link(start, end) for start, end in zip(starts, [*starts[1:], file.size], strict=True)])


def _mp3_links(file: Excerpt) -> Chain:
    chain = Chain([])
    start = samples = frames = 0
    announced: int | None = None
    kind: tuple[int, bool, int] | None = None
    for position, frame, header in _mp3_frames(file, chain.faults):
        tells = _announced_frames(header)
        # Behind as many as are announced nothing more is decoded.
        if kind is None or frame.kind != kind or tells is not None or (announced and frames == announced):
            if kind is not None:
                chain.links.append(Link(start, position, None if announced else samples))
                start = position
            kind, announced, samples, frames = frame.kind, tells, 0, 0
            if len(chain.links) > MOST_LINKS:
                break
        if tells is None:
            samples += frame.samples
            frames += 1
    chain.links.append(Link(start, file.size, None if announced else samples))
    return chain


def _mp3_frames(file: Excerpt, faults: list[str]) -> Iterator[tuple[int, Mp3Frame, bytes]]:
    """Each frame with its position and first bytes; what stands between frames and is no tag is a fault."""
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
            following = find_mp3(file, position + 1, _MOST_SEARCHED - searched)
            if following is None:
                faults.append(f"the last {file.size - position} bytes are no frames")
                return
            faults.append(f"{following - position} bytes in the middle are no frames")
            searched += following - position
            position = following


def _behind_tag(file: Excerpt, position: int, header: bytes) -> int | None:
    """Behind a tag or zero bytes that stand between frames or behind the last one; None if they are neither."""
    if header[:3] == b"ID3":
        return _behind_tags(file, position)
    if header[:3] == b"TAG":
        return position + 128
    if header[:8] == b"APETAGEX":
        # The length counts what follows the header of 32 bytes, or all but the header before a footer.
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
    """Frames that follow by a frame that holds no sound but tells this (Xing, Info, VBRI); 0 if it does not say."""
    mpeg_1, mono = header[1] & 0x08, header[3] >> 6 == 3
    tag = 4 + ((17 if mono else 32) if mpeg_1 else (9 if mono else 17))
    if header[tag : tag + 4] in (b"Xing", b"Info"):
        return int.from_bytes(header[tag + 8 : tag + 12], "big") if header[tag + 7] & 1 else 0
    if header[36:40] == b"VBRI":
        return int.from_bytes(header[50:54], "big")
    return None


def _adts_faults(file: Excerpt) -> list[str]:
    """What is no frame of AAC in a stream of them (ISO/IEC 13818-7, 6.2)."""
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
            if len(faults) > MOST_LINKS:
                break
    if position > file.size:
        faults.append("the last frame is cut off")
    return faults
