"""Paired comparison of two predictors on the same clips: differences with intervals, and significance tests."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import binomtest

from deepemo.arrays import Float64Array, Int64Array
from deepemo.evaluation import bootstrap
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.groups import Resampling, kinds_by_unit
from deepemo.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Difference:
    """A figure of one predictor minus the same figure of another.

    Attributes:
        value: on all clips.
        low: lower end of the 95 % interval, by the bootstrap.
        high: upper end.
        p: two-sided significance of a difference from zero, by permutation.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class McNemar:
    """Clips that only one of two predictors gets right, and the significance of the difference of the two counts.

    The exact test (McNemar 1947, with the binomial distribution) assumes independent clips. Clips of one speaker are
    not independent, so for unseen speakers the permutation by speaker is the stricter test.
    """

    first_only: int
    second_only: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """One predictor against another on the same clips.

    Attributes:
        first: name of one.
        second: name of the other.
        resampled_by: `clip` or `speaker`.
        differences: by headline figure, the first's minus the second's.
        mcnemar: the exact test on single clips.
    """

    first: str
    second: str
    resampled_by: str
    differences: dict[str, Difference]
    mcnemar: McNemar


def swap(kinds: bootstrap.Kinds, *, samples: int, seed: int) -> Int64Array:
    """Counts after swapping two predictors' answers in random units, each with probability 1/2, drawn anew each time.

    If both predictors were equally good, no swap would matter. So the differences after swaps show what chance gives.
    With few units there are only few different swaps, so two speakers cannot give a significant difference.

    Args:
        kinds: of units, with counts [kinds, 2 * cells]: those of one predictor beside those of the other.
        samples: number of swaps.
        seed: of the draws.

    Returns:
        Counts [samples, 2, cells].
    """
    cells = kinds.counts.shape[1] // 2
    change = kinds.counts[:, cells:] - kinds.counts[:, :cells]
    random = np.random.default_rng(seed)
    parts = bootstrap.in_parts(samples, len(change))
    moved = np.concatenate(
        [random.binomial(kinds.frequencies, 0.5, size=(part, len(change))) @ change for part in parts]
    )
    return np.stack([kinds.total[:cells] + moved, kinds.total[cells:] - moved], axis=1)


def _difference(figure: str, counts: Int64Array) -> Float64Array:
    """The figure of the first minus that of the second, from counts [..., 2 * classes * classes]."""
    classes = math.isqrt(counts.shape[-1] // 2)
    both = counts.reshape(*counts.shape[:-1], 2, classes, classes)
    values = scores.HEADLINES[figure](both)
    return np.asarray(values[..., 0] - values[..., 1])


def mcnemar(labels: Int64Array, first: Int64Array, second: Int64Array) -> McNemar:
    """The exact test on true classes [n] and two predictors' answers [n]."""
    first_right, second_right = first == labels, second == labels
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    decided = first_only + second_only
    return McNemar(first_only, second_only, float(binomtest(first_only, decided).pvalue) if decided else 1.0)


def compare(predictions: Predictions, first: str, second: str, resampling: Resampling) -> Comparison:
    """Compare two predictors on some clips, with the same resamples for both."""
    classes = len(predictions.emotions)
    labels, answers = predictions.labels, [predictions.answers(name) for name in (first, second)]
    cells = [labels * classes + each for each in answers]
    kinds = kinds_by_unit(predictions.clips, cells, classes**2, resampling.unit)
    drawn = bootstrap.draw_widest(
        kinds,
        partial(_difference, "uar"),
        samples=resampling.samples,
        seed=resampling.seed,
    )
    # Swaps are by the wanted unit, even if another one gave the wider interval. It is the last of those that can be
    # drawn.
    wanted = list(kinds.values())[-1]
    swapped = swap(wanted, samples=resampling.samples, seed=resampling.seed)
    whole = wanted.total
    differences = {}
    for figure in scores.HEADLINES:
        value = float(_difference(figure, whole))
        low, high = drawn.interval(partial(_difference, figure))
        by_luck = np.abs(_difference(figure, swapped.reshape(len(swapped), -1))) >= abs(value) - 1e-12
        p = (1 + int(by_luck.sum())) / (1 + len(swapped))
        differences[figure] = Difference(value, float(low), float(high), p)
    return Comparison(first, second, drawn.unit, differences, mcnemar(labels, *answers))
