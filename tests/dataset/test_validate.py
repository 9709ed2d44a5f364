"""The whole validation of archives: small made-up ones, and the real recordings with all their oddities."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.corpora.archive import Archive
from deepemo.corpora.registry import CORPORA
from deepemo.dataset.clips import GOOD, read_clips, write_clips
from deepemo.dataset.validate import count_verdicts, find_archives, validate_recordings, write_quarantine
from deepemo.dataset.verdicts import REASONS, Verdict
from deepemo.errors import InputError
from deepemo.pipeline import load_params

ROOT = Path(__file__).parents[2]
LIMITS = load_params(ROOT / "params.yaml").validate_

# What the corpora's own files are known to hold: member, verdict's reason, repairs.
SILENT = {"crema_d/AudioWAV/1076_MTI_SAD_XX.wav"}
CONTRADICTING = {
    f"crema_d/AudioWAV/{name}_XX.wav"
    for name in ("1006_TIE_NEU", "1006_TIE_HAP", "1013_WSI_DIS", "1013_WSI_SAD", "1017_IWW_FEA", "1017_IWW_ANG")
}
PAIR = ["ravdess/Actor_07/03-01-03-01-02-01-07.wav", "ravdess/Actor_07/03-01-03-01-02-02-07.wav"]
AIFF = {"tess/YAF_fear/YAF_neat_fear.wav", "tess/YAF_angry/YAF_germ_angry.wav"}
ODD_RATE = {"tess/OAF_fear/OAF_food_fear.wav"}
MISTYPED = {"tess/OAF_neutral/OA_bite_neutral.wav"}
STEREO_FILES = 5
EVERY = 25


def wav(samples: np.ndarray, rate_hz: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


def noise(seed: int, frames: int = 16_000) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, frames)


def pack(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with 40 good clips of CREMA-D's naming and one of each of some faults."""
    members = {f"AudioWAV/{1001 + n}_IEO_SAD_LO.wav": wav(noise(n)) for n in range(40)}
    members |= {
        "AudioWAV/1050_IEO_SAD_LO.wav": b"RIFF",
        "AudioWAV/1051_IEO_SAD_LO.wav": wav(noise(51))[:-100],
        "AudioWAV/1052_IEO_SAD_LO.wav": wav(np.zeros(16_000)),
        "AudioWAV/1053_IEO_HAP_LO.wav": wav(noise(0)),
        "AudioWAV/1054_IEO_SAD_LO.wav": wav(noise(1)),
        "AudioWAV/1055_IEO_SAD_LO.wav": wav(noise(55, 4_000)),
        "AudioWAV/1056_IEO_SAD_LO.wav": wav(np.sign(noise(56))),
        "AudioWAV/readme.wav": wav(noise(57)),
        "README.md": b"no recording",
    }
    pack(tmp_path / "crema_d.zip", members)
    return tmp_path


EXPECTED = {
    "1001_IEO_SAD_LO": "contradicting_labels",
    "1050_IEO_SAD_LO": "undecodable",
    "1051_IEO_SAD_LO": "truncated",
    "1052_IEO_SAD_LO": "silent",
    "1053_IEO_HAP_LO": "contradicting_labels",
    "1054_IEO_SAD_LO": "duplicate_content",
    "1055_IEO_SAD_LO": "too_short",
    "1056_IEO_SAD_LO": "clipped",
    "AudioWAV_readme": "unknown_name",
}


def reasons(verdicts: list[Verdict]) -> dict[str, str]:
    return {v.clip.clip.split("/")[1]: v.clip.reason for v in verdicts if v.clip.verdict != GOOD}


def test_every_planted_fault_is_found_and_no_other(raw: Path) -> None:
    verdicts = validate_recordings(find_archives(raw), LIMITS)
    assert len(verdicts) == 48
    assert reasons(verdicts) == EXPECTED


@pytest.mark.slow
def test_processes_find_the_same_in_the_same_order(raw: Path) -> None:
    alone = validate_recordings(find_archives(raw), LIMITS, workers=1)
    assert validate_recordings(find_archives(raw), LIMITS, workers=2) == alone


def test_counts_name_every_reason_even_where_there_is_none(raw: Path) -> None:
    counts = count_verdicts(validate_recordings(find_archives(raw), LIMITS))
    assert list(counts["all"]["reasons"]) == list(REASONS)
    assert counts["all"] == counts["by_corpus"]["crema_d"]
    assert (counts["all"]["clips"], counts["all"]["good"], counts["all"]["quarantined"]) == (48, 39, 9)
    assert sum(counts["all"]["reasons"].values()) == 9
    assert counts["all"]["good_hours"] == round(39 / 3600, 3)
    assert counts["all"]["good_without_voice"] == 39


