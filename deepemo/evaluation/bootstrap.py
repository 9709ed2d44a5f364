"""Intervals by the bootstrap (Efron 1979): how much a figure varies with the drawn clips or speakers.

Clips of one speaker resemble one another, so figures for unseen speakers are resampled by speaker. Figures are computed
from counts, and the counts of a resample are sums over its units. Resamples are therefore matrix products.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from deepemo.arrays import Float64Array, Int64Array

LEVEL = 0.95
# Maximum count of numbers that are drawn at once, one for each sample and kind.
_DRAWN_TOGETHER = 1 << 22

# Takes counts [samples, cells]; returns values [samples, ...].
Figure = Callable[[Int64Array], Float64Array]


def unit_counts(cells: Int64Array, units: npt.ArrayLike, n_cells: int) -> Int64Array:
    """How often each unit falls into each cell.

    Args:
        cells: cell of each clip, in [0, n_cells), shape [n].
        units: the unit of each clip, shape [n]: its speaker, or the clip itself for a bootstrap by clip.
        n_cells: number of cells.

    Returns:
        Counts [units, n_cells].
    """
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    counts = np.bincount(unit * n_cells + cells, minlength=(unit.max() + 1) * n_cells)
    return counts.reshape(-1, n_cells).astype(np.int64)


@dataclass(frozen=True)
class Kinds:
    """What is resampled: units, grouped into kinds of equal counts, so that memory depends on the number of kinds.

    Attributes:
        counts: of a unit of each kind, [kinds, cells], in lexicographic order.
        frequencies: how many units are of each kind, [kinds].
    """

    counts: Int64Array
    frequencies: Int64Array

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.frequencies.sum())

    @property
    def total(self) -> Int64Array:
        """Counts of all units together, [cells]."""
        return np.asarray(self.frequencies @ self.counts)


def kinds_of(counts: Int64Array) -> Kinds:
    """The kinds of units with these counts [units, cells]."""
    return Kinds(*np.unique(counts, axis=0, return_counts=True))


def kinds_of_clips(cells: Sequence[Int64Array], n_cells: int) -> Kinds:
    """Kinds of clips, each of them a unit, without a row for each clip; the same as by `kinds_of`.

    Args:
        cells: of each predictor that is resampled, the cell of each clip, in [0, n_cells), shape [n].
        n_cells: number of cells.

    Returns:
        Counts [kinds, predictors * n_cells], the predictors' cells side by side.
    """
    joint = np.zeros_like(cells[0])
    for each in cells:
        joint = joint * n_cells + each
    occurring = np.bincount(joint, minlength=n_cells ** len(cells))
    # A row whose one comes earlier is larger, so the reverse order of cells is the lexicographic order of rows.
    present = np.flatnonzero(occurring)[::-1]
    places = np.unravel_index(present, (n_cells,) * len(cells))
    one = np.eye(n_cells, dtype=np.int64)
    return Kinds(np.hstack([one[place] for place in places]), occurring[present].astype(np.int64))


def in_parts(samples: int, kinds: int) -> Iterator[int]:
    """Sizes of the parts in which samples are drawn, one number a kind; together they give the draws of all at once.

    Example:
        >>> list(in_parts(1000, kinds=10_000))
        [419, 419, 162]
    """
    most = max(1, _DRAWN_TOGETHER // kinds)
    yield from (min(most, samples - start) for start in range(0, samples, most))


def resample(kinds: Kinds, *, samples: int, seed: int) -> Int64Array:
    """Counts of resamples: as many units as there are, drawn with replacement.

    Args:
        kinds: of units.
        samples: number of resamples.
        seed: of the draws.

    Returns:
        Counts [samples, cells].
    """
    random, shares = np.random.default_rng(seed), kinds.frequencies / kinds.units
    parts = in_parts(samples, len(shares))
    return np.concatenate([random.multinomial(kinds.units, shares, size=part) @ kinds.counts for part in parts])


def interval(values: Float64Array, units: int) -> Float64Array:
    """Expanded percentile interval of a figure over its resamples; resamples without a value are left out.

    For few units the plain percentile interval is too narrow, like a normal interval without Student's t. Wider
    percentiles correct this (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015, section 3.2).

    Args:
        values: the figure [samples, ...].
        units: number of units in each resample.

    Returns:
        Lower and upper end, [2, ...]; NaN where the bootstrap gives no interval: for fewer than two units, and for a
        figure that no resample changes, such as a recall of 1.
    """
    if units < 2:
        return np.full((2, *values.shape[1:]), np.nan)
    tail = norm.cdf(np.sqrt(units / (units - 1)) * t.ppf((1.0 - LEVEL) / 2, units - 1))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        ends = np.asarray(np.nanquantile(values, [tail, 1.0 - tail], axis=0))
    return np.where(ends[0] < ends[1], ends, np.nan)


@dataclass(frozen=True)
class Drawn:
    """Resamples of a group of clips.

    Attributes:
        unit: name of the unit that was drawn.
        units: number of units in each resample.
        counts: [samples, cells].
    """

    unit: str
    units: int
    counts: Int64Array

    def interval(self, figure: Figure) -> Float64Array:
        """Interval [2, ...] of a figure of counts."""
        return interval(figure(self.counts), self.units)


def draw_widest(kinds: Mapping[str, Kinds], judge: Figure, *, samples: int, seed: int) -> Drawn:
    """Resample by each of several units, and keep the draws with the widest interval.

    Two or three speakers may have similar figures by chance. Resampling them then gives too narrow an interval, and the
    interval by clip is wider and better.

    Args:
        kinds: by name of the unit, kinds of units of the same clips.
        judge: the figure of counts [samples, cells] whose interval decides.
        samples: number of resamples.
        seed: of the draws.
    """
    draws = [Drawn(unit, each.units, resample(each, samples=samples, seed=seed)) for unit, each in kinds.items()]

    def width(drawn: Drawn) -> float:
        low, high = drawn.interval(judge)
        return float(np.nan_to_num(high - low, nan=-1.0))

    return max(draws, key=width)
