import io
import struct

import numpy as np
import pytest
import soundfile

from deepemo.audio.decode import DecodeError, read_recording
from deepemo.audio.headers import missing_bytes, read_header


def encoded(container: str, *, frames: int = 1000, channels: int = 1, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels))
    soundfile.write(file, samples, 16_000, format=container, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "AIFF"])
@pytest.mark.parametrize("frames", [1000, 999])
def test_a_whole_file_misses_nothing(container: str, frames: int) -> None:
    assert missing_bytes(encoded(container, frames=frames, subtype="PCM_24")) == 0


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "AIFF"])
@pytest.mark.parametrize("cut", [1, 700])
def test_a_cut_file_misses_what_was_cut_off(container: str, cut: int) -> None:
    payload = encoded(container)[:-cut]
    assert missing_bytes(payload) == cut


def test_libsndfile_hides_that_a_wav_was_cut() -> None:
    recording = read_recording(encoded("WAV")[:-700])
    assert recording.declared_frames == len(recording.samples) == 650


def test_a_chunk_after_the_sound_is_not_missed() -> None:
    payload = encoded("WAV") + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert missing_bytes(payload) == 0


def test_a_chunk_of_odd_length_before_the_sound_is_padded() -> None:
    payload = encoded("WAV")
    at = payload.index(b"data")
    odd = b"junk" + struct.pack("<I", 3) + b"abc\0"
    assert missing_bytes(payload[:at] + odd + payload[at:]) == 0
    assert missing_bytes(payload[:at] + odd + payload[at:-10]) == 10


@pytest.mark.parametrize("unknown", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_left_open_by_a_pipe_misses_nothing(unknown: int) -> None:
    payload = bytearray(encoded("WAV"))
    at = payload.index(b"data") + 4
    payload[at : at + 4] = struct.pack("<I", unknown)
    assert missing_bytes(bytes(payload)) == 0


@pytest.mark.parametrize("payload", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(100), bytes(100)])
def test_other_bytes_miss_nothing(payload: bytes) -> None:
    assert missing_bytes(payload) == 0


def test_a_header_tells_rate_frames_and_channels() -> None:
    announced = read_header(encoded("WAV", frames=800, channels=2), name="x.wav")
    assert (announced.rate_hz, announced.frames, announced.channels, announced.seconds) == (16_000, 800, 2, 0.05)


def test_what_is_no_sound_is_refused_by_name() -> None:
    with pytest.raises(DecodeError, match=r"^a/x\.wav: not a sound file"):
        read_header(b"<html>not found</html>", name="a/x.wav")


@pytest.mark.parametrize("rate_hz", [1, 1_999, 1_000_000])
def test_a_rate_that_no_recording_has_is_refused(rate_hz: int) -> None:
    payload = bytearray(encoded("WAV"))
    payload[24:28] = struct.pack("<I", rate_hz)
    with pytest.raises(DecodeError, match=rf"x\.wav: a sample rate of {rate_hz} Hz, expected 2000 to 768000"):
        read_header(bytes(payload), name="x.wav")
