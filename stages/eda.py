"""Stage `eda`: explores the recordings, and recommends a sample rate and a length for them."""

from deepemo.corpora.archive import Archive
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.eda.explore import explore
from deepemo.eda.likeness import tell_pairs
from deepemo.eda.measure import measure_clips, pick_examples, read_examples, sample_clips
from deepemo.eda.page import summarize, tabulate, write_report
from deepemo.eda.plots import Findings, draw_all
from deepemo.eda.recommend import recommend, warn_if_far
from deepemo.files import CLIPS, METRICS, PLOTS, RAW, REPORTS, write_json
from deepemo.params import Params
from stages._run import stage_main


def main(params: Params) -> str:
    """Write plots/eda, metrics/eda.json and reports/eda.html.

    DVC does not track the section `featurize` for this stage: it is used only for warnings, and changes no file.
    """
    clips = good_clips(read_clips(CLIPS))
    recommendation = recommend(clips, params.eda.coverage)
    archives = {name: Archive(RAW / f"{name}.zip") for name in clips["corpus"].unique()}
    drawn = sample_clips(clips, params.eda.measured_clips, params.seed)
    measurements = measure_clips(drawn, archives, silent_below_db=params.eda.silent_below_db)
    examples = pick_examples(clips, params.seed)
    apart = tell_pairs(measurements)
    findings = Findings(
        clips=clips,
        measurements=measurements,
        recommendation=recommendation,
        apart=apart,
        examples=examples,
        sounds=read_examples(examples, archives),
        eda=params.eda,
        seed=params.seed,
    )
    figures = explore(clips, measurements, recommendation, apart)
    write_json(METRICS / "eda.json", figures)
    write_report(
        REPORTS / "eda.html",
        title="The recordings, explored",
        summary=summarize(clips, figures, params.eda.coverage),
        plots=draw_all(findings, PLOTS / "eda"),
        tables=tabulate(clips, figures),
    )
    for warning in warn_if_far(clips, recommendation, params.featurize):
        print(f"warning: {warning}")
    return (
        f"eda: {recommendation.sample_rate_hz} Hz and {recommendation.clip_seconds:g} s hold "
        f"{recommendation.coverage:.0%} of every class"
    )


if __name__ == "__main__":
    stage_main(main)
