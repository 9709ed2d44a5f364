import io

import numpy as np
import pytest
import soundfile

from deepemo.audio.io.chained import MAX_LINKS, Chain, find_links, find_mp3, read_mp3_frame, sound_start
from deepemo.audio.io.file_slice import FileSlice


def encoded(container: str, subtype: str | None = None, *, rate_hz: int = 16_000, seconds: float = 1.0) -> bytes:
    samples = 0.4 * np.sin(np.arange(round(rate_hz * seconds)) / 9)
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format=container, subtype=subtype)
    return content.getvalue()


def links(content: bytes) -> Chain:
    return find_links(FileSlice(io.BytesIO(content)))


JOINED = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("FLAC", None), ("MP3", None)]


@pytest.mark.parametrize(("container", "subtype"), JOINED)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_of_several_files_behind_one_another_is_found(container: str, subtype: str | None, count: int) -> None:
    files = [encoded(container, subtype, rate_hz=rate_hz) for rate_hz in (16_000, 48_000, 24_000, 16_000, 16_000)]
    chain = links(b"".join(files[:count]))
    starts = np.cumsum([0, *map(len, files)])
    assert [(link.start, link.end) for link in chain.links] == [(starts[i], starts[i + 1]) for i in range(count)]
    assert chain.faults == []


@pytest.mark.parametrize("content", [b"", encoded("WAV"), encoded("AIFF"), bytes(100), b"OggS", b"\xff\xf3"])
def test_of_another_format_the_file_is_one(content: bytes) -> None:
    assert [(link.start, link.end) for link in links(content).links] == [(0, len(content))]


@pytest.mark.parametrize(
    ("header", "length", "rate_hz", "samples"),
    [
        # 144 * bit rate / rate, plus padding; MPEG 2 half of it; layer I 12 * bit rate / rate slots of 4 bytes.
        ("fffb9000", 417, 44_100, 1152),
        ("fffb9200", 418, 44_100, 1152),
        ("fff348c4", 144, 16_000, 576),
        ("fffdc404", 768, 48_000, 1152),
        ("ffff5000", 172, 44_100, 384),
        ("ffe318c4", 72, 8_000, 576),
    ],
)
def test_the_length_of_a_frame_follows_from_its_header(header: str, length: int, rate_hz: int, samples: int) -> None:
    frame = read_mp3_frame(bytes.fromhex(header))
    assert frame is not None
    assert (frame.rate_hz, frame.samples) == (rate_hz, samples)
    assert frame.length == length


@pytest.mark.parametrize(
    "header", ["", "fffb90", "fff15080", "fffbf000", "fffb0000", "fffb9c00", "ffeb9000", "7ffb9000"]
)
def test_other_bytes_are_no_frame(header: str) -> None:
    assert read_mp3_frame(bytes.fromhex(header)) is None


def test_mp3_is_found_in_nothing_random() -> None:
    random = np.random.default_rng(0)
    assert all(find_mp3(FileSlice(io.BytesIO(random.bytes(60_000)))) is None for _ in range(20))


def test_what_precedes_the_sound_is_passed_over_and_nothing_else() -> None:
    mp3, tag = encoded("MP3"), b"ID3\x04\x00\x00\x00\x00\x00\x14" + bytes(20)

    def start(content: bytes) -> int:
        return sound_start(FileSlice(io.BytesIO(content)))

    assert start(tag + mp3) == len(tag)
    assert start(bytes(999) + tag + mp3) == 999 + len(tag)
    assert start(tag + encoded("FLAC")) == len(tag)
    assert start(bytes(999)) == 0
    assert start(b"\0\0\0\x20ftypisom" + bytes(100)) == 0
    assert start(encoded("WAV")) == 0


@pytest.mark.parametrize("tail", [b"TAG" + bytes(125), b"APETAGEX" + bytes(24), bytes(700)])
def test_tags_behind_the_last_frame_are_no_damage(tail: bytes) -> None:
    chain = links(encoded("MP3") + tail)
    assert (len(chain.links), chain.faults) == (1, [])


@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("MP3", None)])
def test_a_hole_in_the_middle_and_a_missing_end_are_faults(container: str, subtype: str | None) -> None:
    whole = encoded(container, subtype, seconds=4.0)
    middle = len(whole) // 2
    assert links(whole[:middle] + b"\x55" * 900 + whole[middle:]).faults
    assert links(whole[:-5]).faults


@pytest.mark.parametrize(
    "unit",
    [b"\xff", b"OggS", b"fLaC\0\0\0\x22", b"ID3", b"\xff\xf3\x88\xc4", b"OggS" + bytes(23), encoded("MP3")[:500]],
)
def test_a_file_made_to_keep_us_busy_does_not(unit: bytes) -> None:
    content = (unit * (3_000_000 // len(unit) + 1))[:3_000_000]
    chain = links(content)
    assert len(chain.links) <= MAX_LINKS + 2
