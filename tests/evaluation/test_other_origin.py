"""Confidence in recordings of other origin, on clips whose confidence and truth are known."""

import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.split import fingerprint_clips
from deepemo.emotions import EMOTIONS
from deepemo.evaluation.calibration import fit_temperature, scale
from deepemo.evaluation.confidence import Confidence, Operating
from deepemo.evaluation.cross_corpus import LeftOut, joined
from deepemo.evaluation.other_origin import LEAST_COVERAGE, corpus_weights, fit_other_origin
from deepemo.evaluation.predictions import Predictions


def _confidence(wanted: float, *, temperature: float = 1.0, threshold: float = 0.0) -> Confidence:
    return Confidence(
        temperature=temperature,
        threshold=threshold,
        wanted_accuracy=wanted,
        validation=Operating(coverage=1.0, accuracy=1.0),
        fitted_on=fingerprint_clips([]),
    )


def _about(coverage: float, accuracy: float) -> object:
    """What a threshold gives, within rounding."""
    return pytest.approx({"coverage": coverage, "accuracy": accuracy})


def _predictions(corpora: dict[str, list[tuple[float, int, int]]]) -> Predictions:
    """Predictions by corpus: for each confidence, this many right and wrong answers. The model always says angry."""
    rows, values = [], []
    for corpus, groups in corpora.items():
        for confidence, right, wrong in groups:
            for number in range(right + wrong):
                emotion = EMOTIONS[0] if number < right else EMOTIONS[1]
                clip = f"{corpus}/{confidence}_{number}"
                rows.append((clip, corpus, f"{corpus}/a", "male", emotion, "test_corpus"))
                values.append([confidence, *[(1 - confidence) / 6] * 6])
    clips = pd.DataFrame(rows, columns=["clip", "corpus", "speaker", "gender", "emotion", "role"])
    return Predictions(clips, {"model": np.array(values)}, EMOTIONS)


def test_every_corpus_counts_alike_however_large() -> None:
    predictions = _predictions({"large": [(0.9, 60, 30)], "small": [(0.9, 5, 5)]})
    weights = corpus_weights(predictions)
    assert weights.sum() == pytest.approx(1)
    assert weights[predictions.clips["corpus"] == "small"].sum() == pytest.approx(0.5)
    found = fit_other_origin(predictions, "model", _confidence(0.5))
    assert found.left_out.model_dump() == _about(1.0, (60 / 90 + 5 / 10) / 2)
    again = _predictions({"large": [(0.9, 600, 300)], "small": [(0.9, 5, 5)]})
    assert fit_other_origin(again, "model", _confidence(0.5)).temperature == pytest.approx(found.temperature, rel=1e-4)


def test_the_threshold_is_the_lowest_confidence_whose_answers_are_right_often_enough() -> None:
    corpus = [(0.9, 9, 1), (0.7, 7, 3), (0.5, 2, 8)]
    predictions = _predictions({"one": corpus, "two": corpus})
    found = fit_other_origin(predictions, "model", _confidence(0.8))
    calibrated = scale(predictions.probabilities["model"][10:11], found.temperature)  # the first of 0.7
    assert found.threshold == pytest.approx(calibrated.max())
    assert found.left_out.model_dump() == _about(2 / 3, 0.8)
    assert found.reached
    assert set(found.tested) == {"one", "two"}
    assert all(tested.model_dump() == _about(2 / 3, 0.8) for tested in found.tested.values())
    assert found.tested_overall.model_dump() == _about(2 / 3, 0.8)


def test_it_is_tested_on_a_corpus_that_had_no_part_in_it() -> None:
    easy, hard = [(0.9, 19, 1), (0.5, 16, 4)], [(0.9, 10, 10), (0.5, 2, 18)]
    found = fit_other_origin(_predictions({"easy": easy, "hard": hard}), "model", _confidence(0.8))
    # Fitted on the easy corpus, everything is answered. On the hard one, 0.9 comes nearest to the wanted accuracy.
    assert found.tested["hard"].model_dump() == _about(1.0, 12 / 40)
    answered = found.tested["easy"]
    assert answered.model_dump() == _about(0.5, 19 / 20)
    assert found.tested_overall.model_dump() == _about(0.75, (12 / 40 + 19 / 40) / 1.5)


def test_where_no_confidence_keeps_the_promise_the_nearest_is_taken_and_said_not_to() -> None:
    corpus = [(0.9, 6, 4), (0.5, 2, 8)]
    found = fit_other_origin(_predictions({"one": corpus, "two": corpus}), "model", _confidence(0.8))
    assert not found.reached
    assert found.left_out.model_dump() == _about(0.5, 0.6)
    assert found.tested_overall.model_dump() == _about(0.5, 0.6)


def test_a_promise_kept_for_a_handful_of_clips_is_none() -> None:
    few = round(LEAST_COVERAGE * 1000) - 1
    for right, reached in ((few, False), (few + 1, True)):
        corpus = [(0.99, right, 0), (0.5, 100, 900 - right)]  # of 1,000
        assert fit_other_origin(_predictions({"one": corpus}), "model", _confidence(0.8)).reached is reached


def test_of_a_single_corpus_the_promise_cannot_be_tested() -> None:
    found = fit_other_origin(_predictions({"one": [(0.9, 9, 1)]}), "model", _confidence(0.8))
    assert (dict(found.tested), found.tested_overall, found.reached) == ({}, None, True)


def test_what_the_confidence_of_validation_gives_there_is_told() -> None:
    corpus = [(0.9, 6, 4), (0.5, 2, 8)]
    predictions = _predictions({"one": corpus, "two": corpus})
    found = fit_other_origin(predictions, "model", _confidence(0.8, threshold=0.8))
    assert found.by_validation.model_dump() == _about(0.5, 0.6)
    assert found.fitted_on == fingerprint_clips(predictions.clips["clip"])


def test_probabilities_are_as_honest_as_one_temperature_makes_them(made_left_out: list[LeftOut]) -> None:
    predictions = joined(made_left_out)
    found = fit_other_origin(predictions, "shallow", _confidence(0.8))
    calibrated = scale(predictions.probabilities["shallow"], found.temperature)
    right = predictions.answers("shallow") == predictions.labels
    weights = corpus_weights(predictions)
    before = np.average(predictions.probabilities["shallow"].max(axis=1), weights=weights)
    after = np.average(calibrated.max(axis=1), weights=weights)
    share = np.average(right, weights=weights)
    assert abs(after - share) < 0.05 < abs(before - share)


def test_weights_that_are_all_alike_change_nothing(made_left_out: list[LeftOut]) -> None:
    predictions = joined(made_left_out)
    raw, labels = predictions.probabilities["shallow"], predictions.labels
    assert fit_temperature(raw, labels, np.full(len(labels), 0.25)) == pytest.approx(fit_temperature(raw, labels))
