"""The sample rate and clip length that cover a wanted share of the recordings, and warnings about other choices.

The recommended rate is the highest rate that this share of every class's clips reach natively. A higher rate leaves
empty bands in too many clips, and a lower rate discards sound. The recommended length is the shortest length that holds
this share of every class's clips completely.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.params import FeatureParams

COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
# Lengths are rounded up to a multiple of this. Rounding down would cut some of the clips that a length must hold.
SECONDS_STEP = 0.1

# The first DeepEmo chose 58,837 samples at 24,414 Hz, for four fifths of the clips.
FIRST_RATE_HZ = 24414
FIRST_FRAMES = 58837

# How far a choice may be from the recommendation without a warning.
COVERAGE_SLACK = 0.1
HIGHEST_RATE_RATIO = 1.25
LOWEST_RATE_RATIO = 0.5
HIGHEST_SECONDS_RATIO = 1.6


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A sample rate and a clip length that cover a share of the clips of every class.

    Attributes:
        coverage: the share, in (0, 1).
        sample_rate_hz: this share of every class reaches it natively.
        clip_seconds: this share of every class is no longer.
    """

    coverage: float
    sample_rate_hz: int
    clip_seconds: float

    @property
    def frames(self) -> int:
        """Samples of a clip of this length at this rate; the first DeepEmo called them frames."""
        return round(self.clip_seconds * self.sample_rate_hz)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The share of the recordings that a sample rate and a clip length cover.

    Attributes:
        native_share: share of the clips that reach the rate natively.
        held_share: share of the clips that the length holds completely.
        least_native_share: `native_share` of the class where it is lowest.
        least_held_share: `held_share` of the class where it is lowest.
    """

    native_share: float
    held_share: float
    least_native_share: float
    least_held_share: float


def reached_by(values: Sequence[float] | np.ndarray, share: float) -> float:
    """The highest value that at least this share of the values reach or exceed.

    Example:
        >>> reached_by([8000, 16000, 16000, 48000], 0.75)
        16000.0
    """
    ordered = np.sort(np.asarray(values))[::-1]
    return float(ordered[_rank(share, len(ordered))])


def holding(values: Sequence[float] | np.ndarray, share: float) -> float:
    """The lowest value that at least this share of the values do not exceed.

    Example:
        >>> holding([1.0, 2.0, 3.0, 9.0], 0.75)
        3.0
    """
    ordered = np.sort(np.asarray(values))
    return float(ordered[_rank(share, len(ordered))])


def _rank(share: float, count: int) -> int:
    # 0.7 * 10 is 7.000000000000001. Without the margin, that would count as 8 values.
    return max(1, math.ceil(share * count - 1e-9)) - 1


def quantiles(clips: pd.DataFrame, coverages: Sequence[float] = COVERAGES) -> pd.DataFrame:
    """The rate that a share of a class's clips reach natively, and the length that holds this share completely.

    Args:
        clips: good rows of the clip table.
        coverages: the shares.

    Returns:
        One row for each class and share, in the order of the emotions: `emotion`, `coverage`, `clips`,
        `sample_rate_hz`, `clip_seconds` (not rounded) and `frames` (samples of that length at that rate).

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
    """The rate and length that cover at least this share of the clips of every class.

    Args:
        clips: good rows of the clip table.
        coverage: the share, in (0, 1).

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
    """Round a length up to the next tenth of a second.

    Example:
        >>> round_up(2.41)
        2.5
    """
    return round(math.ceil(seconds / SECONDS_STEP - 1e-9) * SECONDS_STEP, 6)


def measure_coverage(clips: pd.DataFrame, *, sample_rate_hz: float, clip_seconds: float) -> Coverage:
    """The share of the clips that reach a rate natively, and the share that a length holds completely.

    Args:
        clips: good rows of the clip table.
        sample_rate_hz: the rate.
        clip_seconds: the length.
    """
    native = clips["rate_hz"] >= sample_rate_hz
    held = clips["seconds"] <= clip_seconds
    return Coverage(
        native_share=float(native.mean()),
        held_share=float(held.mean()),
        least_native_share=float(native.groupby(clips["emotion"]).mean().min()),
        least_held_share=float(held.groupby(clips["emotion"]).mean().min()),
    )


def warn_if_far(clips: pd.DataFrame, recommendation: Recommendation, chosen: FeatureParams) -> list[str]:
    """One sentence for each chosen value that is far from the recommended one.

    Args:
        clips: good rows of the clip table.
        recommendation: for the wanted share.
        chosen: the section `featurize` of params.yaml.
    """
    warnings = []
    sample_rate_hz, clip_seconds = chosen.sample_rate_hz, chosen.clip_seconds
    found = measure_coverage(clips, sample_rate_hz=sample_rate_hz, clip_seconds=clip_seconds)
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
