"""All figures of the exploration."""

from typing import Any

import pandas as pd

from deepemo.eda.likeness import classify_corpora
from deepemo.eda.measure import Measurements
from deepemo.eda.recommend import (
    FIRST_FRAMES,
    FIRST_RATE_HZ,
    Recommendation,
    measure_coverage,
    quantiles,
    round_up,
)
from deepemo.emotions import EMOTIONS


def explore(
    clips: pd.DataFrame, measurements: Measurements, recommendation: Recommendation, apart: pd.DataFrame
) -> dict[str, Any]:
    """Every figure of the exploration.

    Args:
        clips: good rows of the clip table.
        measurements: of a sample of them.
        recommendation: for the wanted coverage.
        apart: how well a classifier tells corpora apart, see `likeness.tell_pairs`.

    Returns:
        A nested mapping for JSON, with shares in [0, 1], seconds, hertz and dBFS.
    """
    table = measurements.table
    figures = {
        "clips": len(clips),
        "speakers": int(clips["speaker"].nunique()),
        "recommended": _choice_figures(clips, recommendation.sample_rate_hz, recommendation.clip_seconds),
        "first_deepemo": _choice_figures(clips, FIRST_RATE_HZ, FIRST_FRAMES / FIRST_RATE_HZ),
        "quantiles": _quantile_figures(clips),
        "classes": {emotion: int((clips["emotion"] == emotion).sum()) for emotion in EMOTIONS},
        "loudness_dbfs": _medians(clips, "rms_dbfs"),
        "measured_clips": len(table),
        "pitch_hz": {
            gender: _medians(of_gender, "pitch_hz") for gender, of_gender in table.groupby("gender") if gender
        },
        "silent_ends_seconds": {
            corpus: {"before": of_corpus["lead_seconds"].mean(), "after": of_corpus["tail_seconds"].mean()}
            for corpus, of_corpus in table.groupby("corpus")
        },
        "clip_seconds_without_silent_ends": trimmed_seconds(clips, measurements, recommendation.coverage),
    }
    accuracy = classify_corpora(measurements)
    if accuracy is not None:
        figures["corpus_told_by_spectrum"] = {"accuracy": accuracy, "chance": 1 / table["corpus"].nunique()}
    if len(apart):
        figures["corpora_told_apart"] = {
            corpus: {other: float(value) for other, value in row.dropna().items()} for corpus, row in apart.iterrows()
        }
    rounded: dict[str, Any] = _rounded(figures)
    return rounded


def trimmed_seconds(clips: pd.DataFrame, measurements: Measurements, coverage: float) -> float:
    """The length that holds a share of every class's clips completely, once their silent ends are cut off.

    The measured clips are drawn evenly over corpora; each is weighted by the number of clips of its corpus and class.

    Args:
        clips: good rows of the clip table.
        measurements: of a sample of them.
        coverage: the share.

    Returns:
        Seconds, rounded up to a tenth.
    """
    table = measurements.table
    sounding = table["seconds"] - table["lead_seconds"] - table["tail_seconds"]
    pairs = ["corpus", "emotion"]
    weights = clips.groupby(pairs).size() / table.groupby(pairs).size()
    weight = pd.Series(weights.reindex(pd.MultiIndex.from_frame(table[pairs])).to_numpy(), index=table.index)
    longest = 0.0
    for _, seconds in sounding.groupby(table["emotion"]):
        ordered = seconds.sort_values()
        held = weight[ordered.index].cumsum() / weight[ordered.index].sum()
        longest = max(longest, float(ordered[held >= coverage - 1e-9].iloc[0]))
    return round_up(longest)


def _choice_figures(clips: pd.DataFrame, sample_rate_hz: int, clip_seconds: float) -> dict[str, Any]:
    return {
        "sample_rate_hz": sample_rate_hz,
        "clip_seconds": clip_seconds,
        "frames": round(sample_rate_hz * clip_seconds),
        **vars(measure_coverage(clips, sample_rate_hz=sample_rate_hz, clip_seconds=clip_seconds)),
    }


def _quantile_figures(clips: pd.DataFrame) -> dict[str, Any]:
    """The rate and length that cover each share of all clips together, and of the clips of every class."""
    worst = quantiles(clips).groupby("coverage").agg({"sample_rate_hz": "min", "clip_seconds": "max"})
    together = quantiles(clips.assign(emotion=EMOTIONS[0])).set_index("coverage")
    figures: dict[str, Any] = {}
    for name, table in (("all_clips", together), ("every_class", worst)):
        for coverage, row in table.iterrows():
            rate_hz, seconds = int(row["sample_rate_hz"]), float(row["clip_seconds"])
            found = {"sample_rate_hz": rate_hz, "clip_seconds": seconds, "frames": round(rate_hz * seconds)}
            figures.setdefault(f"{coverage:.0%}", {})[name] = found
    return figures


def _medians(table: pd.DataFrame, column: str) -> dict[str, float]:
    medians = table.groupby("emotion")[column].median().dropna()
    return {emotion: float(medians[emotion]) for emotion in EMOTIONS if emotion in medians}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(inner) for key, inner in value.items()}
    return round(float(value), 4) if isinstance(value, float) else value
