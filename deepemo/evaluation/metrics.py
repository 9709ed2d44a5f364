"""Scores from confusion counts, for one matrix or for thousands of resampled ones at once.

Every function of scores takes counts [..., actual, predicted] and works on the last two axes. A class without clips has
no recall: it is NaN there and is left out of the means.
"""

import math

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float64Array, Int64Array

# Digits after the point of all figures in files.
DIGITS = 4


def confusion(labels: Int64Array, answers: Int64Array, classes: int) -> Int64Array:
    """Counts [actual, predicted] of class indices [n] and [n], each [classes, classes]."""
    cells = np.bincount(labels * classes + answers, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Float64Array:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _hits(counts: Int64Array) -> Int64Array:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _mean_of_present(values: Float64Array) -> Float64Array:
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))


def accuracy(counts: Int64Array) -> Float64Array:
    """Share of correct predictions; NaN without clips."""
    return _ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def recalls(counts: Int64Array) -> Float64Array:
    """Share of each class's clips that are predicted correctly [..., classes]; NaN for a class without clips."""
    return _ratio(_hits(counts), counts.sum(axis=-1))


def precisions(counts: Int64Array) -> Float64Array:
    """Share of the predictions of each class that are correct [..., classes]; NaN for a class never predicted."""
    return _ratio(_hits(counts), counts.sum(axis=-2))


def f1_scores(counts: Int64Array) -> Float64Array:
    """Harmonic mean of precision and recall [..., classes]; 0 if none is correct, NaN for a class without clips."""
    actual = counts.sum(axis=-1)
    scores = _ratio(2 * _hits(counts), actual + counts.sum(axis=-2))
    return np.where(actual > 0, scores, np.nan)


def uar(counts: Int64Array) -> Float64Array:
    """Unweighted average recall: mean recall over the classes that have clips."""
    return _mean_of_present(recalls(counts))


def macro_f1(counts: Int64Array) -> Float64Array:
    """Mean F1 over the classes that have clips."""
    return _mean_of_present(f1_scores(counts))


HEADLINES = {"accuracy": accuracy, "uar": uar, "macro_f1": macro_f1}


def rounded(value: float | None) -> float | None:
    """A figure as it is written into a file, with `DIGITS` digits; None for None and NaN.

    Example:
        >>> rounded(2 / 3), rounded(float("nan"))
        (0.6667, None)
    """
    return None if value is None or math.isnan(value) else round(float(value), DIGITS)
