"""Which sample rate and clip length hold a wanted share of the recordings, and whether the chosen ones do.

The rate is the highest that this share of the clips reach natively, in the class where that is lowest: above it, too
many clips would have empty bands, below it sound would be thrown away. The length is the shortest that holds this
share of the clips whole, in the class where that is longest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
# Lengths are rounded up to this, so that every clip counted as held is.
SECONDS_STEP = 0.1

# What the first DeepEmo chose for four fifths of the clips: 58,837 samples at 24,414 Hz.
FIRST_RATE_HZ = 24414
FIRST_FRAMES = 58837

# How far a choice may be from the recommendation before it is worth a warning.
COVERAGE_SLACK = 0.1
HIGHEST_RATE_RATIO = 1.25
LOWEST_RATE_RATIO = 0.5
HIGHEST_SECONDS_RATIO = 1.6


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What holds at least `coverage` of the clips of every class.

    Attributes:
        coverage: the wanted share.
        sample_rate_hz: that many reach it natively.
        clip_seconds: that many are no longer.
    """

    coverage: float
    sample_rate_hz: int
    clip_seconds: float

    @property
    def frames(self) -> int:
        """Samples of a clip of this length at this rate, which the first DeepEmo called frames."""
        return round(self.clip_seconds * self.sample_rate_hz)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What a sample rate and a clip length do to the recordings.

    Attributes:
        native_share: share of clips that reach the rate natively.
        held_share: share of clips that the length holds whole.
        least_native_share: `native_share` of the class where it is lowest.
        least_held_share: `held_share` of the class where it is lowest.
    """

    native_share: float
    held_share: float
    least_native_share: float
    least_held_share: float


def reached_by(values: Sequence[float] | np.ndarray, share: float) -> float:
    """Highest value that at least this share of the values reach or exceed."""
    ordered = np.sort(np.asarray(values))[::-1]
    return float(ordered[_rank(share, len(ordered))])


def holding(values: Sequence[float] | np.ndarray, share: float) -> float:
    """Lowest value that at least this share of the values do not exceed."""
    ordered = np.sort(np.asarray(values))
    return float(ordered[_rank(share, len(ordered))])


def _rank(share: float, count: int) -> int:
    # 0.7 * 10 is 7.000000000000001: without the margin an eighth value would be asked for.
    return max(1, math.ceil(share * count - 1e-9)) - 1


def quantiles(clips: pd.DataFrame, coverages: Sequence[float] = COVERAGES) -> pd.DataFrame:
    """The rate that each share of a class's clips reach natively, and the length that holds that share of them.

    Args:
        clips: rows of the clip table that may be used.
        coverages: the shares.

    Returns:
        One row a class and coverage, in the order of the emotions: `emotion`, `coverage`, `clips`, `sample_rate_hz`,
        `clip_seconds` (as it is, not rounded) and `frames` (at that rate).

    Raises:
        InputError: no clip has one of the seven emotions.
    """
    rows = []
    for emotion in EMOTIONS:
        of_class = clips[clips["emotion"] == emotion]
        for coverage in coverages if len(of_class) else ():
            rate_hz = int(reached_by(of_class["rate_hz"].to_numpy(), coverage))
            seconds = holding(of_class["seconds"].to_numpy(), coverage)
            rows.append((emotion, coverage, len(of_class), rate_hz, seconds, math.ceil(seconds * rate_hz - 1e-6)))
    if not rows:
        raise InputError(f"the clip table holds no good clip of an emotion to explore, expected some of {EMOTIONS}")
    return pd.DataFrame(rows, columns=["emotion", "coverage", "clips", "sample_rate_hz", "clip_seconds", "frames"])


def recommend(clips: pd.DataFrame, coverage: float) -> Recommendation:
    """What holds at least this share of the good clips of every class.

    Raises:
        InputError: no clip has one of the seven emotions.
    """
    by_class = quantiles(clips, (coverage,))
    return Recommendation(
        coverage=coverage,
        sample_rate_hz=int(by_class["sample_rate_hz"].min()),
        clip_seconds=round_up(float(by_class["clip_seconds"].max())),
    )


def round_up(seconds: float) -> float:
    """Round a length up to the next tenth of a second."""
    return round(math.ceil(seconds / SECONDS_STEP - 1e-9) * SECONDS_STEP, 6)


def reach(clips: pd.DataFrame, *, sample_rate_hz: float, clip_seconds: float) -> Reach:
    """How many of the good clips reach a rate natively and how many a length holds whole."""
    native = clips["rate_hz"] >= sample_rate_hz
    held = clips["seconds"] <= clip_seconds
    return Reach(
        native_share=float(native.mean()),
        held_share=float(held.mean()),
        least_native_share=float(native.groupby(clips["emotion"]).mean().min()),
        least_held_share=float(held.groupby(clips["emotion"]).mean().min()),
    )


def warn_if_far(
    clips: pd.DataFrame, recommendation: Recommendation, *, sample_rate_hz: int, clip_seconds: float
) -> list[str]:
    """One sentence for each chosen value that lies far from the recommended one.

    It needs the clip table and nothing of the stage `eda`, so that any stage that reads that table may ask: `eda`
    itself must not track `featurize`, because a changed sample rate would then draw every picture again.

    Args:
        clips: rows of the clip table that may be used.
        recommendation: what would hold the wanted share.
        sample_rate_hz: `featurize.sample_rate_hz`.
        clip_seconds: `featurize.clip_seconds`.
    """
    warnings = []
    found = reach(clips, sample_rate_hz=sample_rate_hz, clip_seconds=clip_seconds)
    wanted, rate_ratio = recommendation.coverage, sample_rate_hz / recommendation.sample_rate_hz
    rate_advice = f"{recommendation.sample_rate_hz} Hz is recommended for {wanted:.0%} of every class"
    if rate_ratio > HIGHEST_RATE_RATIO:
        warnings.append(
            f"featurize.sample_rate_hz {sample_rate_hz}: only {found.native_share:.0%} of the clips reach it, the "
            f"others will have empty bands; {rate_advice}"
        )
    elif rate_ratio < LOWEST_RATE_RATIO:
        warnings.append(
            f"featurize.sample_rate_hz {sample_rate_hz}: {rate_advice}, so sound from {sample_rate_hz / 2:g} to "
            f"{recommendation.sample_rate_hz / 2:g} Hz that the clips hold is thrown away"
        )
    seconds_advice = f"{recommendation.clip_seconds:g} s is recommended for {wanted:.0%} of every class"
    if found.least_held_share < wanted - COVERAGE_SLACK:
        warnings.append(
            f"featurize.clip_seconds {clip_seconds:g}: holds {found.held_share:.0%} of the clips whole before "
            f"trimming, and {found.least_held_share:.0%} in one class; {seconds_advice}"
        )
    elif clip_seconds > HIGHEST_SECONDS_RATIO * recommendation.clip_seconds:
        warnings.append(f"featurize.clip_seconds {clip_seconds:g}: most of a clip will be padding; {seconds_advice}")
    return warnings
