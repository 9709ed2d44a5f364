"""Stage `evaluate`: how good both models and their mean are on clips and speakers they never learned from."""

import json
from pathlib import Path

import pandas as pd

from deepemo.charts.gallery import draw_gallery
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.shards import read_features
from deepemo.dataset.splitting import TRAIN, VALIDATION, read_split
from deepemo.learning import leaks
from deepemo.learning.confidence import fit_confidence, write_confidences
from deepemo.learning.evaluation import SEEN, UNSEEN, evaluate
from deepemo.learning.metrics_files import details, headlines, write_json
from deepemo.learning.plot_files import write_plot_files
from deepemo.learning.predictions import predict, write_predictions
from deepemo.learning.training import seed_everything
from deepemo.networks.classifier import Classifier
from deepemo.networks.storage import ABOUT_FILE
from deepemo.params import Params
from deepemo.reporting.lineage import git_revision, package_versions
from deepemo.reporting.model_card import CardInputs, write_card
from stages._run import stage_main

MODELS = {"shallow": Path("models/shallow"), "transfer": Path("models/transfer")}


def main(params: Params) -> str:
    """Write metrics, plots, the model card, the predictions, and what serving needs to know of confidence."""
    seed_everything(params.seed)
    split = read_split(Path("data/split.csv"))
    clips = read_clips(Path("data/clips.csv"))
    leaks.check_roles(split)
    leaks.check_content(split, good_clips(clips))
    models = {name: Classifier.load(folder) for name, folder in MODELS.items()}
    for name, model in models.items():
        leaks.check_fitted_on(model.about.get("trained_on"), split, TRAIN, str(MODELS[name] / ABOUT_FILE))

    judged = split[split["role"] != TRAIN]
    batches = read_features(Path("data/features"), judged["clip"], batch_size=params.evaluate.batch_size)
    predictions = predict(models, judged, batches).with_mean()
    write_predictions(Path("data/predictions.csv"), predictions)

    validation = predictions.where("role", VALIDATION)
    confidences = {
        name: fit_confidence(validation, name, params.evaluate.wanted_accuracy) for name in predictions.predictors
    }
    for name, confidence in confidences.items():
        leaks.check_fitted_on(confidence.fitted_on, split, VALIDATION, f"calibration of {name}")
    write_confidences(Path("models/serving/calibration.json"), confidences)

    evaluation = evaluate(
        predictions,
        confidences,
        majority_emotion=split.loc[split["role"] == TRAIN, "emotion"].mode()[0],
        samples=params.evaluate.bootstrap_samples,
        seed=params.seed,
    )
    write_json(Path("metrics/evaluate.json"), headlines(evaluation))
    write_json(Path("metrics/evaluate_details.json"), details(evaluation))
    write_plot_files(Path("plots"), evaluation, (SEEN, UNSEEN))
    histories = {name: pd.read_csv(f"plots/learning_curve_{name}.csv") for name in MODELS}
    draw_gallery(Path("plots/evaluate"), evaluation, histories)
    card = CardInputs(
        evaluation=evaluation,
        split=split,
        clips=clips,
        provenance=[json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path("data/raw").glob("*.json"))],
        models={name: model.about for name, model in models.items()},
        gate=json.loads(Path("metrics/gate.json").read_text(encoding="utf-8")),
        params=params.model_dump(by_alias=True),
        revision=git_revision(Path.cwd()),
        versions=package_versions(),
        pictures="../plots/evaluate",
    )
    Path("reports").mkdir(exist_ok=True)
    Path("reports/model_card.md").write_text(write_card(card), encoding="utf-8")
    uars = ", ".join(
        f"{role} {report.predictors[evaluation.chosen].overall.uar.value:.1%}"
        for role, report in evaluation.roles.items()
    )
    return f"evaluate: {evaluation.chosen}, best on validation, has a UAR on {uars}"


if __name__ == "__main__":
    stage_main(main)
