"""How many frames (samples of each channel) a FLAC stream has: by its header, and by its blocks (RFC 9639)."""

import re

from deepemo.audio.io.file_slice import FileSlice

_MOST_FRAMES = (1 << 36) - 1
# A count this near to the largest was never filled in.
_NEAR = 1 << 25
# Bytes at the end of a file that are searched for headers of blocks; the longest block of a recording is shorter.
_SEARCHED_BYTES = 1 << 18
_SYNC = re.compile(rb"\xff\xf8")
_CRC_8 = 0x07


def flac_frames(file: FileSlice) -> int | None:
    """Frames that the header of a FLAC stream announces; None if it leaves them open, or if this is no FLAC."""
    head = file.at(0, 26)
    if len(head) < 26 or head[:4] != b"fLaC":
        return None
    frames = int.from_bytes(head[21:26], "big") & _MOST_FRAMES
    return None if frames == 0 or frames > _MOST_FRAMES - _NEAR else frames


def goes_beyond(file: FileSlice, frames: int) -> bool:
    """Whether a FLAC stream has blocks after the number of frames that its header announces."""
    block_frames = int.from_bytes(file.at(8, 2), "big")  # of a stream whose blocks have one length
    first = max(0, file.size - _SEARCHED_BYTES)
    tail = file.at(first, file.size - first)
    numbers = {number for sync in _SYNC.finditer(tail) if (number := _block_number(tail[sync.start() :][:16]))}
    # Other bytes rarely look like a header. It is rarer still that another header has the preceding number.
    return any(number * block_frames >= frames and number - 1 in numbers for number in numbers)


def _block_number(header: bytes) -> int | None:
    """The number of a block, by its header; None if the bytes are not a header."""
    if len(header) < 16 or header[2] >> 4 == 0 or header[2] & 15 == 15 or header[3] >> 4 > 10 or header[3] & 1:
        return None
    # The number is coded as a character in UTF-8, of up to seven bytes.
    ones = 8 - (header[4] ^ 0xFF).bit_length()
    length = max(1, ones)
    if ones in (1, 8) or any(byte >> 6 != 2 for byte in header[5 : 4 + length]):
        return None
    number = header[4] & (0x7F if ones == 0 else 0xFF >> ones + 1)
    for byte in header[5 : 4 + length]:
        number = number << 6 | byte & 0x3F
    end = 4 + length
    end += {6: 1, 7: 2}.get(header[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    return number if end < 16 and _crc_8(header[:end]) == header[end] else None


def _crc_8(content: bytes) -> int:
    remainder = 0
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ (_CRC_8 if remainder & 0x80 else 0)) & 0xFF
    return remainder
