"""The stage on one clip of noise: its outputs, and the same again in a second run."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo.dataset.clips import Clip, write_clips
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages.gate import main

RATE_HZ = 16_000


@pytest.fixture
def params() -> Params:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    return params.model_copy(update={"gate": params.gate.model_copy(update={"made_sounds": 1})})


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outputs of `download` and `validate`."""
    (tmp_path / "data" / "raw").mkdir(parents=True)
    noise = io.BytesIO()
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.5, 0.5, RATE_HZ), RATE_HZ, format="WAV")
    with zipfile.ZipFile(tmp_path / "data" / "raw" / "tess.zip", "w") as archive:
        archive.writestr("OAF_back_sad.wav", noise.getvalue())
    clip = Clip(clip="tess/OAF_back_sad", corpus="tess", member="OAF_back_sad.wav", speaker="tess/OAF", emotion="sad")
    write_clips(tmp_path / "data" / "clips.csv", [clip])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_same_rates_are_written_again(run_folder: Path, params: Params) -> None:
    contents = []
    for _ in range(2):
        # The only clip is noise, which is not a voice.
        assert main(params).startswith("gate: 100.0% of speech rejected, ")
        contents.append((run_folder / "metrics" / "gate.json").read_bytes())
    assert contents[0] == contents[1]
    measured = json.loads(contents[0])
    assert measured["non_speech"] is None
    assert measured["speech"]["by_emotion"] == {"sad": 1.0}
    assert measured["decision"] == {
        "threshold": params.gate.voice_threshold,
        "min_share": params.gate.min_voice_share,
        "min_seconds": params.gate.min_voice_seconds,
    }


@pytest.mark.slow
def test_recordings_without_speech_are_measured_where_a_folder_is_named(run_folder: Path, params: Params) -> None:
    for source in range(8):
        path = run_folder / "sounds" / "rain" / f"1-{source}-A.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(source).uniform(-0.5, 0.5, RATE_HZ), RATE_HZ)
    gate = params.gate.model_copy(update={"non_speech_dir": str(run_folder / "sounds")})
    assert main(params.model_copy(update={"gate": gate})).endswith("0.0% of non-speech accepted")
    measured = json.loads((run_folder / "metrics" / "gate.json").read_text(encoding="utf-8"))
    assert measured["non_speech"]["by_class"] == {"rain": 0.0}
