"""Calibration of probabilities by one temperature per predictor, and the distance of confidence from accuracy."""

from dataclasses import dataclass

import numpy as np

from deepemo.arrays import Float64Array, Int64Array
from deepemo.errors import InputError

BINS = 15
# Wide enough for any sane network. A fit that ends at a bound suggests labels that do not belong to the clips.
TEMPERATURES = (0.05, 20.0)
# Replaces smaller probabilities, so that the logarithm of 0 is finite.
TINY = 1e-30


def softmax(logits: Float64Array) -> Float64Array:
    """Probabilities float64 [n, classes] of logits [n, classes].

    >>> softmax(np.log([[1.0, 3.0]])).round(2).tolist()
    [[0.25, 0.75]]
    """
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


def scale(probabilities: Float64Array, temperature: float) -> Float64Array:
    """Probabilities [n, classes] at another temperature: softmax(log(p) / temperature), as if it divided the logits.

    A temperature above 1 makes them more equal, a temperature below 1 less equal. The likeliest emotion stays the same.

    >>> scale(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    return softmax(np.log(np.maximum(probabilities, TINY)) / temperature)


def negative_log_likelihood(
    probabilities: Float64Array, labels: Int64Array, weights: Float64Array | None = None
) -> float:
    """Mean of -log of the probability given to the truth, in nats; weighted if clips have weights [n]."""
    truth = np.maximum(probabilities[np.arange(len(labels)), labels], TINY)
    return float(np.average(-np.log(truth), weights=weights))


def fit_temperature(probabilities: Float64Array, labels: Int64Array, weights: Float64Array | None = None) -> float:
    """Temperature at which the truth is likeliest (Guo et al., "On Calibration of Modern Neural Networks", 2017).

    Args:
        probabilities: float64 [n, classes], of clips no model was trained or is tested on.
        labels: class indices [n].
        weights: of each clip, [n]; by default all have the same.

    Raises:
        InputError: there are no clips.
    """
    from scipy.optimize import minimize_scalar  # of the extra `pipeline`; `scale` serves without it

    if len(labels) == 0:
        raise InputError("calibration: found no validation clips, expected some")
    found = minimize_scalar(
        lambda log_temperature: negative_log_likelihood(scale(probabilities, np.exp(log_temperature)), labels, weights),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins of equal width over (0, 1]; NaN in a bin without clips.

    Attributes:
        clips: number of clips in each bin, [bins].
        confidence: their mean confidence, [bins].
        accuracy: share of them named rightly, [bins].
    """

    clips: Int64Array
    confidence: Float64Array
    accuracy: Float64Array

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean distance of confidence and accuracy, weighted by clips."""
        filled = self.clips > 0
        distances = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float((self.clips[filled] * distances).sum() / self.clips.sum())


def reliability(probabilities: Float64Array, labels: Int64Array, bins: int = BINS) -> Reliability:
    """Sort clips into bins by the probability of their likeliest emotion.

    Args:
        probabilities: float64 [n, classes].
        labels: class indices [n].
        bins: number of bins; bin i holds confidences in (i / bins, (i + 1) / bins].
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    clips = np.bincount(which, minlength=bins)

    def mean(values: Float64Array) -> Float64Array:
        sums = np.bincount(which, weights=values, minlength=bins)
        return np.divide(sums, clips, out=np.full(bins, np.nan), where=clips > 0)

    return Reliability(clips.astype(np.int64), mean(confidence), mean(right.astype(np.float64)))
