"""Files that were appended to one another, in containers that announce the length of what they hold."""

import io
import struct
from collections.abc import Callable

import av
import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import read_mono, read_recording
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.joined import joined_starts

HZ = 440.0


def tone(rate_hz: int, channels: int) -> np.ndarray:
    """A second, float32 [frames, channels]."""
    sine = (0.4 * np.sin(2 * np.pi * HZ * np.arange(rate_hz) / rate_hz)).astype(np.float32)
    return np.stack([sine] * channels, axis=1)


def by_libsndfile(container: str, subtype: str | None = None, **options: str) -> Callable[[int, int], bytes]:
    def make(rate_hz: int, channels: int) -> bytes:
        content = io.BytesIO()
        samples = tone(rate_hz, channels)
        soundfile.write(content, samples, rate_hz, format=container, subtype=subtype, **options)
        return content.getvalue()

    return make


def by_ffmpeg(container: str, codec: str, **options: str) -> Callable[[int, int], bytes]:
    def make(rate_hz: int, channels: int) -> bytes:
        content = io.BytesIO()
        with av.open(content, "w", format=container, options=options) as output:
            stream = output.add_stream(codec, rate=rate_hz, layout="mono" if channels == 1 else "stereo")
            samples = np.ascontiguousarray(tone(rate_hz, channels).T)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
            frame.sample_rate, frame.pts = rate_hz, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                output.mux(packet)
        return content.getvalue()

    return make


def with_open_length(make: Callable[[int, int], bytes]) -> Callable[[int, int], bytes]:
    """As a program writes WAV to a pipe."""

    def open_ended(rate_hz: int, channels: int) -> bytes:
        content = bytearray(make(rate_hz, channels))
        at = content.index(b"data") + 4
        content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
        return bytes(content)

    return open_ended


KINDS = {
    "WAV": by_libsndfile("WAV", "PCM_16"),
    "WAV of floats": by_libsndfile("WAVEX", "FLOAT"),
    "big-endian WAV": by_libsndfile("WAV", "PCM_16", endian="BIG"),
    "WAV from a pipe": with_open_length(by_libsndfile("WAV", "PCM_16")),
    "WAV of G.722": by_ffmpeg("wav", "g722"),
    "RF64": by_libsndfile("RF64", "PCM_16"),
    "W64": by_libsndfile("W64", "PCM_16"),
    "AIFF": by_libsndfile("AIFF", "PCM_16"),
    "AIFF of floats": by_libsndfile("AIFF", "FLOAT"),
    "AU": by_libsndfile("AU", "PCM_16"),
    "little-endian AU": by_libsndfile("AU", "PCM_16", endian="LITTLE"),
    "CAF": by_libsndfile("CAF", "PCM_16"),
    "CAF of ALAC": by_libsndfile("CAF", "ALAC_16"),
    "CAF of IMA4": by_ffmpeg("caf", "adpcm_ima_qt"),
    "M4A": by_ffmpeg("mp4", "aac"),
    "M4A in fragments": by_ffmpeg("mp4", "aac", movflags="empty_moov+default_base_moof+frag_keyframe"),
    "M4A of ALAC": by_ffmpeg("mp4", "alac"),
}


def loudest_hz(samples: np.ndarray, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * rate_hz / len(samples))


@pytest.mark.parametrize(
    "second",
    [pytest.param((16_000, 1), marks=pytest.mark.slow), (48_000, 2), pytest.param((8_000, 1), marks=pytest.mark.slow)],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_is_heard_at_the_rate_of_the_first(kind: str, second: tuple[int, int]) -> None:
    if kind == "WAV of G.722":
        second = (second[0], 1)
    first = KINDS[kind](16_000, 1)
    joined = first + KINDS[kind](*second)
    one, both = read_recording(first), read_recording(joined)
    assert (both.rate_hz, both.channels, both.container, both.remarks) == (16_000, 1, one.container, ())
    assert both.seconds == pytest.approx(2 * one.seconds, abs=0.15)
    np.testing.assert_array_equal(both.samples[: len(one.samples)], one.samples)
    # At another speed it would be higher or lower.
    assert loudest_hz(both.mono()[-12_000:-1_000], 16_000) == pytest.approx(HZ, abs=4)
    np.testing.assert_allclose(read_mono(joined).mono(), both.mono(), atol=1e-6)


def test_amr_of_two_kinds_is_heard_at_the_rate_of_the_first() -> None:
    narrow = by_ffmpeg("amr", "libopencore_amrnb")(8_000, 1)
    both = read_recording(narrow + narrow)
    assert (both.rate_hz, both.remarks) == (8_000, ())
    assert both.seconds == pytest.approx(2.0, abs=0.1)


def test_of_joined_files_of_which_one_is_cut_what_is_there_is_heard_and_said() -> None:
    whole = KINDS["WAV"](16_000, 1)
    cut = read_recording(whole + whole[:-8_000])
    assert (cut.seconds, cut.partial) == (1.75, "the file ends 8000 bytes before the end of its sound")
    first_cut = read_recording(whole[:-8_000] + whole)
    assert first_cut.seconds == pytest.approx(1.0)  # the second is taken for the rest of the first
    damaged = read_recording(whole + whole[:20] + b"\xff" * 24 + whole[44:])
    assert damaged.seconds == pytest.approx(1.0)
    assert damaged.partial == "part 2 of 2 cannot be read"


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "RF64"])
def test_chunks_between_them_and_at_the_end_are_no_sound(kind: str) -> None:
    order = ">" if kind == "AIFF" else "<"
    chunk = b"LIST" + struct.pack(f"{order}I", 3) + b"abc\0"
    make = KINDS[kind]
    both = read_recording(make(16_000, 1) + chunk + make(16_000, 1) + chunk)
    assert (both.seconds, both.remarks) == (2.0, ())


def test_a_header_inside_the_sound_is_sound() -> None:
    """Some programs put a header before what has one already."""
    inner = KINDS["WAV"](16_000, 1)
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16) + b"data"
    outer = b"RIFF" + struct.pack("<I", len(body) + 4 + len(inner)) + body + struct.pack("<I", len(inner)) + inner
    assert len(read_recording(outer).samples) == len(inner) // 2


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b".snd" * 50, b"caff\0\1\0\0" * 9, bytes(100), b"\0\0\0\1ftyp" * 30, b"#!AMR"],
)
def test_what_has_no_sound_has_no_second_start(content: bytes) -> None:
    assert joined_starts(FileSlice(io.BytesIO(content)), 5)[:1] == [0]


def test_no_more_are_looked_for_than_are_wanted() -> None:
    one = KINDS["AU"](8_000, 1)[:100]
    one = one[:8] + struct.pack(">I", len(one) - 24) + one[12:]
    assert joined_starts(FileSlice(io.BytesIO(one * 50)), 7) == [100 * number for number in range(7)]
