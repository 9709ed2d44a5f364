"""Stage `eda`: what the recordings are like, and what rate and length to choose for them."""

import json
from pathlib import Path

from deepemo.audio.decode import Recording, read_recording
from deepemo.charts.style import save
from deepemo.corpora.raw import RawCorpus
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.eda.explore import explore
from deepemo.eda.gallery import Findings, Views, pictures
from deepemo.eda.measure import draw_clips, measure_clips, pick_examples
from deepemo.eda.page import Shown, write_report
from deepemo.eda.recommend import recommend, warn_if_far
from deepemo.eda.summary import summarise, tabulate
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write plots/eda, metrics/eda.json and reports/eda.html.

    `featurize` is read for a warning on the terminal alone, and is not tracked: another sample rate draws no picture.
    """
    clips = good_clips(read_clips(Path("data/clips.csv")))
    recommendation = recommend(clips, params.eda.coverage)
    archives = {name: RawCorpus(Path("data/raw") / f"{name}.zip") for name in clips["corpus"].unique()}

    def read(corpus: str, member: str) -> Recording:
        return read_recording(archives[corpus].read(member), name=f"{archives[corpus].path}: {member}")

    drawn = draw_clips(clips, params.eda.measured_clips, params.seed)
    measurements = measure_clips(drawn, read, silent_below_db=params.eda.silent_below_db)
    examples = pick_examples(clips, params.seed)
    recordings = [read(corpus, member) for corpus, member in zip(examples["corpus"], examples["member"], strict=True)]
    found = Findings(
        clips=clips,
        measurements=measurements,
        recommendation=recommendation,
        examples=examples,
        sounds={
            emotion: (recording.mono(), recording.rate_hz)
            for emotion, recording in zip(examples["emotion"], recordings, strict=True)
        },
        resample_hz=params.eda.resample_hz,
        views=Views(**params.eda.views.model_dump()),
        silent_below_db=params.eda.silent_below_db,
        seed=params.seed,
    )
    shown = []
    for number, picture in enumerate(pictures(found), start=1):
        path = Path("plots/eda") / f"{number:02d}_{picture.name}.png"
        save(picture.draw(), path)
        shown.append(Shown(path=path, section=picture.section, tells=picture.tells))
    figures = explore(clips, measurements, recommendation)
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/eda.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    write_report(
        Path("reports/eda.html"),
        title="The recordings, explored",
        summary=summarise(clips, figures, params.eda.coverage),
        pictures=shown,
        tables=tabulate(clips, figures),
    )
    chosen = params.featurize
    for warning in warn_if_far(
        clips, recommendation, sample_rate_hz=chosen.sample_rate_hz, clip_seconds=chosen.clip_seconds
    ):
        print(f"warning: {warning}")
    return (
        f"eda: {recommendation.sample_rate_hz} Hz and {recommendation.clip_seconds:g} s hold "
        f"{recommendation.coverage:.0%} of every class"
    )


if __name__ == "__main__":
    stage_main(main)