def test_the_quarantine_lists_each_rejected_clip_with_its_words(raw: Path, tmp_path: Path) -> None:
    write_quarantine(tmp_path / "quarantine.csv", validate_recordings(find_archives(raw), LIMITS))
    table = pd.read_csv(tmp_path / "quarantine.csv", keep_default_na=False)
    assert dict(zip(table["clip"].str.split("/").str[1], table["reason"], strict=True)) == EXPECTED
    assert (table["detail"] != "").all()
    silent = table[table["reason"] == "silent"].iloc[0]
    assert silent["detail"] == "-240 dBFS, below -75"
    assert silent["member"] == "AudioWAV/1052_IEO_SAD_LO.wav"


def test_no_archive_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no <corpus>\.zip in it; run the stage `download` first"):
        find_archives(tmp_path)


def test_an_archive_of_no_known_corpus_is_named(tmp_path: Path) -> None:
    pack(tmp_path / "mine.zip", {})
    with pytest.raises(InputError, match=r"mine\.zip: no corpus\.yaml in it.*none of the catalogue's .*'crema_d'"):
        find_archives(tmp_path)


def test_an_archive_without_recordings_is_named(tmp_path: Path) -> None:
    pack(tmp_path / "tess.zip", {"README.md": b""})
    with pytest.raises(InputError, match=r"tess\.zip: holds no recording"):
        validate_recordings(find_archives(tmp_path), LIMITS)


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "tess.zip").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"tess\.zip: expected a zip archive"):
        validate_recordings(find_archives(tmp_path), LIMITS)


@pytest.mark.slow
def test_the_stage_writes_the_same_bytes_again(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (raw / "crema_d.zip").rename(tmp_path / "data" / "raw" / "crema_d.zip")
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    outputs = ("data/clips.csv", "metrics/validate.json", "reports/quarantine.csv", "plots/validate/clips.png")
    contents = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "stages.validate"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "validate: 48 clips, 39 good, 9 quarantined\n"
        contents.append([(tmp_path / output).read_bytes() for output in outputs])
    assert contents[0] == contents[1]
    assert json.loads(contents[0][1])["all"]["good"] == 39


def test_odd_names_give_a_row_a_recording_and_all_are_good(tmp_path: Path) -> None:
    """Line ends, bytes that are not UTF-8, backslashes, one path twice, and other files of every kind."""
    named = ["a\rb", "a\nb", "tab\t", "\x85", "back\\slash", "plain", "-,;'\"", "été"]
    with zipfile.ZipFile(tmp_path / "crema_d.zip", "w") as archive:
        for number, folder in enumerate(named):
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = f"{folder}/{1001 + number}_IEO_SAD_LO.wav"
            archive.writestr(entry, wav(noise(number)))
        for name in ("12:30 notes.txt", "../readme.txt", "__MACOSX/._1001_IEO_SAD_LO.wav", "Thumbs.db", "desktop.ini"):
            archive.writestr(name, b"no recording")
    verdicts = validate_recordings(find_archives(tmp_path), LIMITS)
    write_clips(tmp_path / "clips.csv", [verdict.clip for verdict in verdicts])
    table = read_clips(tmp_path / "clips.csv")
    assert table["clip"].tolist() == [f"crema_d/{1001 + number}_IEO_SAD_LO" for number in range(len(named))]
    assert set(table["verdict"]) == {GOOD}
    members = table["member"].tolist()
    assert members[:2] == ["a%0Db/1001_IEO_SAD_LO.wav", "a%0Ab/1002_IEO_SAD_LO.wav"]
    assert Archive(tmp_path / "crema_d.zip").recordings() == sorted(members)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("second", "reason"), [(1, "duplicate_content"), (2, "repeated_name")])
def test_one_path_twice_is_two_rows(tmp_path: Path, second: int, reason: str) -> None:
    with zipfile.ZipFile(tmp_path / "crema_d.zip", "w") as archive:
        for content in (1, second):
            archive.writestr("AudioWAV/1001_IEO_SAD_LO.wav", wav(noise(content)))
    clips = [verdict.clip for verdict in validate_recordings(find_archives(tmp_path), LIMITS)]
    assert [(clip.clip, clip.member, clip.reason) for clip in clips] == [
        ("crema_d/1001_IEO_SAD_LO", "AudioWAV/1001_IEO_SAD_LO.wav", ""),
        ("crema_d/1001_IEO_SAD_LO~2", "~2/AudioWAV/1001_IEO_SAD_LO.wav", reason),
    ]


