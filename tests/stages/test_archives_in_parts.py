"""The stages on a corpus in one zip and in many: the same clips, the same split, the same features."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.corpora.download.folders import Folder
from deepemo.corpora.download.packing import pack, take_stock
from deepemo.corpora.parts import all_parts
from deepemo.corpora.registry import CORPORA
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages import featurize, split, validate

ROOT = Path(__file__).parents[2]
RATE_HZ = 16_000
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
SPEAKERS = 12


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noises under names of CREMA-D: every emotion twice by each speaker, and one file that is damaged."""
    folder = tmp_path_factory.mktemp("source") / "crema_d"
    folder.mkdir()
    random = np.random.default_rng(1)
    for speaker in range(1001, 1001 + SPEAKERS):
        for emotion in EMOTIONS:
            for sentence in ("IEO", "TIE"):
                file = io.BytesIO()
                soundfile.write(file, random.uniform(-0.5, 0.5, RATE_HZ // 2), RATE_HZ, format="WAV", subtype="PCM_16")
                (folder / f"{speaker}_{sentence}_{emotion}_XX.wav").write_bytes(file.getvalue())
    (folder / "1001_ITS_ANG_XX.wav").write_bytes(b"RIFF")
    return folder


@pytest.fixture
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    emotions = tuple(emotion for emotion in params.emotions if emotion != "surprise")
    small = {"clip_seconds": 0.5, "mel_bands": 16, "workers": 2}
    return params.model_copy(update={"emotions": emotions, "featurize": params.featurize.model_copy(update=small)})


def run(source: Path, folder: Path, params: Params, monkeypatch: pytest.MonkeyPatch, *, part_bytes: int) -> int:
    """Pack the corpus and run the stages in a folder; the number of parts."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    archive = Path("data/raw/crema_d.zip")
    archive.parent.mkdir(parents=True)
    pack(take_stock(CORPORA["crema_d"], [Folder(source)]), archive, part_bytes=part_bytes)
    for stage in (validate, split, featurize):
        stage.main(params)
    return len(all_parts(archive))


@pytest.mark.slow
def test_parts_change_no_byte_of_what_is_made_of_the_recordings(
    source: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(source, tmp_path / "one", params, monkeypatch, part_bytes=1 << 30) == 1
    assert run(source, tmp_path / "many", params, monkeypatch, part_bytes=200_000) == 12
    made = {
        folder.name: {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and "raw" not in path.parts
        }
        for folder in (tmp_path / "one", tmp_path / "many")
    }
    assert made["one"] == made["many"]
    assert {"data/clips.csv", "data/split.csv", "data/features/spec.json"} <= set(made["one"])
    clips = read_clips(tmp_path / "many/data/clips.csv")
    assert (len(clips), len(good_clips(clips))) == (145, 144)
