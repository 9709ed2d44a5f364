"""The same clips in every condition, perturbed only by their ids, and figures that are paired clip by clip."""

import io
import pickle
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from deepemo.audio.samples import rms
from deepemo.charts.robustness import draw_conditions
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.conditions import BABBLE_VOICES, CLEAN, CleanClip, conditions, explain
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.robustness import figures, judge, predict_conditions, sample_clips
from deepemo.params import Robustness
from deepemo.reporting.robustness import write_report

RATE_HZ = 16_000
SECTION = Robustness(clips=8, mp3_kbps=16, opus_kbps=8, bootstrap_samples=200, workers=2)
NAMES = (
    ["clean", "telephone", "mp3_16_kbps", "opus_8_kbps", "far_microphone"]
    + [f"{kind}_{snr}_db" for kind in ("noise", "babble") for snr in (20, 10, 0)]
    + ["quieter_20_db", "clipped", "faster", "slower"]
)


def heard(speech: np.ndarray, seed: int = 1) -> CleanClip:
    return CleanClip(speech, RATE_HZ, np.random.default_rng(seed), [speech[::-1], speech[8000:]])


def test_every_condition_has_a_name_and_an_explanation() -> None:
    assert list(conditions(SECTION)) == list(explain(SECTION)) == NAMES
    assert "mp3_32_kbps" in conditions(SECTION.model_copy(update={"mp3_kbps": 32}))


@pytest.mark.parametrize("name", NAMES)
def test_a_condition_does_to_speech_what_it_says(speech: np.ndarray, name: str) -> None:
    found = conditions(SECTION)[name](heard(speech))
    assert found.dtype == np.float32
    if name == CLEAN:
        assert found is speech
        return
    length = {"faster": 1 / 1.1, "slower": 1 / 0.9}.get(name, 1.0) * len(speech)
    assert abs(len(found) - length) <= 1
    if name.startswith(("noise", "babble")):
        wanted_db = float(name.split("_")[1])
        # The clip has almost no quiet ends.
        assert 20 * np.log10(rms(speech) / rms(found - speech)) == pytest.approx(wanted_db, abs=0.3)
    elif name == "quieter_20_db":
        assert rms(found) == pytest.approx(rms(speech) / 10, rel=1e-3)
    elif len(found) == len(speech):
        assert 0.2 < rms(found - speech) / rms(speech) < 2.5 or name.startswith(("mp3", "clipped"))
        assert np.abs(found - speech).max() > 1e-3


