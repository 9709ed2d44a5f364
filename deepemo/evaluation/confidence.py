"""A predictor's confidence: fitted on validation, kept for serving, judged on the tests."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from deepemo.dataset.fingerprint import Fingerprint, fingerprint_clips
from deepemo.evaluation.calibration import Reliability, fit_temperature, negative_log_likelihood, reliability, scale
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.selective import Operating, RiskCoverage, choose_threshold, operate, risk_coverage


@dataclass(frozen=True)
class Confidence:
    """How a predictor's probabilities become a confidence, and when it is too low for an answer.

    Attributes:
        temperature: for `calibration.scale`.
        threshold: calibrated confidence from which on an answer is given.
        wanted_accuracy: of the answers given, for which the threshold was chosen.
        validation: what the threshold gives on the clips it was chosen on.
        fitted_on: those clips.
    """

    temperature: float
    threshold: float
    wanted_accuracy: float
    validation: Operating
    fitted_on: Fingerprint


def fit_confidence(validation: Predictions, predictor: str, wanted_accuracy: float) -> Confidence:
    """Fit temperature, then threshold, on clips that are in no test.

    Raises:
        InputError: there are no clips.
    """
    raw, labels = validation.probabilities[predictor], validation.labels
    temperature = fit_temperature(raw, labels)
    calibrated = scale(raw, temperature)
    threshold = choose_threshold(calibrated, labels, wanted_accuracy)
    return Confidence(
        temperature=temperature,
        threshold=threshold,
        wanted_accuracy=wanted_accuracy,
        validation=operate(calibrated, labels, threshold),
        fitted_on=fingerprint_clips(validation.clips["clip"]),
    )


@dataclass(frozen=True)
class ConfidenceReport:
    """How well confidence fares on some clips.

    Attributes:
        before: reliability of the probabilities as the model gave them.
        after: reliability of the calibrated ones.
        nll_before: negative log likelihood before, in nats.
        nll_after: and after.
        curve: accuracy over coverage by calibrated confidence.
        operating: what the threshold from validation gives here.
    """

    before: Reliability
    after: Reliability
    nll_before: float
    nll_after: float
    curve: RiskCoverage
    operating: Operating


def judge_confidence(predictions: Predictions, predictor: str, confidence: Confidence) -> ConfidenceReport:
    """Judge on test clips what was fitted on validation."""
    raw, labels = predictions.probabilities[predictor], predictions.labels
    calibrated = scale(raw, confidence.temperature)
    return ConfidenceReport(
        before=reliability(raw, labels),
        after=reliability(calibrated, labels),
        nll_before=negative_log_likelihood(raw, labels),
        nll_after=negative_log_likelihood(calibrated, labels),
        curve=risk_coverage(calibrated, labels),
        operating=operate(calibrated, labels, confidence.threshold),
    )


def write_confidences(path: Path, confidences: Mapping[str, Confidence]) -> None:
    """Write what serving needs: by predictor, temperature, threshold and wanted accuracy, and where they come from."""
    content = {predictor: asdict(confidence) for predictor, confidence in confidences.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
