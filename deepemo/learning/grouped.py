"""Scores of a group of clips with intervals: of a role, a corpus, a gender."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepemo.emotions import EMOTIONS
from deepemo.learning import bootstrap, scores
from deepemo.learning.predictions import Floats, Ints, Predictions

BY_CLIP = "clip"
BY_SPEAKER = "speaker"


@dataclass(frozen=True)
class Resampling:
    """How intervals are taken.

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


@dataclass(frozen=True)
class EmotionScores:
    """How one emotion fares."""

    clips: int
    recall: Estimate
    precision: Estimate
    f1: Estimate


@dataclass(frozen=True)
class GroupScores:
    """How a group of clips fares.

    Attributes:
        clips: how many.
        speakers: how many speak in them.
        resampled_by: `clip` or `speaker`; a group of one speaker can only be resampled by clip, and its interval then
            says nothing of other speakers.
        accuracy: share named rightly.
        uar: mean recall over the emotions present.
        macro_f1: mean F1 over the emotions present.
        emotions: each present emotion's scores.
        counts: confusion counts [7, 7], actual by predicted.
        draws: headline figures of every resample, each [samples].
    """

    clips: int
    speakers: int
    resampled_by: str
    accuracy: Estimate
    uar: Estimate
    macro_f1: Estimate
    emotions: dict[str, EmotionScores]
    counts: Ints
    draws: dict[str, Floats]

    @property
    def units(self) -> int:
        """How many units were drawn for a resample."""
        return self.speakers if self.resampled_by == BY_SPEAKER else self.clips


def units_of(clips: pd.DataFrame, unit: str) -> tuple[str, npt.NDArray[Any]]:
    """What to resample, and each clip's unit [n]: by speaker where that is asked for and there are two or more."""
    if unit == BY_SPEAKER and clips["speaker"].nunique() > 1:
        return BY_SPEAKER, clips["speaker"].to_numpy()
    return BY_CLIP, np.arange(len(clips))


def score(predictions: Predictions, predictor: str, resampling: Resampling) -> GroupScores:
    """Score one predictor on some clips, at least one."""
    classes = scores.CLASSES
    resampled_by, units = units_of(predictions.clips, resampling.unit)
    cells = predictions.labels * classes + predictions.answers(predictor)
    by_unit = bootstrap.unit_counts(cells, units, classes * classes)
    counts = by_unit.sum(axis=0).reshape(classes, classes)
    drawn = bootstrap.resample(by_unit, samples=resampling.samples, seed=resampling.seed)
    drawn = drawn.reshape(-1, classes, classes)
    draws = {name: figure(drawn) for name, figure in scores.HEADLINES.items()}

    def estimate(value: Floats, samples: Floats) -> Estimate:
        low, high = bootstrap.interval(samples, len(by_unit))
        return Estimate(float(value), float(low), float(high))

    per_class = {
        name: (figure(counts), figure(drawn))
        for name, figure in (("recall", scores.recalls), ("precision", scores.precisions), ("f1", scores.f1_scores))
    }
    emotions = {
        emotion: EmotionScores(
            clips=int(counts[position].sum()),
            **{name: estimate(value[position], samples[:, position]) for name, (value, samples) in per_class.items()},
        )
        for position, emotion in enumerate(EMOTIONS)
        if counts[position].sum()
    }
    return GroupScores(
        clips=len(predictions),
        speakers=int(predictions.clips["speaker"].nunique()),
        resampled_by=resampled_by,
        **{name: estimate(figure(counts), draws[name]) for name, figure in scores.HEADLINES.items()},
        emotions=emotions,
        counts=counts,
        draws=draws,
    )


def difference(first: GroupScores, second: GroupScores, figure: str) -> Estimate:
    """A headline figure of one group minus that of another group of other clips, drawn apart."""
    # Both were drawn from the same seed; one in reverse order makes the pairs independent.
    values = first.draws[figure] - second.draws[figure][::-1]
    low, high = bootstrap.interval(values, min(first.units, second.units))
    return Estimate(getattr(first, figure).value - getattr(second, figure).value, float(low), float(high))
