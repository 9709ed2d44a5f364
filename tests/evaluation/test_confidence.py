"""Confidence fitted on validation, and risk and coverage on clips whose order is known."""

import numpy as np
import pytest

from deepemo.dataset.split import fingerprint_clips
from deepemo.evaluation.calibration import fit_temperature, scale
from deepemo.evaluation.confidence import (
    FEWEST_ANSWERS,
    NEVER,
    choose_threshold,
    fit_confidence,
    judge_confidence,
    operate,
    risk_coverage,
)
from deepemo.evaluation.predictions import Predictions


@pytest.mark.parametrize("predictor", ["shallow", "transfer", "ensemble"])
def test_judged_on_the_clips_it_was_fitted_on_it_is_what_it_was(made_predictions: Predictions, predictor: str) -> None:
    validation = made_predictions.where("role", "validation")
    confidence = fit_confidence(validation, predictor, 0.8)
    report = judge_confidence(validation, predictor, confidence)
    assert report.operating == confidence.validation
    assert confidence.validation.accuracy is not None
    assert confidence.validation.accuracy >= 0.8
    assert report.nll_after <= report.nll_before
    assert report.curve.accuracy_at(confidence.validation.coverage) == pytest.approx(confidence.validation.accuracy)
    assert confidence.fitted_on == fingerprint_clips(validation.clips["clip"])


def test_what_is_calibrated_once_needs_no_more(made_predictions: Predictions) -> None:
    validation = made_predictions.where("role", "validation")
    raw = validation.probabilities["transfer"]
    temperature = fit_temperature(raw, validation.labels)
    assert abs(temperature - 1.0) > 0.1
    assert fit_temperature(scale(raw, temperature), validation.labels) == pytest.approx(1.0, abs=1e-3)


def _answers(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    top = np.array(confidence)
    probabilities = np.column_stack([top, 1 - top])
    return probabilities, np.where(right, 0, 1)


def test_curve_by_hand() -> None:
    curve = risk_coverage(*_answers([0.7, 0.9, 0.6, 0.8], [False, True, True, True]))
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.accuracy == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert curve.area == pytest.approx(0.25 * (0 + 0 + 1 / 3 + 1 / 4))
    assert curve.accuracy_at(1.0) == 0.75
    assert curve.accuracy_at(0.5) == 1.0
    assert curve.accuracy_at(0.6) == pytest.approx(2 / 3)


def test_equally_sure_clips_are_answered_together() -> None:
    curve = risk_coverage(*_answers([0.9, 0.8, 0.8, 0.8], [True, True, False, False]))
    assert curve.coverage.tolist() == [0.25, 1.0]
    assert curve.accuracy.tolist() == [1.0, 0.5]


def test_the_threshold_keeps_its_promise_and_no_lower_one_does() -> None:
    random = np.random.default_rng(0)
    confidence = random.uniform(0.51, 1.0, 2000)
    probabilities, labels = _answers(confidence.tolist(), (random.random(2000) < confidence).tolist())
    threshold = choose_threshold(probabilities, labels, 0.85)
    found = operate(probabilities, labels, threshold)
    assert found.accuracy is not None
    assert found.accuracy >= 0.85
    assert found.coverage == pytest.approx(0.61, abs=0.08)  # confidences over 0.7 have a mean of 0.85
    lower = np.sort(confidence[confidence < threshold])
    assert all(operate(probabilities, labels, value).accuracy < 0.85 for value in lower[::20])


def test_all_are_answered_where_all_together_are_good_enough() -> None:
    probabilities, labels = _answers([0.6] * 15 + [0.9] * 15, [True] * 29 + [False])
    assert choose_threshold(probabilities, labels, 0.9) == 0.6


def test_a_handful_of_lucky_answers_chooses_no_threshold() -> None:
    lucky = FEWEST_ANSWERS - 1
    probabilities, labels = _answers([0.9] * lucky + [0.6] * 200, [True] * lucky + [False] * 200)
    threshold = choose_threshold(probabilities, labels, 0.8)
    assert threshold == NEVER
    nothing = operate(probabilities, labels, threshold)
    assert (nothing.coverage, nothing.accuracy) == (0.0, None)
