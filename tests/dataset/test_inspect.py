import io
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus, Generated
from deepemo.dataset import inspect as inspection
from deepemo.dataset.inspect import Inspection, inspect_recording
from deepemo.params import VoiceDecision

CORPUS = Corpus(
    name="toy",
    title="Toy",
    language="en",
    homepage="",
    licence="",
    citation="",
    clips=1,
    size_bytes=1,
    source=Generated(),
    name_pattern=re.compile(r"(?:^|/)(?P<speaker>[A-Z]{2})_(?P<sentence>\w+?)_(?P<emotion>[a-z]+)(?P<channel>-\w+)?$"),
    emotions={"ang": "angry", "cal": "calm"},
    other_emotions=("calm",),
    genders={"AB": "female"},
    sentences={"s1": "Dogs are sitting by the door."},
    speaker_aliases={"BA": "AB"},
    speech_channel=None,
    native_rate_hz=16_000,
)
Inspect = Callable[..., Inspection]

GATE = VoiceDecision(voice_threshold=0.5, min_voice_share=0.1, min_voice_seconds=0.2)
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000)


def encoded(samples: np.ndarray, *, container: str = "WAV", subtype: str = "PCM_16", rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=container, subtype=subtype)
    return file.getvalue()


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Put a file into an archive and inspect it there."""

    def run(payload: bytes, member: str = "x/AB_s1_ang.wav") -> Inspection:
        with zipfile.ZipFile(tmp_path / "toy.zip", "w") as archive:
            archive.writestr(member, payload)
        return inspect_recording(CORPUS, member, Archive(tmp_path / "toy.zip"), GATE)

    return run


def test_a_good_recording_is_named_and_measured(inspect: Inspect) -> None:
    found = inspect(encoded(NOISE))
    assert found.faults == {}
    assert found.is_speech
    clip = found.clip
    assert (clip.clip, clip.corpus, clip.member) == ("toy/AB_s1_ang", "toy", "x/AB_s1_ang.wav")
    assert (clip.speaker, clip.gender, clip.emotion) == ("toy/AB", "female", "angry")
    assert clip.sentence == "Dogs are sitting by the door."
    assert (clip.rate_hz, clip.channels, clip.seconds) == (16_000, 1, 1.0)
    # Uniform noise in [-a, a] has an RMS of a / sqrt(3).
    assert clip.rms_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(3)), abs=0.1)
    assert clip.peak_dbfs == pytest.approx(-6.02, abs=0.05)
    assert (clip.clipped_share, clip.voice_share, clip.repairs) == (0.0, 0.0, "")
    assert re.fullmatch("[0-9a-f]{64}", clip.sha256)


@pytest.mark.parametrize(
    ("payload", "reason", "detail"),
    [
        (b"", "empty", "no bytes"),
        (encoded(NOISE[:0]), "empty", "no samples"),
        (b"<html>not found</html>", "undecodable", "not a sound file"),
        (encoded(NOISE)[:30], "undecodable", "not a sound file"),
        (encoded(NOISE)[:-8000], "truncated", "ends 8000 bytes before"),
        (encoded(NOISE, container="AIFF")[:-8000], "truncated", "ends 8000 bytes before"),
        (encoded(np.array([0.1, np.nan, np.inf, 0.2]), subtype="FLOAT"), "not_finite", "2 samples are NaN"),
        (encoded(np.zeros(700), rate_hz=1), "undecodable", "a sample rate of 1 Hz"),
        (encoded(np.zeros(60 * 2_000 * 11, np.int16), rate_hz=2_000), "too_long", "longer than 600 s"),
    ],
    ids=["no bytes", "no samples", "html", "header cut", "wav cut", "aiff cut", "nan", "rate", "long"],
)
def test_a_fault_is_found_while_reading(inspect: Inspect, payload: bytes, reason: str, detail: str) -> None:
    found = inspect(payload)
    assert list(found.faults) == [reason]
    assert detail in found.faults[reason]
    assert found.clip.emotion == "angry"  # the name is read nevertheless


def test_a_flac_cut_short_is_no_good_recording(inspect: Inspect) -> None:
    whole = encoded(NOISE, container="FLAC")
    assert set(inspect(whole[: len(whole) // 2], "AB_s1_ang.flac").faults) <= {"truncated", "undecodable"}
    assert inspect(whole[: len(whole) // 2], "AB_s1_ang.flac").faults
    assert not inspect(whole, "AB_s1_ang.flac").faults


def test_an_mp3_cut_short_has_fewer_frames_than_its_header_says(inspect: Inspect) -> None:
    whole = encoded(NOISE, container="MP3", subtype="MPEG_LAYER_III")
    assert not inspect(whole, "AB_s1_ang.mp3").faults
    found = inspect(whole[: len(whole) // 2], "AB_s1_ang.mp3")
    assert re.search(r"\d+ frames read, \d+ announced$", found.faults["truncated"])


def test_a_member_of_absurd_size_is_not_unpacked(inspect: Inspect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_BYTES", 1000)
    monkeypatch.setattr(Archive, "read", lambda *_: pytest.fail("unpacked"))
    assert "above 1000 none is decoded" in inspect(encoded(NOISE)).faults["too_long"]


def test_a_length_that_nobody_filled_in_is_no_fault(inspect: Inspect) -> None:
    flac = bytearray(encoded(NOISE, container="FLAC"))
    # STREAMINFO's 36 bits of total samples end at byte 26.
    flac[21] |= 0x0F
    flac[22:26] = b"\xff" * 4
    wav = bytearray(encoded(NOISE))
    wav[40:44] = struct.pack("<I", 0x7FFFF000)
    for payload, member in ((flac, "AB_s1_ang.flac"), (wav, "AB_s1_ang.wav")):
        found = inspect(bytes(payload), member)
        assert (found.faults, found.clip.seconds) == ({}, 1.0)


def test_more_samples_than_a_clip_has_are_not_kept(inspect: Inspect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_SAMPLES", 20_000)
    assert inspect(encoded(NOISE)).faults == {}
    stereo = inspect(encoded(np.stack([NOISE, NOISE], axis=1)))
    assert "2 channels of more than 20000 samples" in stereo.faults["too_long"]


def test_two_recordings_in_one_file_are_one_clip(inspect: Inspect) -> None:
    joined = encoded(NOISE, container="FLAC") + encoded(NOISE[:8000], container="FLAC", rate_hz=8_000)
    found = inspect(joined, "AB_s1_ang.flac")
    assert (found.faults, found.clip.seconds) == ({}, 2.0)


def test_damage_in_the_archive_is_a_fault_of_that_clip(tmp_path: Path) -> None:
    path = tmp_path / "toy.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("AB_s1_ang.wav", encoded(NOISE))
    damaged = bytearray(path.read_bytes())
    damaged[5000] ^= 0xFF
    path.write_bytes(damaged)
    found = inspect_recording(CORPUS, "AB_s1_ang.wav", Archive(path), GATE)
    assert "cannot be unpacked: Bad CRC-32" in found.faults["undecodable"]


def test_an_unknown_name_is_a_fault_and_the_sound_is_measured(inspect: Inspect) -> None:
    found = inspect(encoded(NOISE), "some/where/song.wav")
    assert list(found.faults) == ["unknown_name"]
    assert (found.clip.clip, found.clip.speaker, found.clip.emotion) == ("toy/some_where_song", "", "")
    assert found.clip.seconds == 1.0


@pytest.mark.parametrize(
    ("payload", "member", "repairs"),
    [
        (encoded(NOISE.reshape(-1, 2)), "AB_s1_ang.wav", "stereo"),
        (encoded(NOISE, container="AIFF"), "AB_s1_ang.wav", "aiff_container"),
        (encoded(NOISE, container="AIFF"), "AB_s1_ang.aif", ""),
        (encoded(NOISE, rate_hz=48_000), "AB_s1_ang.wav", "odd_sample_rate"),
        (encoded(NOISE), "BA_s1_ang.wav", "speaker_code"),
        (
            encoded(NOISE.reshape(-1, 2), container="AIFF", rate_hz=8_000),
            "BA_s1_ang.wav",
            "stereo;aiff_container;odd_sample_rate;speaker_code",
        ),
    ],
)
def test_what_is_mended_is_on_record(inspect: Inspect, payload: bytes, member: str, repairs: str) -> None:
    found = inspect(payload, member)
    assert found.clip.repairs == repairs
    assert found.faults == {}


def test_the_digest_is_of_the_sound_and_not_of_the_file(inspect: Inspect) -> None:
    pcm = np.round(NOISE * 32767).astype(np.int16)
    plain = inspect(encoded(pcm)).clip.sha256
    with_comment = encoded(pcm) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert inspect(with_comment).clip.sha256 == plain
    assert inspect(encoded(pcm, container="FLAC"), "AB_s1_ang.flac").clip.sha256 == plain
    assert inspect(encoded(pcm, rate_hz=8_000)).clip.sha256 != plain
    assert inspect(encoded(pcm.reshape(-1, 2))).clip.sha256 != plain
    pcm[7] += 1
    assert inspect(encoded(pcm)).clip.sha256 != plain


def test_clipping_of_one_channel_is_seen_though_the_mix_is_not_clipped(inspect: Inspect) -> None:
    stereo = np.stack([np.ones(1000), np.zeros(1000)], axis=1)
    clip = inspect(encoded(stereo)).clip
    assert clip.clipped_share == 0.5
    assert clip.peak_dbfs == pytest.approx(-6.02, abs=0.01)


def test_of_channels_of_opposite_polarity_one_is_heard(inspect: Inspect) -> None:
    found = inspect(encoded(np.stack([NOISE, -NOISE], axis=1), subtype="FLOAT"))
    assert found.clip.rms_dbfs == pytest.approx(inspect(encoded(NOISE, subtype="FLOAT")).clip.rms_dbfs, abs=0.01)
    assert found.clip.repairs == "stereo;opposite_polarity"


@pytest.mark.slow
@pytest.mark.parametrize("container", ["WAV", "AIFF", "FLAC", "OGG", "MP3"])
def test_no_damage_raises(inspect: Inspect, container: str) -> None:
    """Bytes are flipped and cut at random: every file still gets an inspection."""
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    whole = encoded(NOISE[:4000], container=container, subtype=subtype)
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(whole, np.uint8).copy()
        within = 64 if random.random() < 0.7 else len(damaged)
        damaged[random.integers(min(within, len(damaged)), size=4)] = random.integers(256, size=4)
        inspect(damaged[: random.integers(1, len(damaged) + 1)].tobytes())