@pytest.mark.parametrize("name", ["far_microphone", "noise_10_db", "babble_10_db"])
def test_what_is_drawn_follows_the_seed(speech: np.ndarray, name: str) -> None:
    condition = conditions(SECTION)[name]
    first, again, other = (condition(heard(speech, seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_clips_of_speakers_never_heard_are_drawn_by_their_ids(made_split: pd.DataFrame) -> None:
    drawn = sample_clips(made_split, 20, seed=1)
    assert set(drawn["role"]) == {"test_unseen"}
    assert len(drawn) == 20
    reordered = sample_clips(made_split.sample(frac=1, random_state=3), 20, seed=1)
    assert set(drawn["clip"]) == set(reordered["clip"]) != set(sample_clips(made_split, 20, seed=2)["clip"])
    # The clips of a smaller sample are in the larger one.
    assert set(sample_clips(made_split, 10, seed=1)["clip"]) < set(drawn["clip"])
    assert len(sample_clips(made_split, 10_000, seed=1)) == (made_split["role"] == "test_unseen").sum()


def test_without_new_speakers_others_are_tried_or_nothing(made_split: pd.DataFrame) -> None:
    heard_alone = made_split[made_split["role"] != "test_unseen"]
    assert set(sample_clips(heard_alone, 5, seed=1)["role"]) == {"test_seen"}
    elsewhere = pd.concat([heard_alone, made_split.head(3).assign(role="test_corpus")])
    assert set(sample_clips(elsewhere, 5, seed=1)["role"]) == {"test_corpus"}
    with pytest.raises(InputError, match="no test clips among"):
        sample_clips(made_split[made_split["role"] == "train"], 5, seed=1)


class LevelFrontEnd:
    """A front end that gives the loudness of a clip and its highest frequencies."""

    sample_rate_hz = RATE_HZ
    clip_seconds = 3.5

    def __call__(self, samples: np.ndarray, rate_hz: int) -> np.ndarray:
        assert rate_hz == RATE_HZ
        return np.float32([rms(samples), np.abs(np.fft.rfft(samples, 2**16))[20_000:].mean() / 10, len(samples) / 1e5])


class LevelModel:
    def __init__(self, front_end: LevelFrontEnd) -> None:
        self.front_end = front_end
        self.batches: list[np.ndarray] = []

    def logits_of_clips(self, inputs: np.ndarray) -> np.ndarray:
        self.batches.append(inputs)
        return inputs @ np.random.default_rng(1).normal(size=(3, len(EMOTIONS))).astype(np.float32)


@pytest.fixture
def run(tmp_path: Path, speech: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    """The split table, the clip table, and the folder of twelve clips of four speakers."""
    rows = []
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        for number in range(12):
            file = io.BytesIO()
            soundfile.write(file, speech[number * 500 :], RATE_HZ, format="WAV")
            archive.writestr(f"{number}.wav", file.getvalue())
            row = {"clip": f"made/{number}", "corpus": "made", "language": "en", "member": f"{number}.wav"}
            rows.append(row | {"speaker": f"made/{number % 4}", "gender": "male", "emotion": EMOTIONS[number % 7]})
    clips = pd.DataFrame(rows)
    return clips.assign(role=["test_unseen"] * 8 + ["train"] * 4), clips, tmp_path


@pytest.mark.slow
def test_inputs_depend_on_neither_order_nor_workers(
    run: tuple[pd.DataFrame, pd.DataFrame, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    split, clips, folder = run
    drawn = sample_clips(split, 8, seed=1)

    def probabilities(drawn: pd.DataFrame, workers: int) -> dict[str, np.ndarray]:
        front_end = LevelFrontEnd()
        models = {"one": LevelModel(front_end), "two": LevelModel(front_end)}
        section = SECTION.model_copy(update={"workers": workers})
        found = predict_conditions(
            section, models=models, drawn=drawn, clips=clips, raw_dir=folder, emotions=EMOTIONS, seed=1
        )
        assert list(found) == NAMES
        assert {batch.shape for batch in models["one"].batches} == {(len(NAMES), 3)}
        assert found[CLEAN].clips["clip"].tolist() == drawn["clip"].tolist()
        return {name: each.probabilities["one"] for name, each in found.items()}

    def by_another_machine(work: Any, items: Iterable[Any], *, carry: Any, **options: Any) -> Iterator[Any]:
        assert options["name"] == "robustness"
        packed = [pickle.dumps((work, carry(item))) for item in items]
        (folder / "made.zip").rename(folder / "away.zip")
        for each in packed:
            sent, item = pickle.loads(each)
            yield sent(item)

    first, alone = probabilities(drawn, 2), probabilities(drawn, 1)
    backwards = probabilities(drawn[::-1], 2)
    monkeypatch.setattr("deepemo.evaluation.robustness.map_clips", by_another_machine)
    elsewhere = probabilities(drawn, 1)
    for name in NAMES:
        assert first[name].tobytes() == alone[name].tobytes() == elsewhere[name].tobytes()
        np.testing.assert_array_equal(backwards[name][::-1], first[name])
        assert name == CLEAN or not np.array_equal(first[name], first[CLEAN])


def test_the_voices_of_a_babble_are_of_other_speakers_and_other_clips(
    run: tuple[pd.DataFrame, pd.DataFrame, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    split, clips, folder = run
    drawn = sample_clips(split, 8, seed=1)
    found: list[tuple[int, list[int]]] = []

    def spy(heard: CleanClip) -> np.ndarray:
        found.append((len(heard.samples), [len(voice) for voice in heard.voices]))
        return heard.samples

    monkeypatch.setattr("deepemo.evaluation.robustness.conditions", lambda _: {CLEAN: spy})
    models = {"one": LevelModel(LevelFrontEnd())}
    predict_conditions(SECTION, models=models, drawn=drawn, clips=clips, raw_dir=folder, emotions=EMOTIONS, seed=1)
    longest = max(length for length, _ in found)  # of clip 0
    for length, voices in found:
        numbers = [(longest - voice) // 500 for voice in voices]
        assert set(numbers) <= {8, 9, 10, 11}
        assert len(numbers) == min(BABBLE_VOICES, 3)
        assert (longest - length) // 500 % 4 not in {number % 4 for number in numbers}


@pytest.fixture(scope="module")
def predicted(made_split: pd.DataFrame) -> dict[str, Predictions]:
    """Two networks: one right on all clips, the other on none. By telephone, the first is wrong on half of them."""
    clips = made_split[made_split["role"] == "test_unseen"].reset_index(drop=True)
    truth = np.eye(7)[[EMOTIONS.index(emotion) for emotion in clips["emotion"]]]
    right, wrong = 0.9 * truth + 0.1 / 7, 0.9 * np.roll(truth, 1, axis=1) + 0.1 / 7
    half = np.where(np.arange(len(clips))[:, None] % 2 == 0, right, wrong)
    return {
        CLEAN: Predictions(clips, {"good": right, "bad": wrong}, EMOTIONS),
        "telephone": Predictions(clips, {"good": half, "bad": wrong}, EMOTIONS),
    }


PREDICTORS = {"good": {"good": 1.0}, "bad": {"bad": 1.0}, "ensemble": {"good": 0.75, "bad": 0.25}}


def test_figures_are_those_of_the_answers(predicted: dict[str, Predictions]) -> None:
    report = judge(predicted, PREDICTORS, samples=200, seed=1)
    content = figures(report)
    clips = predicted[CLEAN].clips
    assert (content["clips_of"], content["clips"]) == ("unseen_speakers", len(clips))
    assert content["speakers"] == clips["speaker"].nunique()
    for predictor in ("good", "ensemble"):
        assert content[predictor]["clean"]["uar"] == 1.0
        assert content[predictor]["telephone"]["accuracy"] == pytest.approx(0.5, abs=0.01)
        found = content[predictor]["telephone"]
        assert found["uar_change"] == pytest.approx(found["uar"] - 1.0, abs=1e-3)
        assert found["uar_change_low"] <= found["uar_change"] <= found["uar_change_high"] < 0
        assert content["worst"][predictor] == {"condition": "telephone", "uar_change": found["uar_change"]}
    assert content["bad"]["telephone"]["accuracy"] == content["bad"]["clean"]["accuracy"] == 0.0
    assert content["bad"]["telephone"]["uar_change"] == 0.0


def test_the_picture_and_the_report_say_what_was_measured(predicted: dict[str, Predictions]) -> None:
    report = judge(predicted, PREDICTORS, samples=200, seed=1)
    figure = draw_conditions(report)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(PREDICTORS)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["clean", "telephone"]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["100 %", "0 %", "100 %", "50 %  (-50)", "0 %  (+0)", "50 %  (-50)"]
    text = write_report(report, {"clean": "as recorded", "telephone": "by wire"}, default="good", picture="p.png")
    assert "`good`, which answers by default, loses most in *telephone*:\n50.0 points of UAR." in text
    assert "| clean | 100.0 % | 100.0 % | - | 0.0 %, 0.0 % | 100.0 %, 100.0 % |" in text
    assert "- telephone: by wire" in text
    assert "speakers that were not in training" in text


def test_a_run_without_new_speakers_is_told_so(predicted: dict[str, Predictions]) -> None:
    known = {
        name: Predictions(each.clips.assign(role="test_seen"), each.probabilities, EMOTIONS)
        for name, each in predicted.items()
    }
    report = judge(known, PREDICTORS, samples=200, seed=1)
    assert (report.role, report.resampled_by) == ("seen_speakers", "clip")
    text = write_report(report, {}, default="good", picture="p.png")
    assert "speakers that **were** in training" in text
    assert "heard in training" in draw_conditions(report).get_supxlabel()