def test_the_sound_of_a_video_is_the_same_performance_as_the_sound_file(tmp_path: Path) -> None:
    names = ("01-01-05-01-01-01-01", "01-01-05-01-01-02-01", "03-01-05-01-01-01-01")
    pack(tmp_path / "ravdess.zip", {f"{name}.wav": wav(noise(seed, 48_000), 48_000) for seed, name in enumerate(names)})
    clips = [verdict.clip for verdict in validate_recordings(find_archives(tmp_path), LIMITS)]
    assert {clip.clip.split("/")[1]: clip.reason for clip in clips} == {
        "01-01-05-01-01-01-01": "same_performance",
        "01-01-05-01-01-02-01": "",
        "03-01-05-01-01-01-01": "",
    }
    assert len({clip.performance for clip in clips if clip.verdict == GOOD}) == 2


def test_pointers_are_quarantined_as_what_they_are(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n"
    pack(tmp_path / "crema_d.zip", {"1001_IEO_SAD_LO.wav": pointer.encode(), "1002_IEO_SAD_LO.wav": wav(noise(2))})
    verdicts = validate_recordings(find_archives(tmp_path), LIMITS)
    assert reasons(verdicts) == {"1001_IEO_SAD_LO": "undecodable"}
    assert "is a Git LFS pointer (to 98,254 bytes), no recording" in verdicts[0].faults["undecodable"]


@pytest.fixture(scope="module")
def real(corpora_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """Verdicts over every known oddity and every 25th other recording (all of them take a minute)."""
    raw = tmp_path_factory.mktemp("raw")
    named = SILENT | CONTRADICTING | set(PAIR) | AIFF | ODD_RATE | MISTYPED
    for corpus in ("crema_d", "ravdess", "savee", "tess"):
        folder = corpora_dir / corpus
        paths = sorted(folder.rglob("*.wav"))
        if not paths:
            pytest.fail(f"{folder}: no recordings")
        stereo = {path for path in paths if corpus == "ravdess" and soundfile.info(path).channels > 1}
        chosen = {path for path in paths if path in stereo or path.relative_to(corpora_dir).as_posix() in named} | set(
            paths[::EVERY]
        )
        pack(raw / f"{corpus}.zip", {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(chosen)})
    return validate_recordings([Archive(path) for path in sorted(raw.glob("*.zip"))], LIMITS)


def members(verdicts: list[Verdict], *, reason: str = "", repair: str = "") -> set[str]:
    return {
        f"{v.clip.corpus}/{v.clip.member}"
        for v in verdicts
        if (reason and v.clip.reason == reason) or (repair and repair in v.clip.repairs.split(";"))
    }


@pytest.mark.corpora
def test_every_known_fault_of_the_real_recordings_is_found_and_no_false_one(real: list[Verdict]) -> None:
    assert len(real) > 380
    assert members(real, reason="silent") == SILENT
    assert members(real, reason="contradicting_labels") == CONTRADICTING
    assert members(real, reason="duplicate_content") == {PAIR[1]}
    calm = members(real, reason="other_emotion")
    assert calm == {f"{v.clip.corpus}/{v.clip.member}" for v in real if v.clip.emotion == "calm"}
    assert all("/03-01-02-" in member for member in calm)
    rejected = {f"{v.clip.corpus}/{v.clip.member}" for v in real if v.clip.verdict != GOOD}
    assert rejected == SILENT | CONTRADICTING | {PAIR[1]} | calm


@pytest.mark.corpora
def test_every_known_oddity_of_the_real_recordings_is_mended_and_no_other(real: list[Verdict]) -> None:
    assert members(real, repair="aiff_container") == AIFF
    assert members(real, repair="odd_sample_rate") == ODD_RATE
    assert members(real, repair="speaker_code") == MISTYPED
    stereo = members(real, repair="stereo")
    assert len(stereo) == STEREO_FILES
    assert all(member.startswith("ravdess/") for member in stereo)
    assert sum(v.clip.repairs != "" for v in real) == len(AIFF | ODD_RATE | MISTYPED | stereo)


@pytest.mark.corpora
def test_real_recordings_have_their_corpus_rate_and_known_people(real: list[Verdict]) -> None:
    for verdict in real:
        clip = verdict.clip
        native = CORPORA[clip.corpus].native_rate_hz
        assert clip.rate_hz == native or "odd_sample_rate" in clip.repairs
        assert clip.gender in ("female", "male")
        assert 1.2 < clip.seconds < 7.2
