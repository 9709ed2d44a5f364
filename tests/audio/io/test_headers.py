import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from deepemo.audio.io.decode import read_recording
from deepemo.audio.io.file_slice import FileSlice
from deepemo.audio.io.flac import flac_frames
from deepemo.audio.io.headers import find_sound_chunk

CONTAINERS = ["WAV", "WAVEX", "AIFF", "AU", "RF64", "W64", "CAF"]
# Lengths that arecord, ffmpeg, sox and others leave, and lengths near those: less the bytes of a header, or rounded.
OPEN = [
    0,
    1,
    36,
    0x7F000000,
    0x7F000008,
    0x7FFF0000,
    0x7FFFF000,
    0x7FFFF024,
    0x7FFFFFFF,
    0x80000000,
    0x80000024,
    0xFFFFFFDB,
    0xFFFFFFFF,
]


def encoded(container: str, *, frames: int = 1000, channels: int = 1, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (frames, channels))
    soundfile.write(file, samples, 16_000, format=container, subtype=subtype)
    return file.getvalue()


def missing(payload: bytes) -> int:
    chunk = find_sound_chunk(FileSlice(io.BytesIO(payload)))
    assert chunk is not None
    return chunk.missing


def with_length(container: str, length: int, *, outer: bool) -> bytes:
    """A file whose header announces this many bytes of sound, and as many for the whole file if `outer`."""
    payload = bytearray(encoded(container))
    order = ">" if container in ("AIFF", "AU", "CAF") else "<"
    wide = struct.pack(f"{order}Q", length)
    match container:
        case "RF64":
            fields = {28: wide, 20: wide if outer else payload[20:28]}
        case "W64":
            at = payload.index(b"data") + 16
            fields = {at: wide, 16: wide if outer else payload[16:24]}
        case "CAF":
            fields = {payload.index(b"data") + 4: wide}
        case "AU":
            fields = {8: struct.pack(">I", length)}
        case _:
            narrow = struct.pack(f"{order}I", length)
            at = payload.index(b"SSND" if container == "AIFF" else b"data") + 4
            fields = {at: narrow, 4: narrow if outer else payload[4:8]}
            if container == "AIFF" and outer:
                fields[payload.index(b"COMM") + 10] = narrow
    for position, value in fields.items():
        payload[position : position + len(value)] = value
    return bytes(payload)


@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("length", OPEN, ids=hex)
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_length_that_nobody_filled_in_hides_nothing(container: str, length: int, outer: bool) -> None:
    """The length as a pipe leaves it. The file is complete, and has the same samples as with a correct length."""
    recording = read_recording(with_length(container, length, outer=outer))
    assert recording.remarks == ()
    np.testing.assert_array_equal(recording.samples, read_recording(encoded(container)).samples)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 0], ids=hex)
@pytest.mark.parametrize("container", ["RF64", "W64", "CAF"])
def test_nor_does_one_of_64_bits(container: str, length: int) -> None:
    recording = read_recording(with_length(container, length, outer=True))
    assert (recording.remarks, len(recording.samples)) == ((), 1000)


@pytest.mark.parametrize("frames", [1000, 999])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_whole_file_misses_nothing(container: str, frames: int) -> None:
    payload = encoded(container, frames=frames, subtype="PCM_24")
    assert missing(payload) == 0
    assert read_recording(payload).partial is None


@pytest.mark.parametrize("cut", [1, 700])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_cut_file_misses_what_was_cut_off(container: str, cut: int) -> None:
    payload = encoded(container)[:-cut]
    assert missing(payload) == cut
    recording = read_recording(payload)
    assert recording.partial == f"the file ends {cut} bytes before the end of its sound"
    assert len(recording.samples) == 1000 - (cut + 1) // 2


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_length_far_beyond_the_file_is_one_that_it_ends_before(container: str) -> None:
    assert missing(with_length(container, 10_000_000, outer=True)) > 9_000_000


def test_no_sound_before_another_chunk_is_none() -> None:
    """A length of 0 is correct if only chunks follow up to the end of the file."""
    payload = encoded("WAV", frames=0) + b"LIST" + struct.pack("<I", 4000) + bytes(4000)
    recording = read_recording(payload)
    assert (len(recording.samples), recording.remarks) == (0, ())


def test_a_chunk_after_the_sound_is_not_missed() -> None:
    payload = encoded("WAV") + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert missing(payload) == 0


def test_a_chunk_of_odd_length_before_the_sound_is_padded() -> None:
    payload = encoded("WAV")
    at = payload.index(b"data")
    odd = b"junk" + struct.pack("<I", 3) + b"abc\0"
    assert missing(payload[:at] + odd + payload[at:]) == 0
    assert missing(payload[:at] + odd + payload[at:-10]) == 10


@pytest.mark.parametrize(
    "payload", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"fLaC" + bytes(100), bytes(100), b"caff" + bytes(60), b".snd"]
)
def test_other_bytes_have_no_chunk_of_sound(payload: bytes) -> None:
    assert find_sound_chunk(FileSlice(io.BytesIO(payload))) is None


@pytest.mark.parametrize("lie", [0, 2**36 - 1, 2**36 - 4096])
def test_a_flac_stream_may_leave_its_length_open(lie: int) -> None:
    payload = bytearray(encoded("FLAC"))
    assert flac_frames(FileSlice(io.BytesIO(bytes(payload)))) == 1000
    payload[21] = (payload[21] & 0xF0) | (lie >> 32)
    payload[22:26] = (lie & 0xFFFFFFFF).to_bytes(4, "big")
    assert flac_frames(FileSlice(io.BytesIO(bytes(payload)))) is None
    recording = read_recording(bytes(payload))
    assert (len(recording.samples), recording.remarks) == (1000, ())


@pytest.mark.parametrize("container", ["wav", "aiff", "au", "flac"])
@pytest.mark.parametrize("program", ["sox", "ffmpeg"])
def test_what_a_program_writes_to_a_pipe_is_whole(program: str, container: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed; `apt-get install {program}` brings it")
    options = {
        "sox": ["-t", "wav", "-", "-t", container, "-"],
        "ffmpeg": ["-loglevel", "error", "-f", "wav", "-i", "-", "-f", container, "-"],
    }
    payload = encoded("WAV", frames=16_000)
    # Pipes instead of files: neither input nor output can be sought in.
    piped = subprocess.run([program, *options[program]], input=payload, capture_output=True, check=True).stdout
    recording = read_recording(piped)
    assert recording.partial is None
    assert recording.seconds == pytest.approx(1.0, abs=0.001)
