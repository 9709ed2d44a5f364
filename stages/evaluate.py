"""Stage `evaluate`: how good the models and their ensemble are on clips and speakers they never learned from."""

from pathlib import Path

import pandas as pd

from deepemo.charts.evaluation import draw_all
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.shards import read_features, read_spec
from deepemo.dataset.split import TRAIN, VALIDATION, read_split, voices_heard
from deepemo.evaluation import leakage
from deepemo.evaluation.agreement import score_by_agreement
from deepemo.evaluation.confidence import fit_confidence
from deepemo.evaluation.ensemble import fit_weights
from deepemo.evaluation.files import headlines, write_details, write_plot_files
from deepemo.evaluation.known_voices import judge_known_voices, known_voice_figures
from deepemo.evaluation.other_origin import fit_other_origins
from deepemo.evaluation.predictions import LEFT_OUT, predict, read_predictions, write_predictions
from deepemo.evaluation.references import components_of, voice_part
from deepemo.evaluation.report import SEEN, UNSEEN, evaluate
from deepemo.files import (
    CLIPS,
    METRICS,
    MODELS,
    PLOTS,
    PREDICTIONS,
    RAW,
    REPORTS,
    SPLIT,
    read_json,
    write_json,
    write_text,
)
from deepemo.models.family import ABOUT_FILE
from deepemo.models.registry import family_names, load_family
from deepemo.models.saved import check_fed, load_model
from deepemo.params import Params
from deepemo.reporting.model_card import CardInputs, write_card
from deepemo.reporting.revision import git_revision, package_versions
from deepemo.serving.bundle import write_bundle
from deepemo.serving.record import record_run
from deepemo.training.seeding import seed_everything
from stages._run import stage_main


def main(params: Params) -> str:
    """Write metrics, plots, the model card, the predictions, and the bundle that serving reads."""
    seed_everything(params.seed)
    split, clips = read_split(SPLIT, params.emotions), read_clips(CLIPS)
    leakage.check_roles(split, source=str(SPLIT))
    leakage.check_content(split, good_clips(clips), source=str(CLIPS))
    models = {name: load_model(MODELS / name, params.emotions) for name in family_names()}
    for name, model in models.items():
        source = str(MODELS / name / ABOUT_FILE)
        leakage.check_fitted_on(model.about.get("trained_on"), split, TRAIN, source=source)
        shards = load_family(name).shards
        check_fed(model.about, read_spec(shards), source=source, shards=shards)

    judged = split[split["role"] != TRAIN]
    predictions = predict(
        judged,
        {
            name: (
                model,
                read_features(load_family(name).shards, judged["clip"], batch_size=params.evaluate.batch_size),
            )
            for name, model in models.items()
        },
        params.emotions,
    )
    heard = voices_heard(split)
    weights = fit_weights(predictions.where("role", VALIDATION), heard)
    predictions = predictions.with_ensemble(weights)
    write_predictions(PREDICTIONS, predictions)

    validation = predictions.where("role", VALIDATION)
    confidences = {
        name: fit_confidence(validation, name, params.evaluate.wanted_accuracy) for name in predictions.predictors
    }
    for name, confidence in confidences.items():
        leakage.check_fitted_on(confidence.fitted_on, split, VALIDATION, source=f"calibration of {name}")
    cross_corpus = read_json(METRICS / "cross_corpus.json", expected="the figures of the stage cross_corpus")
    pairs = read_json(METRICS / "cross_corpus_pairs.json", expected="the pairs of corpora of the stage cross_corpus")
    other_origins = (
        fit_other_origins(read_predictions(LEFT_OUT, params.emotions), confidences) if cross_corpus["asked"] else {}
    )
    evaluation = evaluate(
        predictions,
        confidences,
        ensemble_weights=weights,
        heard=heard,
        majority_emotion=split.loc[split["role"] == TRAIN, "emotion"].mode()[0],
        cross_corpus=cross_corpus,
        other_origins=other_origins,
        samples=params.evaluate.bootstrap_samples,
        seed=params.seed,
    )
    known = None
    if (found := voice_part(models)) is not None:
        part, model = found
        embeddings = read_features(load_family(part).shards, judged["clip"], batch_size=params.evaluate.batch_size)
        known = judge_known_voices(
            predictions,
            part,
            model,
            components_of(model, embeddings, judged["clip"]),
            heard=heard,
            cross_corpus=cross_corpus,
            wanted_accuracy=params.evaluate.wanted_accuracy,
            samples=params.evaluate.bootstrap_samples,
            seed=params.seed,
        )
    write_json(METRICS / "evaluate.json", {**headlines(evaluation), **known_voice_figures(known)})
    write_details(METRICS / "evaluate_details.json", evaluation)
    write_plot_files(PLOTS, evaluation, (SEEN, UNSEEN))
    histories = {name: pd.read_csv(PLOTS / f"learning_curve_{name}.csv") for name in models}
    draw_all(PLOTS / "evaluate", evaluation, histories, pairs)

    abouts = {name: model.about for name, model in models.items()}
    provenance = [read_json(path, expected="the provenance of a corpus") for path in sorted(RAW.glob("*.json"))]
    gate = read_json(METRICS / "gate.json", expected="the error rates of the voice gate")
    revision, versions = git_revision(Path.cwd()), package_versions()
    card = write_card(
        CardInputs(
            evaluation=evaluation,
            known_voices=known,
            pairs=pairs,
            agreement=score_by_agreement(
                predictions,
                evaluation.chosen,
                clips,
                samples=params.evaluate.bootstrap_samples,
                seed=params.seed,
            ),
            split=split,
            clips=clips,
            provenance=provenance,
            models=abouts,
            gate=gate,
            params=params,
            revision=revision,
            versions=versions,
            pictures="../plots/evaluate",
        )
    )
    write_text(REPORTS / "model_card.md", card)
    bundle = record_run(
        MODELS,
        abouts,
        evaluation,
        known,
        split=split,
        clips=good_clips(clips),
        provenance=provenance,
        gate=gate,
        params=params,
        revision=revision,
        versions=versions,
    )
    write_bundle(MODELS, bundle, card)
    uars = ", ".join(
        f"{role} {report.predictors[evaluation.chosen].overall.uar.value:.1%}"
        for role, report in evaluation.roles.items()
    )
    return f"evaluate: {evaluation.chosen}, best on validation, has a UAR on {uars}"


if __name__ == "__main__":
    stage_main(main)
