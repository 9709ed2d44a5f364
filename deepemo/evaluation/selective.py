"""Answering only when sure: accuracy against the share of clips answered, and the confidence to ask for."""

from dataclasses import dataclass

import numpy as np

from deepemo.evaluation.predictions import Floats, Ints

# Fewer answers than this say little about the accuracy of more to come.
FEWEST_ANSWERS = 20
# No probability is above it: a threshold that leaves everything unanswered but certainty.
NEVER = 1.0


@dataclass(frozen=True)
class RiskCoverage:
    """Accuracy of the surest clips, for every number of them.

    Attributes:
        thresholds: confidence of the least sure clip answered, from the surest on, [steps].
        coverage: share of clips answered, [steps].
        accuracy: share of the answers that are right, [steps].
    """

    thresholds: Floats
    coverage: Floats
    accuracy: Floats

    @property
    def area(self) -> float:
        """Area under risk (1 - accuracy) over coverage, lower is better (Geifman and El-Yaniv 2017)."""
        widths = np.diff(self.coverage, prepend=0.0)
        return float(((1.0 - self.accuracy) * widths).sum())

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy when at least this share is answered, as little more as ties allow."""
        enough = int(np.searchsorted(self.coverage, coverage - 1e-9))
        return float(self.accuracy[min(enough, len(self.coverage) - 1)])


def risk_coverage(probabilities: Floats, labels: Ints) -> RiskCoverage:
    """The curve over probabilities float64 [n, 7] and class indices [n], n > 0; equally sure clips are one step."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    confidence = confidence[order]
    last_of_ties = np.append(confidence[1:] < confidence[:-1], True)
    answered = np.arange(1, len(labels) + 1)
    accuracy = np.cumsum(right[order]) / answered
    return RiskCoverage(confidence[last_of_ties], (answered / len(labels))[last_of_ties], accuracy[last_of_ties])


@dataclass(frozen=True)
class Operating:
    """What a threshold on confidence gives on some clips: share answered, and accuracy of the answers, None if none."""

    coverage: float
    accuracy: float | None


def choose_threshold(probabilities: Floats, labels: Ints, wanted_accuracy: float) -> float:
    """The lowest confidence whose answers reach the wanted accuracy.

    Args:
        probabilities: calibrated, float64 [n, 7], of validation clips.
        labels: class indices [n].
        wanted_accuracy: of the answers given, those at or above the threshold.

    Returns:
        The threshold; `NEVER` if no set of at least `FEWEST_ANSWERS` answers is that good.
    """
    curve = risk_coverage(probabilities, labels)
    enough = curve.coverage * len(labels) >= FEWEST_ANSWERS - 0.5
    good = np.flatnonzero(enough & (curve.accuracy >= wanted_accuracy))
    return float(curve.thresholds[good[-1]]) if len(good) else NEVER


def operate(probabilities: Floats, labels: Ints, threshold: float) -> Operating:
    """Coverage and accuracy when only clips at or above the threshold are answered."""
    answered = probabilities.max(axis=1) >= threshold
    right = probabilities.argmax(axis=1) == labels
    return Operating(float(answered.mean()), float(right[answered].mean()) if answered.any() else None)
