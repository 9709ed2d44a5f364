"""The numbers of the exploration, for `metrics/eda.json`."""

from typing import Any

import pandas as pd

from deepemo.dataset.recommendation import Recommendation, quantiles, reach


def choice_figures(clips: pd.DataFrame, recommendation: Recommendation) -> dict[str, Any]:
    """What rate and length to choose, and the quantile table behind it: the seven classes together, class by class."""
    table = quantiles(clips)
    least = table.groupby("coverage").agg({"sample_rate_hz": "min", "clip_seconds": "max"})
    return {
        "clips": len(clips),
        "recommended": {
            "coverage": recommendation.coverage,
            "sample_rate_hz": recommendation.sample_rate_hz,
            "clip_seconds": recommendation.clip_seconds,
            "frames": recommendation.frames,
            **vars(
                reach(clips, sample_rate_hz=recommendation.sample_rate_hz, clip_seconds=recommendation.clip_seconds)
            ),
        },
        "every_class": {
            f"{coverage:g}": {"sample_rate_hz": int(row["sample_rate_hz"]), "clip_seconds": row["clip_seconds"]}
            for coverage, row in least.iterrows()
        },
    }
