"""Stage `robustness`: the predictors in adverse conditions, on clips of speakers they never heard."""

from deepemo.charts.robustness import draw_conditions
from deepemo.charts.style import save
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.split import read_split
from deepemo.emotions import check_emotions
from deepemo.evaluation.conditions import explain
from deepemo.evaluation.robustness import figures, judge, predict_conditions, sample_clips
from deepemo.files import CLIPS, METRICS, MODELS, PLOTS, RAW, REPORTS, SPLIT, write_json, write_text
from deepemo.models.saved import load_model
from deepemo.params import Params
from deepemo.reporting.robustness import write_report
from deepemo.serving.bundle import BUNDLE_FILE
from deepemo.serving.models_folder import check_parts, read_bundle
from deepemo.training.seeding import seed_everything
from stages._run import stage_main


def main(params: Params) -> str:
    """Write metrics, a picture and a report for the predictors that `evaluate` recorded in the bundle."""
    seed_everything(params.seed)
    section, bundle = params.robustness, read_bundle(MODELS)
    check_emotions(bundle.emotions, params.emotions, source=str(MODELS / BUNDLE_FILE), whose="params.yaml")
    check_parts(MODELS, bundle, bundle.parts)
    predicted = predict_conditions(
        section,
        models={name: load_model(MODELS / name, params.emotions) for name in bundle.parts},
        drawn=sample_clips(read_split(SPLIT, params.emotions), section.clips, seed=params.seed),
        clips=good_clips(read_clips(CLIPS)),
        raw_dir=RAW,
        emotions=params.emotions,
        seed=params.seed,
    )
    report = judge(
        predicted,
        {name: dict(zip(record.parts, record.weights, strict=True)) for name, record in bundle.predictors.items()},
        samples=section.bootstrap_samples,
        seed=params.seed,
    )
    write_json(METRICS / "robustness.json", figures(report))
    save(draw_conditions(report), PLOTS / "robustness/conditions.png")
    text = write_report(report, explain(section), default=bundle.default, picture="../plots/robustness/conditions.png")
    write_text(REPORTS / "robustness.md", text)
    worst = report.worst(bundle.default)
    change = report.scores[bundle.default][worst].uar_change.value
    return (
        f"robustness: {bundle.default} loses most in {worst}, {-100 * change:.1f} points of UAR on {report.clips} clips"
    )


if __name__ == "__main__":
    stage_main(main)
