"""The evaluation as files: a few figures for `dvc metrics diff`, all figures with intervals, and tables for plots."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.arrays import Int64Array
from deepemo.emotions import Emotions
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.comparison import Comparison
from deepemo.evaluation.confidence import Operating
from deepemo.evaluation.groups import EmotionScores, Estimate, GroupScores
from deepemo.evaluation.metrics import rounded
from deepemo.evaluation.other_origin import OtherOrigin
from deepemo.evaluation.report import LEFT_OUT_CORPORA, Evaluation, PredictorReport
from deepemo.files import write_csv, write_text

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.25)
CONFUSION_COLUMNS = ("actual", "predicted", "clips", "recall")
RECALL_COLUMNS = ("role", "predictor", "emotion", "recall", "low", "high")


def _estimate(name: str, estimate: Estimate) -> dict[str, Any]:
    return {name: rounded(estimate.value), f"{name}_ci95": estimate.interval}


def _estimates(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {key: value for name, estimate in estimates.items() for key, value in _estimate(name, estimate).items()}


def headlines(evaluation: Evaluation) -> dict[str, Any]:
    """Content of metrics/evaluate.json: plain numbers, by predictor and test role, with chance and majority.

    The figures answer three questions: how good a predictor is on speakers it heard, on speakers it never heard, and on
    corpora it never heard, each left out in turn. The last has answers only for the predictors that were trained
    without each corpus. If there are none, a reason is given instead.
    """
    chance = rounded(evaluation.chance)
    content: dict[str, Any] = {
        "chance": {"accuracy": chance, "uar": chance},
        "majority": {},
    }
    for name, role in evaluation.roles.items():
        content["majority"][name] = {
            **{figure: rounded(value) for figure, value in role.majority.items()},
            "clips": role.clips,
        }
        for predictor, report in role.predictors.items():
            content.setdefault(predictor, {})[name] = {
                **{figure: rounded(getattr(report.overall, figure).value) for figure in scores.HEADLINES},
                "clips": role.clips,
            }
    for predictor, mean in evaluation.cross_corpus["mean"].items():
        content[predictor][LEFT_OUT_CORPORA] = {name: mean[name] for name in ("accuracy", "uar", "clips", "corpora")}
    if evaluation.cross_corpus["asked"]:
        content["chance"][LEFT_OUT_CORPORA] = evaluation.cross_corpus["chance"]
    else:
        content[LEFT_OUT_CORPORA] = {"not_asked": evaluation.cross_corpus["reason"]}
    for predictor, gaps in evaluation.gaps.items():
        content[predictor]["seen_minus_unseen"] = {figure: rounded(gap.value) for figure, gap in gaps.items()}
    return content


def _group(group: GroupScores) -> dict[str, Any]:
    return {
        "clips": group.clips,
        "speakers": group.speakers,
        **({"emotions_missing": missing} if (missing := group.missing) else {}),
        "resampled_by": group.resampled_by,
        **_estimates({figure: getattr(group, figure) for figure in scores.HEADLINES}),
    }


def _emotion(emotion: EmotionScores) -> dict[str, Any]:
    estimates = {"recall": emotion.recall, "precision": emotion.precision, "f1": emotion.f1}
    return {"clips": emotion.clips, **_estimates(estimates)}


def _predictor(report: PredictorReport) -> dict[str, Any]:
    confidence = report.confidence
    return {
        **_group(report.overall),
        "emotions": {name: _emotion(emotion) for name, emotion in report.overall.emotions.items()},
        "corpora": {name: _group(group) for name, group in report.corpora.items()},
        "languages": {name: _group(group) for name, group in report.languages.items()},
        "genders": {name: _group(group) for name, group in report.genders.items()},
        "corpora_genders": {name: _group(group) for name, group in report.corpora_genders.items()},
        "female_minus_male": _estimates(report.gender_gap),
        "calibration": {
            "ece_before": rounded(confidence.before.ece),
            "ece_after": rounded(confidence.after.ece),
            "nll_before": rounded(confidence.nll_before),
            "nll_after": rounded(confidence.nll_after),
        },
        "answering_when_sure": {
            "at_threshold": _operating(confidence.operating),
            "area_under_risk_coverage": rounded(confidence.curve.area),
            "accuracy_at_coverage": {
                f"{coverage:g}": rounded(confidence.curve.accuracy_at(coverage)) for coverage in COVERAGES
            },
        },
        "most_confused": [asdict(mistake) | {"share": rounded(mistake.share)} for mistake in report.confused[:10]],
        "accuracy_by_speaker": {name: rounded(accuracy) for name, (_, accuracy) in report.speakers.items()},
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    test = comparison.mcnemar
    return {
        "resampled_by": comparison.resampled_by,
        **{
            figure: {
                "difference": rounded(found.value),
                "ci95": [rounded(found.low), rounded(found.high)],
                "p": float(f"{found.p:.3g}"),
            }
            for figure, found in comparison.differences.items()
        },
        "mcnemar": {
            f"only_{comparison.first}_right": test.first_only,
            f"only_{comparison.second}_right": test.second_only,
            "p": float(f"{test.p:.3g}"),
        },
    }


def _operating(found: Operating) -> dict[str, Any]:
    return {"coverage": rounded(found.coverage), "accuracy": rounded(found.accuracy)}


def _other_origin(found: OtherOrigin) -> dict[str, Any]:
    return {
        "temperature": rounded(found.temperature),
        "threshold": rounded(found.threshold),
        "wanted_accuracy": found.wanted_accuracy,
        "reached": found.reached,
        "on_corpora_left_out": _operating(found.left_out),
        "tested": {name: _operating(result) for name, result in found.tested.items()},
        "tested_overall": _operating(found.tested_overall) if found.tested_overall else None,
        "by_validation": _operating(found.by_validation),
        "clips": found.fitted_on["clips"],
    }


def details(evaluation: Evaluation) -> dict[str, Any]:
    """Content of metrics/evaluate_details.json: every figure with its interval."""
    return {
        "resamples": evaluation.resamples,
        "majority_emotion": evaluation.majority_emotion,
        "chosen_on_validation": evaluation.chosen,
        "ensemble_weights": evaluation.ensemble_weights,
        "confidence": {
            name: {
                "temperature": rounded(confidence.temperature),
                "threshold": rounded(confidence.threshold),
                "wanted_accuracy": confidence.wanted_accuracy,
                "validation_uar": rounded(evaluation.validation_uar[name]),
                "validation_coverage": rounded(confidence.validation.coverage),
                "validation_accuracy": rounded(confidence.validation.accuracy),
                "validation_clips": confidence.fitted_on["clips"],
            }
            for name, confidence in evaluation.confidences.items()
        },
        "other_origin": {name: _other_origin(found) for name, found in evaluation.other_origins.items()},
        "seen_minus_unseen": {
            predictor: {
                "overall": _estimates(evaluation.gaps[predictor]),
                "corpora": {corpus: _estimates(gaps) for corpus, gaps in evaluation.corpus_gaps[predictor].items()},
            }
            for predictor in evaluation.gaps
        },
        "roles": {
            name: {
                "clips": role.clips,
                "speakers": role.speakers,
                "predictors": {predictor: _predictor(report) for predictor, report in role.predictors.items()},
                "comparisons": {
                    f"{comparison.first}_minus_{comparison.second}": _comparison(comparison)
                    for comparison in role.comparisons
                },
            }
            for name, role in evaluation.roles.items()
        },
    }


def write_details(path: Path, evaluation: Evaluation) -> None:
    """Write `details` as JSON for people and for diffs: indented, with lists of plain values on one line."""
    text = json.dumps(details(evaluation), indent=2, allow_nan=False)
    text = re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda plain: "[" + " ".join(plain.group(1).split()) + "]", text)
    write_text(path, text + "\n")


def confusion_table(counts: Int64Array, emotions: Emotions) -> pd.DataFrame:
    """One row per pair of emotions, in their order: the number of clips, and their share of the actual emotion's clips.

    Args:
        counts: [classes, classes], actual by predicted.
        emotions: the classes.
    """
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    rows = [
        (actual, predicted, counts[row, column], shares[row, column])
        for row, actual in enumerate(emotions)
        for column, predicted in enumerate(emotions)
    ]
    return pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS))


def recall_table(evaluation: Evaluation) -> pd.DataFrame:
    """Recall of each emotion by each predictor on each test role, with its interval."""
    rows = [
        (role, predictor, emotion, found.recall.value, found.recall.low, found.recall.high)
        for role, report in evaluation.roles.items()
        for predictor, predicted in report.predictors.items()
        for emotion, found in predicted.overall.emotions.items()
    ]
    return pd.DataFrame(rows, columns=list(RECALL_COLUMNS))


def write_plot_files(folder: Path, evaluation: Evaluation, roles: tuple[str, ...]) -> None:
    """Write `confusion/<predictor>_<role>.csv` for each predictor and role, and `class_recall.csv`.

    Args:
        folder: folder to write to.
        evaluation: what to draw.
        roles: test roles that get a table; in the table of a role without clips, all counts are 0.
    """
    nobody, emotions = pd.Series(dtype="int64").to_numpy(), evaluation.emotions
    empty = scores.confusion(nobody, nobody, len(emotions))
    for predictor in evaluation.confidences:
        for role in roles:
            report = evaluation.roles.get(role)
            counts = report.predictors[predictor].overall.counts if report else empty
            table = confusion_table(counts, emotions)
            write_csv(folder / "confusion" / f"{predictor}_{role}.csv", table, float_format="%.4f")
    write_csv(folder / "class_recall.csv", recall_table(evaluation), float_format="%.4f")
