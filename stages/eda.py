"""Stage `eda`: what the recordings are like, and what rate and length to choose for them."""

import json
from pathlib import Path

from deepemo.charts.eda_choice import draw_coverage, draw_frames, draw_lengths, draw_rates
from deepemo.charts.style import save
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.exploration import choice_figures
from deepemo.dataset.recommendation import recommend, warn_if_far
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write plots/eda and metrics/eda.json.

    `featurize` is read for a warning on the terminal alone, and is not tracked: another sample rate draws no picture.
    """
    clips = good_clips(read_clips(Path("data/clips.csv")))
    recommendation = recommend(clips, params.eda.coverage)
    folder = Path("plots/eda")
    save(draw_rates(clips, "emotion"), folder / "01_sample_rates_by_class.png")
    save(draw_rates(clips, "corpus"), folder / "02_sample_rates_by_corpus.png")
    save(draw_lengths(clips, recommendation), folder / "03_lengths_by_class.png")
    save(draw_coverage(clips, recommendation), folder / "04_coverage.png")
    save(draw_frames(clips, params.eda.resample_hz, recommendation), folder / "05_frames.png")
    metrics = Path("metrics/eda.json")
    metrics.parent.mkdir(exist_ok=True)
    metrics.write_text(json.dumps(choice_figures(clips, recommendation), indent=2) + "\n", encoding="utf-8")
    for warning in warn_if_far(
        clips,
        recommendation,
        sample_rate_hz=params.featurize.sample_rate_hz,
        clip_seconds=params.featurize.clip_seconds,
    ):
        print(f"warning: {warning}")
    return (
        f"eda: {recommendation.sample_rate_hz} Hz and {recommendation.clip_seconds:g} s hold "
        f"{recommendation.coverage:.0%} of every class"
    )


if __name__ == "__main__":
    stage_main(main)
