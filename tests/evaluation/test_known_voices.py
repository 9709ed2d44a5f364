"""Figures for known voices: each clip is judged with other clips of its voice, and all is fitted on validation."""

import numpy as np
import pandas as pd
import pytest

from deepemo import mapped
from deepemo.emotions import EMOTIONS
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.known_voices import judge_known_voices, known_voice_figures, least_harmless
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.references import components_of, voice_part

# Of a run of one corpus, where none could be left out.
GIVEN = {
    "heard": (),
    "cross_corpus": {"asked": 0, "known_voices": {}},
    "wanted_accuracy": 0.8,
    "samples": 100,
    "seed": 1,
}


class Difference:
    """A network that learns nothing from a clip alone, and everything from how it differs from its voice.

    Components are the emotion's unit vector plus an offset of the voice.
    """

    def components(self, inputs: np.ndarray) -> np.ndarray:
        return inputs

    components_of_clips = components

    def relative_logits(self, components: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        return 20.0 * (components - offsets)

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        return 20.0 * inputs

    logits_of_clips = logits

    def graph(self, inputs: np.ndarray) -> np.ndarray:
        return inputs

    name, about, front_end = "speech", {}, None


def made(role: str, speakers: int) -> pd.DataFrame:
    rows = [
        {"clip": f"{role}/{speaker}/{emotion}/{take}", "corpus": "made", "speaker": f"{role}{speaker}",
         "gender": "female", "emotion": emotion, "role": role}
        for speaker in range(speakers) for emotion in EMOTIONS for take in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def clips() -> pd.DataFrame:
    return pd.concat([made("validation", 3), made("test_seen", 2), made("test_unseen", 4)], ignore_index=True)


@pytest.fixture
def components(clips: pd.DataFrame) -> np.ndarray:
    """Each voice leans towards one emotion, by more than the effect of any emotion."""
    truth = np.eye(7)[[EMOTIONS.index(emotion) for emotion in clips["emotion"]]]
    leaning = np.eye(7)[[sum(map(ord, speaker)) % 7 for speaker in clips["speaker"]]]
    return (truth + 1.6 * leaning).astype(np.float32)


def predictions(clips: pd.DataFrame, components: np.ndarray) -> Predictions:
    alone = softmax(20.0 * components.astype(np.float64))
    unsure = np.full_like(alone, 1 / 7)
    made = Predictions(clips, {"shallow": unsure, "speech": alone}, EMOTIONS)
    return made.with_ensemble({"shallow": 0.5, "speech": 0.5})


def test_the_reference_takes_off_what_the_voice_adds(clips: pd.DataFrame, components: np.ndarray) -> None:
    known = judge_known_voices(predictions(clips, components), "speech", Difference(), components, **GIVEN)
    sizes = known.roles["unseen_speakers"]
    assert set(known.roles) == {"unseen_speakers"}, "voices of training are no voices to be known"
    assert sizes["0"].uar.value == pytest.approx(1 / 7)
    assert sizes["all"].uar.value == 1.0
    assert sizes["0"].uar.value < sizes["3"].uar.value < sizes["10"].uar.value <= 1.0
    assert known.weights["speech"] > 0.9
    assert known.least_recordings == 3
    assert known.confidence.fitted_on["clips"] == 63
    figures = known_voice_figures(known)["known_voices"]["unseen_speakers"]
    assert figures["all"] == {"accuracy": 1.0, "uar": 1.0, "clips": 84}
    assert "left_out_corpora" not in known_voice_figures(known)["known_voices"]


def test_blocks_change_no_figure(clips: pd.DataFrame, components: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = judge_known_voices(predictions(clips, components), "speech", Difference(), components, **GIVEN)
    monkeypatch.setattr(mapped, "BLOCK", 10)
    assert len(list(mapped.blocks(63))) == 7
    in_blocks = judge_known_voices(predictions(clips, components), "speech", Difference(), components, **GIVEN)
    assert known_voice_figures(in_blocks) == known_voice_figures(at_once)
    assert (in_blocks.weights, in_blocks.confidence) == (at_once.weights, at_once.confidence)
    assert in_blocks.least_deviation == at_once.least_deviation


def test_corpora_that_were_left_out_stand_beside_voices_never_heard(
    clips: pd.DataFrame, components: np.ndarray
) -> None:
    def mean(uar: float) -> dict[str, float]:
        return {"accuracy": 0.5, "uar": uar, "clips": 9, "corpora": 2, "lowest_uar": 0.1}

    left_out = {"asked": 1, "mean": {"ensemble": mean(0.4)}, "known_voices": {"3": mean(0.45), "all": mean(0.6)}}
    given = {**GIVEN, "cross_corpus": left_out}
    known = judge_known_voices(predictions(clips, components), "speech", Difference(), components, **given)
    figures = known_voice_figures(known)["known_voices"]["left_out_corpora"]
    assert {size: found["uar"] for size, found in figures.items()} == {"0": 0.4, "3": 0.45, "all": 0.6}
    assert figures["3"] == {"accuracy": 0.5, "uar": 0.45, "clips": 9, "corpora": 2}


def test_references_that_do_harm_on_validation_are_not_used(clips: pd.DataFrame) -> None:
    class Misled(Difference):
        def relative_logits(self, components: np.ndarray, offsets: np.ndarray) -> np.ndarray:
            return -super().relative_logits(components, offsets)

    sure = np.eye(7, dtype=np.float32)[[EMOTIONS.index(emotion) for emotion in clips["emotion"]]]
    known = judge_known_voices(predictions(clips, sure), "speech", Misled(), sure, **GIVEN)
    assert known.least_recordings is None


@pytest.mark.parametrize(
    ("uars", "least"),
    [
        ({3: 0.8, 5: 0.8, 10: 0.9}, 3),
        ({3: 0.9, 5: 0.7, 10: 0.8}, 10),
        ({3: 0.7, 5: 0.75, 10: 0.75}, 5),
        ({3: 0.9, 5: 0.9, 10: 0.7}, None),
    ],
)
def test_from_the_least_number_on_no_reference_is_worse_than_none(uars: dict[int, float], least: int | None) -> None:
    assert least_harmless(uars, alone=0.75) == least


def test_labels_of_the_tests_change_no_answer(clips: pd.DataFrame, components: np.ndarray) -> None:
    turned = clips.copy()
    test = turned["role"] == "test_unseen"
    turned.loc[test, "emotion"] = turned.loc[test, "emotion"].map(
        dict(zip(EMOTIONS, EMOTIONS[1:] + EMOTIONS[:1], strict=True))
    )
    one, other = (
        judge_known_voices(predictions(table, components), "speech", Difference(), components, **GIVEN)
        for table in (clips, turned)
    )
    assert one.weights == other.weights
    assert one.confidence == other.confidence
    counts = [found.roles["unseen_speakers"]["10"].counts.sum(axis=0) for found in (one, other)]
    np.testing.assert_array_equal(*counts)


def test_components_come_in_the_order_of_the_clips() -> None:
    batches = [(["b", "d"], np.array([[2.0], [4.0]], np.float32)), (["a"], np.array([[1.0]], np.float32))]
    found = components_of(Difference(), batches, ["a", "b", "d"])
    np.testing.assert_array_equal(found, [[1], [2], [4]])


def test_without_a_network_that_takes_references_there_is_nothing() -> None:
    assert voice_part({"shallow": object()}) is None
    assert known_voice_figures(None) == {}
