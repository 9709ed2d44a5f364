"""The stage on a small made-up corpus: its outputs, the same again in a second run, and its warnings."""

import io
import json
import re
import shutil
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.dataset.clips import Clip, write_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.eda import main

ROOT = Path(__file__).parents[2]
RATE_HZ = 16000
SECONDS = 0.8


@pytest.fixture(scope="module")
def params() -> Params:
    default = load_params(ROOT / "params.yaml")
    return default.model_copy(
        update={
            "eda": default.eda.model_copy(update={"measured_clips": 14, "resample_hz": [8000, 16000]}),
            "featurize": default.featurize.model_copy(update={"sample_rate_hz": 16000, "clip_seconds": 0.8}),
        }
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of `download` and `validate`: 28 clips of tones by two speakers."""
    folder = tmp_path_factory.mktemp("before")
    (folder / "data/raw").mkdir(parents=True)
    clips = []
    with zipfile.ZipFile(folder / "data/raw/tones.zip", "w") as archive:
        for number in range(28):
            emotion = EMOTIONS[number % len(EMOTIONS)]
            phase = 2 * np.pi * (100 + 5 * number) * np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
            sound = 0.2 * sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 8))
            payload = io.BytesIO()
            soundfile.write(payload, sound, RATE_HZ, format="WAV")
            archive.writestr(f"{number}.wav", payload.getvalue())
            clip = Clip(
                clip=f"tones/{number}", corpus="tones", member=f"{number}.wav", speaker=f"tones/{number // 14}",
                gender="female" if number < 14 else "male", emotion=emotion, sentence="tone",
                rate_hz=RATE_HZ, channels=1, seconds=SECONDS, rms_dbfs=-20.0,
            )  # fmt: skip
            clips.append(clip)
    write_clips(folder / "data/clips.csv", clips)
    return folder


@pytest.fixture
def run_folder(before: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that to run in."""
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def after(before: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder after the stage, with its messages in said.txt."""
    folder = tmp_path_factory.mktemp("after")
    shutil.copytree(before, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(io.StringIO()) as printed:
        patched.chdir(folder)
        returned = main(params)
    (folder / "said.txt").write_text(printed.getvalue() + returned)
    return folder


def written(folder: Path) -> dict[str, bytes]:
    names = ("plots", "metrics", "reports")
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for name in names
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_everything_is_written_and_the_same_again(
    after: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = (after / "said.txt").read_text()
    assert said.endswith("eda: 16000 Hz and 0.8 s hold 80% of every class")
    assert "warning" not in said
    first = written(after)
    pictures = [name for name in first if name.endswith(".png")]
    assert len(pictures) == 18
    assert pictures == sorted(pictures)
    assert all(re.fullmatch(r"plots/eda/\d\d_[a-z_]+\.png", name) for name in pictures)
    assert set(first) == {*pictures, "metrics/eda.json", "reports/eda.html"}
    figures = json.loads(first["metrics/eda.json"])
    assert figures["recommended"]["sample_rate_hz"] == RATE_HZ
    assert figures["measured_clips"] == 14
    assert first["reports/eda.html"].count(b"<img ") == 18
    shutil.copytree(after, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    main(params)
    assert written(tmp_path) == first


@pytest.mark.slow
def test_featurize_changes_the_warning_alone(
    after: Path, run_folder: Path, params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    far = params.featurize.model_copy(update={"sample_rate_hz": 48000, "clip_seconds": 3.0})
    main(params.model_copy(update={"featurize": far}))
    told = capsys.readouterr().out
    assert "warning: featurize.sample_rate_hz 48000: only 0% of the clips reach it" in told
    assert "16000 Hz is recommended for 80% of every class" in told
    assert "warning: featurize.clip_seconds 3: most of a clip will be padding; 0.8 s is recommended" in told
    assert written(run_folder) == written(after)


def test_a_missing_archive_is_named(run_folder: Path, params: Params) -> None:
    (run_folder / "data/raw/tones.zip").unlink()
    with pytest.raises(FileNotFoundError, match=r"tones\.zip"):
        main(params)


def test_a_missing_member_is_named(run_folder: Path, params: Params) -> None:
    with zipfile.ZipFile(run_folder / "data/raw/tones.zip", "w") as archive:
        archive.writestr("other.wav", b"")
    with pytest.raises(InputError, match=r"tones\.zip: holds no member"):
        main(params)


def test_a_table_without_good_clips_is_an_error_that_says_so(run_folder: Path, params: Params) -> None:
    write_clips(run_folder / "data/clips.csv", [])
    with pytest.raises(InputError, match="no good clip"):
        main(params)
