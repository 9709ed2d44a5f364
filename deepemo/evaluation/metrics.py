"""Scores from confusion counts, for one matrix or for thousands of resampled ones at once.

Every function takes counts [..., actual, predicted] and works on the last two axes. A class without clips has no
recall: it is NaN there and is left out of the means.
"""

import numpy as np
import numpy.typing as npt

from deepemo.emotions import EMOTIONS
from deepemo.evaluation.predictions import Floats, Ints

CLASSES = len(EMOTIONS)


def confusion(labels: Ints, answers: Ints, classes: int = CLASSES) -> Ints:
    """Counts [actual, predicted] of class indices [n] and [n]."""
    cells = np.bincount(labels * classes + answers, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def _ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _hits(counts: Ints) -> Ints:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _mean_of_present(values: Floats) -> Floats:
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1))


def accuracy(counts: Ints) -> Floats:
    """Share of clips named rightly; NaN without clips."""
    return _ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def recalls(counts: Ints) -> Floats:
    """Share of each class's clips named rightly [..., classes]; NaN for a class without clips."""
    return _ratio(_hits(counts), counts.sum(axis=-1))


def precisions(counts: Ints) -> Floats:
    """Share of each class's answers that are right [..., classes]; NaN for a class never answered."""
    return _ratio(_hits(counts), counts.sum(axis=-2))


def f1_scores(counts: Ints) -> Floats:
    """Harmonic mean of precision and recall [..., classes]; 0 if never right, NaN for a class without clips."""
    actual = counts.sum(axis=-1)
    scores = _ratio(2 * _hits(counts), actual + counts.sum(axis=-2))
    return np.where(actual > 0, scores, np.nan)


def uar(counts: Ints) -> Floats:
    """Unweighted average recall: mean recall over the classes that have clips."""
    return _mean_of_present(recalls(counts))


def macro_f1(counts: Ints) -> Floats:
    """Mean F1 over the classes that have clips."""
    return _mean_of_present(f1_scores(counts))


HEADLINES = {"accuracy": accuracy, "uar": uar, "macro_f1": macro_f1}
