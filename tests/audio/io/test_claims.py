"""What files say of themselves and is not true: counts, positions, checksums and indexes."""

import io
import struct
import time

import av
import numpy as np
import pytest
import soundfile

from deepemo.audio.io.blocks import Block, Collector
from deepemo.audio.io.chained import find_links
from deepemo.audio.io.decode import read_mono, read_recording
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.flac import flac_frames, goes_beyond
from deepemo.errors import DecodeError

RATE_HZ = 16_000


def sound(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A tone in noise, float32 [frames]: encoders shrink it, and no two stretches are alike."""
    frames = round(seconds * rate_hz)
    tone = 0.3 * np.sin(2 * np.pi * 330 * np.arange(frames) / rate_hz)
    return (tone + np.random.default_rng(0).normal(0, 0.02, frames)).astype(np.float32)


def by_libsndfile(samples: np.ndarray, container: str, subtype: str | None = None, rate_hz: int = RATE_HZ) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format=container, subtype=subtype)
    return content.getvalue()


def by_ffmpeg(samples: np.ndarray, container: str, codec: str, rate_hz: int = RATE_HZ, **options: str) -> bytes:
    content = io.BytesIO()
    with av.open(content, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout="mono", options={"q": "0"} if "vbr" in options else {})
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return content.getvalue()


def put(content: bytes, position: int, value: bytes) -> bytes:
    return content[:position] + value + content[position + len(value) :]


@pytest.mark.parametrize(("container", "order"), [("WAV", "<"), ("AIFF", ">"), ("AU", ">")])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_length_that_was_not_brought_up_to_date_hides_nothing(container: str, order: str, share: float) -> None:
    """A recorder that is switched off leaves the length of some seconds before."""
    samples = np.tile(sound(1.0), 30)
    whole = by_libsndfile(samples, container)
    at = 8 if container == "AU" else whole.index(b"data" if container == "WAV" else b"SSND") + 4
    stale = put(whole, at, struct.pack(f"{order}I", round(2 * share * len(samples)) // 2 * 2))
    recording = read_recording(stale)
    assert (len(recording.samples), recording.remarks) == (len(samples), ())


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
@pytest.mark.parametrize("tail", [bytes(4000), b"\xff" * 60_000, b"ID3\x04" + b"\xaa" * 90_000])
def test_padding_and_tags_behind_the_sound_are_no_sound(container: str, tail: bytes) -> None:
    recording = read_recording(by_libsndfile(sound(1.0), container) + tail)
    assert (len(recording.samples), recording.remarks) == (RATE_HZ, ())


@pytest.mark.parametrize("rest", [b"\xff" * 90_000, b""])
@pytest.mark.parametrize(("container", "order"), [("WAV", "<"), ("AIFF", ">")])
def test_a_damaged_chunk_behind_the_sound_is_no_sound(container: str, order: str, rest: bytes) -> None:
    chunk = b"LIST" + struct.pack(f"{order}I", 70_000) + bytes(69_000 if rest else 1_000) + rest
    recording = read_recording(by_libsndfile(sound(1.0), container) + chunk)
    assert (len(recording.samples), recording.remarks) == (RATE_HZ, ())


@pytest.mark.parametrize("announced", [1, 4096, 20_000, 60_000])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
def test_a_flac_with_more_frames_than_it_announces_is_read_to_its_end(announced: int, subtype: str) -> None:
    whole = by_libsndfile(sound(4.0), "FLAC", subtype)
    stale = put(whole, 22, struct.pack(">I", announced))
    file = FileSlice(io.BytesIO(stale))
    assert flac_frames(file) == announced
    assert goes_beyond(file, announced)
    recording = read_recording(stale)
    assert recording.remarks == ()
    np.testing.assert_array_equal(recording.samples, read_recording(whole).samples)


@pytest.mark.parametrize("frames", [1, 4096, 4097, 64_000])
def test_a_flac_ends_where_it_announces_to_whatever_follows(frames: int) -> None:
    whole = by_libsndfile(sound(frames / RATE_HZ), "FLAC")
    for tail in (b"", b"TAG" + bytes(125), np.random.default_rng(0).bytes(200_000), b"\xff\xf8" * 5_000):
        assert not goes_beyond(FileSlice(io.BytesIO(whole + tail)), frames)
    assert len(read_recording(whole).samples) == frames


OGG = [("OGG", "VORBIS"), ("OGG", "OPUS")]


def pages(content: bytes) -> list[int]:
    """Position of each page of an Ogg file."""
    found, position = [], 0
    while position < len(content):
        found.append(position)
        count = content[position + 26]
        position += 27 + count + sum(content[position + 27 : position + 27 + count])
    return found


@pytest.mark.parametrize(("container", "subtype"), OGG)
def test_a_damaged_page_of_ogg_is_told_by_its_checksum(container: str, subtype: str) -> None:
    whole = by_libsndfile(sound(6.0, 48_000), container, subtype, 48_000)
    assert read_recording(whole).remarks == ()
    middle = pages(whole)[len(pages(whole)) // 2] + 200
    assert read_recording(put(whole, middle, bytes(8))).partial is not None
    for position in np.random.default_rng(0).integers(len(whole), size=30):
        damaged = put(whole, int(position), bytes([whole[position] ^ 0x10]))
        assert find_links(FileSlice(io.BytesIO(damaged))).faults


@pytest.mark.parametrize("reaches", [0, 1, 40_000, -1])
@pytest.mark.parametrize(("container", "subtype"), OGG)
def test_pages_of_ogg_whose_positions_are_wrong_are_told(container: str, subtype: str, reaches: int) -> None:
    whole = by_libsndfile(sound(6.0, 48_000), container, subtype, 48_000)
    wrong = put(whole, pages(whole)[-1] + 6, struct.pack("<q", reaches))
    assert "pages out of order: 1" in find_links(FileSlice(io.BytesIO(wrong))).faults


@pytest.mark.parametrize("more", [-1, 1])
def test_an_mp3_may_count_the_frame_that_announces_the_others_or_not(more: int) -> None:
    whole = by_libsndfile(sound(4.0), "MP3")
    at = whole.index(b"Info") + 8 if b"Info" in whole else whole.index(b"Xing") + 8
    count = int.from_bytes(whole[at : at + 4], "big")
    recording = read_recording(put(whole, at, struct.pack(">I", count + more)))
    assert recording.remarks == ()
    assert recording.seconds == pytest.approx(4.0, abs=0.08)


@pytest.mark.parametrize("first", ["loud", "silent"])
def test_mp3_of_varying_bit_rate_in_a_wav_is_read_to_its_end(first: str) -> None:
    """libsndfile takes the bit rate of the first frame for that of all."""
    loud, silent = np.random.default_rng(0).normal(0, 0.3, 5 * 44_100), np.zeros(5 * 44_100)
    samples = np.concatenate([loud, silent] if first == "loud" else [silent, loud]).astype(np.float32)
    stream = by_libsndfile(samples, "MP3", rate_hz=44_100)
    form = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 44_100, 16_000, 1, 0, 12, 1, 2, 417, 1, 1393)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(stream)) + stream
    recording = read_recording(b"RIFF" + struct.pack("<I", len(body)) + body)
    assert (recording.container, recording.remarks) == ("wav", ())
    assert recording.seconds == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("open_length", [False, True])
def test_aac_without_headers_in_a_wav_is_read(rate_hz: int, open_length: bool) -> None:
    content = by_ffmpeg(sound(6.0, rate_hz), "wav", "aac", rate_hz)
    if open_length:
        content = put(content, content.index(b"data") + 4, b"\xff\xff\xff\xff")
    recording = read_mono(content)
    assert (recording.rate_hz, recording.remarks) == (rate_hz, ())
    assert recording.seconds == pytest.approx(6.1, abs=0.2)
    middle = recording.mono()[rate_hz : 5 * rate_hz]
    loudest = np.abs(np.fft.rfft(middle)).argmax() * rate_hz / len(middle)
    assert loudest == pytest.approx(330, abs=2)


def test_of_aac_without_headers_what_comes_before_the_damage_is_heard() -> None:
    content = by_ffmpeg(sound(6.0), "wav", "aac")
    cut = read_mono(content[: len(content) // 2])
    assert 2.5 < cut.seconds < 3.5
    assert cut.partial is not None
    damaged = read_mono(put(content, len(content) // 2, np.random.default_rng(1).bytes(64)))
    assert 2.5 < damaged.seconds < 6.1
    assert "announced" in str(damaged.partial)


def test_more_aac_without_headers_than_fits_into_memory_is_refused() -> None:
    content = by_ffmpeg(sound(1.0), "wav", "aac")
    content = put(content, content.index(b"data") + 4, struct.pack("<I", 1 << 19)) + bytes(1 << 19)
    with pytest.raises(DecodeError, match=r"AAC of \d+ bytes without headers in a WAV, expected at most 262144"):
        read_mono(content)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("mov", "alac"), ("mov", "pcm_s16le")])
@pytest.mark.parametrize("change", ["lost", "put in"])
def test_bytes_lost_or_put_in_before_the_index_of_an_mp4_do_not_lose_it(
    container: str, codec: str, change: str
) -> None:
    whole = by_ffmpeg(sound(4.0), container, codec)
    middle = len(whole) // 2
    assert whole.index(b"moov") > middle
    damaged = whole[:middle] + (whole[middle + 100 :] if change == "lost" else bytes(100) + whole[middle:])
    recording = read_recording(damaged)
    assert 1.5 < recording.seconds < 4.2
    assert "bytes are lost or put in before its index" in str(recording.partial)
    np.testing.assert_array_equal(recording.samples[:RATE_HZ], read_recording(whole).samples[:RATE_HZ])


@pytest.mark.slow
def test_the_time_to_collect_blocks_grows_with_their_number_alone() -> None:
    """It grew with its square: twenty minutes of AAC took 45 s."""
    collector = Collector("a.aac", 1e6, mix=True)
    block = Block(8_000, np.zeros((1, 1), np.float32))
    began = time.process_time()
    for _ in range(50_000):
        collector.add(block)
    assert time.process_time() - began < 5
    assert len(collector.joined()[0]) == 50_000
