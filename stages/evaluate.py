"""Stage `evaluate`: how good both models and their mean are on clips and speakers they never learned from."""

from pathlib import Path

from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.shards import read_features
from deepemo.dataset.splitting import TRAIN, VALIDATION, read_split
from deepemo.learning import leaks
from deepemo.learning.confidence import fit_confidence, write_confidences
from deepemo.learning.evaluation import UNSEEN, evaluate
from deepemo.learning.metrics_files import details, headlines, write_json
from deepemo.learning.predictions import predict, write_predictions
from deepemo.networks.classifier import Classifier
from deepemo.networks.storage import ABOUT_FILE
from deepemo.params import Params
from stages._run import stage_main

MODELS = {"shallow": Path("models/shallow"), "transfer": Path("models/transfer")}


def main(params: Params) -> str:
    """Write metrics, plots, the model card, the predictions, and what serving needs to know of confidence."""
    split = read_split(Path("data/split.csv"))
    leaks.check_roles(split)
    leaks.check_content(split, good_clips(read_clips(Path("data/clips.csv"))))
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
    uars = (f"{name} {report.overall.uar.value:.1%}" for name, report in evaluation.roles[UNSEEN].predictors.items())
    return f"evaluate: UAR on speakers never heard: {', '.join(uars)}"


if __name__ == "__main__":
    stage_main(main)
