"""The small tables that `dvc plots show` and `dvc plots diff` draw."""

from pathlib import Path

import pandas as pd

from deepemo.emotions import EMOTIONS
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.predictions import Ints
from deepemo.evaluation.report import Evaluation

CONFUSION_COLUMNS = ("actual", "predicted", "clips", "recall")
RECALL_COLUMNS = ("role", "predictor", "emotion", "recall", "low", "high")


def confusion_table(counts: Ints) -> pd.DataFrame:
    """One row a pair of emotions, in their order: clips so named, and their share of the actual emotion's clips.

    Args:
        counts: [7, 7], actual by predicted.
    """
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    rows = [
        (actual, predicted, counts[row, column], shares[row, column])
        for row, actual in enumerate(EMOTIONS)
        for column, predicted in enumerate(EMOTIONS)
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


def _write(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False, float_format="%.4f", lineterminator="\n")


def write_plot_files(folder: Path, evaluation: Evaluation, roles: tuple[str, ...]) -> None:
    """Write `confusion_<predictor>_<role>.csv` for each predictor and role, and `class_recall.csv`.

    Args:
        folder: where to.
        evaluation: what to draw.
        roles: which test roles have a table each; one without clips has counts of 0, so that the file is there.
    """
    empty = scores.confusion(*(pd.Series(dtype="int64").to_numpy(),) * 2)
    for predictor in evaluation.confidences:
        for role in roles:
            report = evaluation.roles.get(role)
            counts = report.predictors[predictor].overall.counts if report else empty
            _write(folder / f"confusion_{predictor}_{role}.csv", confusion_table(counts))
    _write(folder / "class_recall.csv", recall_table(evaluation))
