"""The stage on one clip of noise: its outputs, and the same again in a second run."""

import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import stages.gate
from deepemo.dataset.clips import Clip, write_clips
from deepemo.errors import InputError
from deepemo.params import Params, VoiceDecision
from deepemo.pipeline import load_params
from stages.gate import main
from tests.fixtures.rote import RoteJudge, RoteVoiceModel

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


@pytest.fixture(autouse=True)
def judge(monkeypatch: pytest.MonkeyPatch) -> RoteJudge:
    """The trained network of the family `judge`."""
    judge = RoteJudge()
    judge.has_opinion = False
    family = SimpleNamespace(load=lambda folder: judge)
    monkeypatch.setattr(stages.gate, "load_family", lambda name: family)
    return judge


@pytest.mark.slow
def test_the_same_rates_are_written_again(run_folder: Path, params: Params) -> None:
    contents = []
    for _ in range(2):
        # The only clip is noise, which is not a voice.
        assert main(params, "judge").startswith("gate: 100.0% of speech rejected, ")
        contents.append((run_folder / "metrics" / "gate.json").read_bytes())
    assert contents[0] == contents[1]
    measured = json.loads(contents[0])
    assert measured["non_speech"] is None
    assert measured["second_opinion"] is None
    assert measured["speech"]["by_emotion"] == {"sad": 1.0}
    assert measured["decision"] == params.gate.model_dump(include=set(VoiceDecision.model_fields))


@pytest.mark.slow
def test_recordings_without_speech_are_measured_where_a_folder_is_named(run_folder: Path, params: Params) -> None:
    for source in range(8):
        path = run_folder / "sounds" / "rain" / f"1-{source}-A.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(source).uniform(-0.5, 0.5, RATE_HZ), RATE_HZ)
    gate = params.gate.model_copy(update={"non_speech_dir": str(run_folder / "sounds")})
    assert main(params.model_copy(update={"gate": gate}), "judge").endswith("0.0% of non-speech accepted")
    measured = json.loads((run_folder / "metrics" / "gate.json").read_text(encoding="utf-8"))
    assert measured["non_speech"]["by_class"] == {"rain": 0.0}


@pytest.mark.slow
def test_the_second_opinion_refuses_what_the_first_accepts(
    run_folder: Path, params: Params, judge: RoteJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first accepts everything here; the second refuses what is not loud."""
    gate = params.gate.model_copy(
        update={"voice_threshold": 0.0, "min_voice_share": 0.0, "min_voice_seconds": 0.0, "made_sounds": 1}
    )
    judge.has_opinion = True
    for source, peak in enumerate((0.1, 0.9)):
        path = run_folder / "sounds" / "rain" / f"1-{source}-A.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(source).uniform(-peak, peak, RATE_HZ), RATE_HZ)
    monkeypatch.setattr("deepemo.vad.trials.is_held_out", lambda name: True)
    gate = gate.model_copy(update={"non_speech_dir": str(run_folder / "sounds")})
    main(params.model_copy(update={"gate": gate}), "judge")
    measured = json.loads((run_folder / "metrics" / "gate.json").read_text(encoding="utf-8"))
    assert measured["second_opinion"] == "judge"
    speech = measured["speech"]
    assert speech["rejected_without_second_opinion"] == 0.0
    # The noise is at -10.8 dBFS as recorded, and so loud that its peak is 0.5; at -30 and -40 dBFS it is not.
    assert speech["by_condition"]["as_recorded"] == 0.0
    assert speech["by_condition"]["level_-40_dbfs"] == 1.0
    non_speech = measured["non_speech"]
    assert (non_speech["accepted"], non_speech["accepted_without_second_opinion"]) == (0.5, 1.0)
    assert measured["made_sounds"]["accepted"] < measured["made_sounds"]["accepted_without_second_opinion"] == 1.0


@pytest.mark.slow
def test_a_family_that_does_not_judge_is_refused(
    run_folder: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = SimpleNamespace(load=lambda folder: object.__new__(RoteVoiceModel))
    monkeypatch.setattr(stages.gate, "load_family", lambda name: family)
    with pytest.raises(InputError, match="judge: found a network that does not judge what is speech"):
        main(params, "judge")
