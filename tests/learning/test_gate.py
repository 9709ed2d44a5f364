import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.stats import binomtest

from deepemo.audio.voice import VoiceGate, VoiceReport
from deepemo.dataset.clips import Clip, write_clips
from deepemo.learning.gate import MOST_OTHERS_ACCEPTED, Figures, measure, summarize, wilson_interval
from deepemo.learning.gate_trials import NonSpeech, Trial
from deepemo.params import load_params
from deepemo.yaml12 import read_yaml, write_yaml
from stages import gate as gate_stage

ROOT = Path(__file__).parents[2]

GATE = VoiceGate(threshold=0.5, min_share=0.1, min_seconds=0.2)


class LoudGate(VoiceGate):
    """Takes everything loud for a voice."""

    def __call__(self, samples: np.ndarray, rate_hz: int) -> VoiceReport:
        return self.judge(np.full(20, float(np.abs(samples).max()), dtype=np.float32))


LOUD_GATE = LoudGate(threshold=0.5, min_share=0.1, min_seconds=0.2)


def trials(loud: int, quiet: int, *, group: str = "g", condition: str = "c") -> Iterator[Trial]:
    for peak in [1.0] * loud + [0.1] * quiet:
        yield Trial(
            samples=np.full(512, peak, np.float32), rate_hz=16_000, labels={"condition": condition, "corpus": group}
        )


def joined(*parts: Iterator[Trial]) -> Iterator[Trial]:
    for part in parts:
        yield from part


@pytest.mark.parametrize(("is_speech", "wrong"), [(True, 3), (False, 7)])
def test_wrong_is_what_differs_from_the_truth(is_speech: bool, wrong: int) -> None:
    figures = measure(LOUD_GATE, trials(7, 3), is_speech=is_speech)
    assert (figures.total.wrong, figures.total.recordings) == (wrong, 10)


def test_figures_are_split_by_every_label() -> None:
    parts = joined(
        trials(8, 2, group="a", condition="x"),
        trials(5, 5, group="a", condition="y"),
        trials(0, 4, group="b", condition="y"),
    )
    content = measure(LOUD_GATE, parts, is_speech=True).to_dict("rejected")
    assert content["trials"] == 24
    assert content["rejected"] == round(11 / 24, 4)
    assert content["by_condition"] == {"x": 0.2, "y": round(9 / 14, 4)}
    assert content["by_corpus"] == {"a": 0.35, "b": 1.0}
    assert content["rejected_in_worst_condition"] == round(9 / 14, 4)
    assert content["rejected_in_worst_condition_ci95"] == [round(bound, 4) for bound in wilson_interval(9, 14)]


@pytest.mark.parametrize(("wrong", "total"), [(0, 50), (1, 70), (16, 1500), (7, 7)])
def test_the_interval_is_wilsons(wrong: int, total: int) -> None:
    expected = binomtest(wrong, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(wrong, total) == pytest.approx((expected.low, expected.high), abs=1e-4)


def speech(rejected_of_200: int, other_condition: int = 0) -> Figures:
    parts = joined(
        trials(200 - rejected_of_200, rejected_of_200, condition="x"),
        trials(200 - other_condition, other_condition, condition="y"),
    )
    return measure(LOUD_GATE, parts, is_speech=True)


def sounds(accepted_of_100: int) -> Figures:
    return measure(LOUD_GATE, trials(accepted_of_100, 100 - accepted_of_100), is_speech=False)


@pytest.mark.parametrize(
    ("figures", "goals_met"),
    [
        ((speech(2, 2), sounds(3), sounds(3)), (True, True, True)),
        ((speech(3, 1), sounds(3), sounds(3)), (True, False, True)),
        ((speech(3, 2), sounds(0), sounds(0)), (False, False, True)),
        ((speech(0), sounds(4), sounds(0)), (True, True, False)),
        ((speech(0), sounds(0), sounds(4)), (True, True, False)),
        ((speech(0), None, sounds(3)), (True, True, True)),
    ],
)
def test_goals_are_met_up_to_their_last_value(
    figures: tuple[Figures, Figures | None, Figures], goals_met: tuple[bool, bool, bool]
) -> None:
    content = summarize(GATE, *figures)
    assert tuple(content["goals_met"].values()) == goals_met
    assert (content["non_speech"] is None) == (figures[1] is None)


def test_the_summary_is_json_with_the_decision_in_it() -> None:
    content = json.loads(json.dumps(summarize(GATE, speech(1), sounds(1), sounds(2))))
    assert content["decision"] == {"threshold": 0.5, "min_share": 0.1, "min_seconds": 0.2}
    assert content["made_sounds"]["accepted"] == 0.02


@pytest.mark.slow
def test_the_stage_writes_the_same_figures_again(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    noise = io.BytesIO()
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000, format="WAV")
    with zipfile.ZipFile(tmp_path / "data" / "raw" / "tess.zip", "w") as archive:
        archive.writestr("OAF_back_sad.wav", noise.getvalue())
    clip = Clip(clip="tess/OAF_back_sad", corpus="tess", member="OAF_back_sad.wav", speaker="tess/OAF", emotion="sad")
    write_clips(tmp_path / "data" / "clips.csv", [clip])
    params = read_yaml(ROOT / "params.yaml")
    params["gate"]["made_sounds"] = 1
    (tmp_path / "params.yaml").write_text(write_yaml(params))
    contents = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "stages.gate"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        # The one clip is noise, and noise is no voice.
        assert done.stdout.startswith("gate: 100.0% of speech rejected, ")
        contents.append((tmp_path / "metrics" / "gate.json").read_bytes())
    assert contents[0] == contents[1]
    assert json.loads(contents[0])["non_speech"] is None


def test_the_stage_says_how_many_files_without_speech_it_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    noise = io.BytesIO()
    soundfile.write(noise, np.random.default_rng(0).uniform(-0.5, 0.5, 16_000), 16_000, format="WAV")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "data" / "raw" / "tess.zip", "w") as archive:
        archive.writestr("OAF_back_sad.wav", noise.getvalue())
    clip = Clip(clip="tess/OAF_back_sad", corpus="tess", member="OAF_back_sad.wav", speaker="tess/OAF", emotion="sad")
    write_clips(tmp_path / "data" / "clips.csv", [clip])
    (tmp_path / "quiet").mkdir()
    for number in range(16):
        (tmp_path / "quiet" / f"{number}.wav").write_bytes(noise.getvalue() if number % 2 else b"no sound")
    params = load_params(ROOT / "params.yaml")
    gate = params.gate.model_copy(update={"non_speech_dir": "quiet", "made_sounds": 1})
    said = gate_stage.main(params.model_copy(update={"gate": gate}))
    left_out = json.loads((tmp_path / "metrics" / "gate.json").read_text())["non_speech"]["left_out"]
    assert left_out > 0
    assert f"; {left_out} unreadable files left out, such as quiet/" in said


@pytest.mark.corpora
def test_of_real_sounds_without_speech_few_enough_are_accepted(corpora_dir: Path) -> None:
    gate = load_params(ROOT / "params.yaml").gate
    decision = VoiceGate(
        threshold=gate.voice_threshold, min_share=gate.min_voice_share, min_seconds=gate.min_voice_seconds
    )
    figures = measure(decision, NonSpeech(corpora_dir / "non_speech"), is_speech=False)
    assert figures.total.recordings == 70
    assert figures.total.share <= MOST_OTHERS_ACCEPTED
