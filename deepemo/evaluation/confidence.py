"""A predictor's confidence: fitted on validation clips, judged on test clips, and compared with a threshold.

Selective prediction answers only the clips with a high confidence. This lowers the coverage, which is the share of
clips that are answered, in exchange for a higher accuracy of the answers.

What is fitted is also a part of the bundle, so serving imports this module, without pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from deepemo.arrays import Float64Array, Int64Array
from deepemo.evaluation.calibration import Reliability, fit_temperature, negative_log_likelihood, reliability, scale

if TYPE_CHECKING:
    from deepemo.evaluation.predictions import Predictions

# The accuracy of fewer answers says little about the accuracy of later ones.
FEWEST_ANSWERS = 20
# A threshold that no confidence below certainty reaches.
NEVER = 1.0


class Record(BaseModel):
    """A part of the bundle, see `deepemo.serving.bundle`: unknown keys, wrong types and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True)
class RiskCoverage:
    """Accuracy of the most confident clips, for every number of them.

    Attributes:
        thresholds: lowest confidence of the answered clips, falling, [steps].
        coverage: share of clips that are answered, [steps].
        accuracy: share of the answers that are right, [steps].
    """

    thresholds: Float64Array
    coverage: Float64Array
    accuracy: Float64Array

    @property
    def area(self) -> float:
        """Area under risk (1 - accuracy) over coverage, lower is better (Geifman and El-Yaniv 2017)."""
        widths = np.diff(self.coverage, prepend=0.0)
        return float(((1.0 - self.accuracy) * widths).sum())

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy when this share of clips is answered, or the smallest larger share that ties allow."""
        enough = int(np.searchsorted(self.coverage, coverage - 1e-9))
        return float(self.accuracy[min(enough, len(self.coverage) - 1)])


def risk_coverage(probabilities: Float64Array, labels: Int64Array, weights: Float64Array | None = None) -> RiskCoverage:
    """The curve of probabilities float64 [n, classes] and class indices [n], n > 0; equal confidences are one step.

    Clips are weighted by `weights` [n]; without weights, all count equally.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    confidence = confidence[order]
    last_of_ties = np.append(confidence[1:] < confidence[:-1], True)
    answered = np.cumsum(weights[order])
    accuracy = np.cumsum(right[order] * weights[order]) / answered
    return RiskCoverage(confidence[last_of_ties], (answered / weights.sum())[last_of_ties], accuracy[last_of_ties])


class Operating(Record):
    """Result of a threshold on some clips: the share answered, and the accuracy of answers (None without answers)."""

    coverage: float
    accuracy: float | None


def choose_threshold(probabilities: Float64Array, labels: Int64Array, wanted_accuracy: float) -> float:
    """The lowest confidence whose answers reach the wanted accuracy.

    Args:
        probabilities: calibrated, float64 [n, classes], of validation clips.
        labels: class indices [n].
        wanted_accuracy: wanted accuracy of the answers at or above the threshold.

    Returns:
        The threshold; `NEVER` if no set of at least `FEWEST_ANSWERS` answers reaches the wanted accuracy.
    """
    curve = risk_coverage(probabilities, labels)
    enough = curve.coverage * len(labels) >= FEWEST_ANSWERS - 0.5
    good = np.flatnonzero(enough & (curve.accuracy >= wanted_accuracy))
    return float(curve.thresholds[good[-1]]) if len(good) else NEVER


def operate(
    probabilities: Float64Array, labels: Int64Array, threshold: float, weights: Float64Array | None = None
) -> Operating:
    """Coverage and accuracy when only clips at or above the threshold are answered; clips count by weights [n]."""
    weights = np.ones(len(labels)) if weights is None else weights
    answered = probabilities.max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == labels
    accuracy = float(np.average(right[answered], weights=weights[answered])) if answered.any() else None
    return Operating(coverage=float(np.average(answered, weights=weights)), accuracy=accuracy)


class Confidence(Record):
    """How a predictor's probabilities become a confidence, and the confidence from which it answers.

    Attributes:
        temperature: for `calibration.scale`.
        threshold: calibrated confidence from which an answer is given.
        wanted_accuracy: accuracy of the answers for which the threshold was chosen.
        validation: result of the threshold on the clips that it was chosen on.
        fitted_on: fingerprint of these clips.
    """

    temperature: float
    threshold: float
    wanted_accuracy: float
    validation: Operating
    fitted_on: Mapping[str, Any]


def fit_confidence(validation: Predictions, predictor: str, wanted_accuracy: float) -> Confidence:
    """Fit the temperature, then the threshold, on clips that are in no test.

    Raises:
        InputError: there are no clips.
    """
    from deepemo.dataset.split import fingerprint_clips  # pandas, which serving does without

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
    """Quality of the confidence on some clips.

    Attributes:
        before: reliability of the probabilities as the model gave them.
        after: reliability of the calibrated ones.
        nll_before: negative log likelihood before calibration, in nats.
        nll_after: negative log likelihood after calibration, in nats.
        curve: accuracy over coverage by calibrated confidence.
        operating: result of the threshold that was chosen on validation clips.
    """

    before: Reliability
    after: Reliability
    nll_before: float
    nll_after: float
    curve: RiskCoverage
    operating: Operating


def judge_confidence(predictions: Predictions, predictor: str, confidence: Confidence) -> ConfidenceReport:
    """Judge on test clips a confidence that was fitted on validation clips."""
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
