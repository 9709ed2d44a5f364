"""The stage on a few made-up clips."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.dataset.clips import Clip, write_clips
from deepemo.dataset.shards import read_batches, read_feature_spec
from deepemo.emotions import EMOTIONS
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.featurize import main

ROOT = Path(__file__).parents[2]
RATE_HZ = 16000
SECONDS = 0.5


@pytest.fixture
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    small = {
        "sample_rate_hz": RATE_HZ,
        "clip_seconds": SECONDS,
        "max_hz": RATE_HZ / 2,
        "mel_bands": 16,
        "clips_per_shard": 300,
    }
    return params.model_copy(update={"featurize": params.featurize.model_copy(update=small)})


@pytest.fixture(autouse=True)
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outputs of `download` and `validate`: a clip of each emotion."""
    payload = io.BytesIO()
    times = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    soundfile.write(payload, 0.2 * np.sin(2 * np.pi * 200 * times), RATE_HZ, format="WAV")
    (tmp_path / "data/raw").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "data/raw/tones.zip", "w") as archive:
        for emotion in EMOTIONS:
            archive.writestr(f"{emotion}.wav", payload.getvalue())
    clips = [
        Clip(
            clip=f"tones/{emotion}", corpus="tones", member=f"{emotion}.wav", emotion=emotion,
            rate_hz=RATE_HZ, channels=1, seconds=SECONDS,
        )
        for emotion in EMOTIONS
    ]  # fmt: skip
    write_clips(tmp_path / "data/clips.csv", clips)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_writes_features_of_every_good_clip(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(params) == "featurize: 7 clips of 25 frames x 16 bands in 1 shards"
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in Path("data/features").iterdir()) == ["0000.tfrecord", "spec.json"]
    spec = read_feature_spec(Path("data/features"))
    assert (spec.mel_bands, spec.clip_seconds) == (16, SECONDS)
    ((names, values),) = read_batches(Path("data/features"), batch_size=7)
    assert sorted(names) == sorted(f"tones/{emotion}" for emotion in EMOTIONS)
    assert values.shape == (7, 25, 16)
    assert values.max(axis=(1, 2)).tolist() == [1.0] * 7
