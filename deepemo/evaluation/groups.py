"""Scores of a group of clips, such as a role, a corpus or a gender, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepemo.arrays import Float64Array, Int64Array
from deepemo.evaluation import bootstrap
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.predictions import Predictions

BY_CLIP = "clip"
BY_SPEAKER = "speaker"


@dataclass(frozen=True)
class Resampling:
    """How intervals are computed.

    Attributes:
        samples: number of resamples.
        seed: of the draws.
        unit: `clip` or `speaker`.
    """

    samples: int
    seed: int
    unit: str


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float | None]:
        """The ends of the interval as they are written into files."""
        return [scores.rounded(self.low), scores.rounded(self.high)]


@dataclass(frozen=True)
class EmotionScores:
    """Scores of one emotion."""

    clips: int
    recall: Estimate
    precision: Estimate
    f1: Estimate


@dataclass(frozen=True)
class GroupScores:
    """Scores of a group of clips.

    Attributes:
        clips: number of clips.
        speakers: number of speakers.
        resampled_by: `clip` or `speaker`. A group with one speaker can only be resampled by clip, and its interval then
            does not cover other speakers.
        units: number of clips or speakers in a resample.
        accuracy: share of correct predictions.
        uar: mean recall over the emotions present.
        macro_f1: mean F1 over the emotions present.
        emotions: scores of each emotion that has clips.
        missing: emotions of the run without clips, which the means leave out.
        counts: confusion counts [classes, classes], actual by predicted.
        draws: headline figures of every resample, each [samples].
    """

    clips: int
    speakers: int
    resampled_by: str
    units: int
    accuracy: Estimate
    uar: Estimate
    macro_f1: Estimate
    emotions: dict[str, EmotionScores]
    missing: list[str]
    counts: Int64Array
    draws: dict[str, Float64Array]


def kinds_by_unit(
    clips: pd.DataFrame, cells: Sequence[Int64Array], n_cells: int, unit: str
) -> dict[str, bootstrap.Kinds]:
    """Kinds of each unit that can be resampled: the clips, and if wanted their speakers, where there are several.

    Args:
        clips: rows with the speaker of each clip, n of them.
        cells: of each predictor that is resampled, the cell of each clip, in [0, n_cells), shape [n].
        n_cells: number of cells.
        unit: `clip` or `speaker`.

    Returns:
        Kinds with counts [kinds, predictors * n_cells] by the name of the unit.
    """
    units = {BY_CLIP: bootstrap.kinds_of_clips(cells, n_cells)}
    if unit == BY_SPEAKER and clips["speaker"].nunique() > 1:
        speakers = clips["speaker"].to_numpy()
        counts = np.hstack([bootstrap.unit_counts(each, speakers, n_cells) for each in cells])
        units[BY_SPEAKER] = bootstrap.kinds_of(counts)
    return units


def score(predictions: Predictions, predictor: str, resampling: Resampling) -> GroupScores:
    """Score one predictor on some clips, at least one."""
    classes = len(predictions.emotions)
    shape, size = (classes, classes), classes**2
    cells = predictions.labels * classes + predictions.answers(predictor)
    drawn = bootstrap.draw_widest(
        kinds_by_unit(predictions.clips, [cells], size, resampling.unit),
        lambda counts: scores.uar(counts.reshape(-1, *shape)),
        samples=resampling.samples,
        seed=resampling.seed,
    )
    counts = np.bincount(cells, minlength=size).reshape(shape)
    resampled = drawn.counts.reshape(-1, *shape)
    draws = {name: figure(resampled) for name, figure in scores.HEADLINES.items()}

    def estimate(value: Float64Array, values: Float64Array) -> Estimate:
        low, high = bootstrap.interval(values, drawn.units)
        return Estimate(float(value), float(low), float(high))

    per_class = {
        name: (figure(counts), figure(resampled))
        for name, figure in (("recall", scores.recalls), ("precision", scores.precisions), ("f1", scores.f1_scores))
    }
    emotions = {
        emotion: EmotionScores(
            clips=int(counts[position].sum()),
            **{name: estimate(value[position], values[:, position]) for name, (value, values) in per_class.items()},
        )
        for position, emotion in enumerate(predictions.emotions)
        if counts[position].sum()
    }
    return GroupScores(
        clips=len(predictions),
        speakers=int(predictions.clips["speaker"].nunique()),
        resampled_by=drawn.unit,
        units=drawn.units,
        **{name: estimate(figure(counts), draws[name]) for name, figure in scores.HEADLINES.items()},
        emotions=emotions,
        missing=[emotion for emotion in predictions.emotions if emotion not in emotions],
        counts=counts,
        draws=draws,
    )


def difference(first: GroupScores, second: GroupScores, figure: str) -> Estimate:
    """A headline figure of one group minus that of a group with other clips, with independent draws."""
    # Both groups were drawn with the same seed. Reversing the order of one makes the pairs independent.
    values = first.draws[figure] - second.draws[figure][::-1]
    low, high = bootstrap.interval(values, min(first.units, second.units))
    return Estimate(getattr(first, figure).value - getattr(second, figure).value, float(low), float(high))
