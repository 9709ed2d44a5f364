"""Is one predictor better than another on the same clips, or only luckier?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from deepemo.learning import bootstrap, scores
from deepemo.learning.predictions import Floats, Ints


@dataclass(frozen=True)
class Difference:
    """A figure of one predictor minus the same figure of another.

    Attributes:
        value: on all clips.
        low: lower end of the 95 % interval.
        high: upper end.
        p: two-sided significance of a difference from zero, by the same resamples.
    """

    value: float
    low: float
    high: float
    p: float


def paired_differences(
    labels: Ints, first: Ints, second: Ints, units: npt.ArrayLike, *, samples: int, seed: int
) -> dict[str, Difference]:
    """Headline figures of the first minus those of the second, both taken from the same resamples.

    Args:
        labels: true classes [n].
        first: answers of one predictor [n].
        second: answers of the other [n].
        units: what is drawn: the clips' speakers, or the clips themselves [n].
        samples: number of resamples.
        seed: of the draws.
    """
    classes = scores.CLASSES
    size = classes * classes
    ours = bootstrap.unit_counts(labels * classes + first, units, size)
    theirs = bootstrap.unit_counts(labels * classes + second, units, size)
    drawn = bootstrap.resample(np.hstack([ours, theirs]), samples=samples, seed=seed)

    def difference(figure: str, counts: Ints) -> Floats:
        both = counts.reshape(*counts.shape[:-1], 2, classes, classes)
        values = scores.HEADLINES[figure](both)
        return np.asarray(values[..., 0] - values[..., 1])

    whole = np.concatenate([ours.sum(axis=0), theirs.sum(axis=0)])
    found = {}
    for figure in scores.HEADLINES:
        values = difference(figure, drawn)
        low, high = bootstrap.interval(values, len(ours))
        found[figure] = Difference(
            float(difference(figure, whole)), float(low), float(high), bootstrap.two_sided_p(values)
        )
    return found


@dataclass(frozen=True)
class McNemar:
    """Clips that one predictor names rightly and the other wrongly, and how likely so uneven a count is by chance.

    The exact test (McNemar 1947, with the binomial distribution) takes clips as independent; clips of one speaker are
    not, so for unseen speakers the interval of the difference by speaker is the stricter judge.
    """

    first_only: int
    second_only: int
    p: float


def mcnemar(labels: Ints, first: Ints, second: Ints) -> McNemar:
    """The exact test on true classes [n] and two predictors' answers [n]."""
    first_right, second_right = first == labels, second == labels
    first_only = int((first_right & ~second_right).sum())
    second_only = int((second_right & ~first_right).sum())
    decided = first_only + second_only
    return McNemar(first_only, second_only, float(binomtest(first_only, decided).pvalue) if decided else 1.0)
