"""Files that announce, or unpack to, much more than they hold are refused before they cost memory or time."""

import io
import tracemalloc
from collections.abc import Callable

import av
import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import read_mono, read_recording
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.mp4_tables import check_tables
from deepemo.errors import DecodeError, TooLongError
from tests.fixtures.hostile import box, claiming_mp4, fragment_mp4, silent_channels
from tests.fixtures.serving import tone


def opened(content: bytes) -> FileSlice:
    return FileSlice(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        claiming_mp4(60_000_000),
        claiming_mp4(60_000_000, sample_bytes=0),
        claiming_mp4(2**31 - 1, codec=b"sowt", tick=1, chunks=20),
        fragment_mp4(60_000_000),
        claiming_mp4(60_000_000).replace(b"moov", b"skip", 1) + claiming_mp4(60_000_000),
    ],
    ids=["sizes", "sizes of none", "chunks of PCM", "fragment", "second movie"],
)
def test_tables_that_announce_millions_of_samples_are_refused(content: bytes) -> None:
    assert len(content) < 20_000
    with pytest.raises(DecodeError, match=r"announce \d+ samples, \d+ bytes are there"):
        read_mono(content)


def test_what_the_tables_of_an_mp4_announce_is_counted_over_its_fragments() -> None:
    run = box(b"moof", box(b"traf", fragment_mp4(600_000).split(b"traf", 1)[1].split(b"mdat", 1)[0][:-4]))
    check_tables(opened(fragment_mp4(600_000)))
    with pytest.raises(DecodeError, match="1200000 samples"):
        check_tables(opened(fragment_mp4(600_000) + run))


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["aac", "alac", "pcm_s16le"])
def test_tables_of_real_files_are_not(codec: str, tmp_path) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        samples = np.int16(tone(60, rate_hz=48_000) * 32_767)[None]
        for start in range(0, samples.shape[1], 48_000):
            frame = av.AudioFrame.from_ndarray(samples[:, start : start + 48_000], format="s16", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    content = path.read_bytes()
    assert read_mono(content).seconds == pytest.approx(60, abs=0.1)
    # Cut off, its tables announce ten times what is there.
    front = content.index(b"moov") < content.index(b"mdat")
    if front:
        assert read_mono(content[: len(content) // 10]).seconds > 3


def test_boxes_that_contain_themselves_or_lie_about_their_length_end() -> None:
    for content in (
        box(b"moov") * 20_000,
        b"\0\0\0\0moov" * 1000,
        b"\0\0\0\1moov" + (2**63).to_bytes(8, "big") + b"\0\0\0\4trak" * 9,
        b"\0\0\0\7moov" * 9,
        box(b"moov", box(b"trak", box(b"stsc", b"\0\0\0\0\xff\xff\xff\xff"), box(b"stts"), box(b"stco"))),
    ):
        check_tables(opened(content))


@pytest.mark.slow
def test_too_many_channels_are_refused_before_they_are_decoded(wav: Callable[..., bytes]) -> None:
    for content, channels in ((silent_channels(255, 1), 255), (wav(np.zeros((800, 33), np.float32)), 33)):
        with pytest.raises(DecodeError, match=f"{channels} channels, expected at most 32"):
            read_mono(content, max_channels=32)
        assert read_mono(content).channels == channels


def test_the_budget_is_frames_times_channels(wav: Callable[..., bytes]) -> None:
    stereo = wav(np.stack([tone(2), tone(2)], axis=1))
    assert read_mono(stereo, max_samples=64_000).seconds == 2
    with pytest.raises(TooLongError, match="2 channels of more than 63999 samples together"):
        read_mono(stereo, max_samples=63_999)


def test_what_is_left_out_counts_too() -> None:
    """A chained Ogg whose later parts have a rate at which nothing is kept."""
    parts = []
    for rate_hz in (8000, 1000, 1000):
        part = io.BytesIO()
        soundfile.write(part, tone(10, rate_hz=rate_hz), rate_hz, format="FLAC")
        parts.append(part.getvalue())
    content = b"".join(parts)
    assert read_mono(content).seconds == 10
    with pytest.raises(TooLongError):
        read_mono(content, max_samples=99_000)


@pytest.mark.parametrize("name", ["voice.raw", "voice.txt", "voice.au", "voice.mp3", "voice.pcm", "voice.sd2", "voice"])
def test_content_alone_says_what_a_file_is(name: str, tmp_path, wav: Callable[..., bytes]) -> None:
    path = tmp_path / name
    path.write_bytes(wav(tone(1)))
    assert read_mono(path).container == read_recording(path).container == "WAV"
    assert read_recording(path.read_bytes(), name=name).seconds == 1
    with pytest.raises(DecodeError, match="not a sound file"):
        read_recording(b"no sound" * 100, name=name)


def test_a_claim_costs_no_memory() -> None:
    tracemalloc.start()
    with pytest.raises(DecodeError):
        read_mono(claiming_mp4(60_000_000))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_no_decoder_writes_among_the_answers(capfd: pytest.CaptureFixture[str]) -> None:
    """libsndfile prints each fault of a MIDI sample dump."""
    dump = io.BytesIO()
    soundfile.write(dump, tone(0.4), 16_000, format="SDS", subtype="PCM_16")
    content = bytearray(dump.getvalue())
    content[200:230] = bytes(30)
    with pytest.raises(DecodeError, match="MIDI sample dump"):
        read_mono(bytes(content))
    assert capfd.readouterr().out == ""
