"""What is fitted on validation is what is judged."""

import pytest

from deepemo.dataset.fingerprint import fingerprint_clips
from deepemo.evaluation.calibration import fit_temperature, scale
from deepemo.evaluation.confidence import fit_confidence, judge_confidence
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
