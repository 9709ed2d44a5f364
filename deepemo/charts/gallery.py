"""Every picture of the evaluation, drawn into one folder."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from deepemo.charts.confidence import draw_reliability, draw_risk_coverage
from deepemo.charts.evaluation import draw_class_recall, draw_confusion, draw_gap, draw_groups
from deepemo.charts.learning import draw_learning_curves
from deepemo.charts.style import save
from deepemo.evaluation.report import Evaluation


def draw_gallery(folder: Path, evaluation: Evaluation, histories: Mapping[str, pd.DataFrame]) -> None:
    """Draw everything.

    Args:
        folder: where the PNG files go; made if missing.
        evaluation: the figures.
        histories: by model, how its training went, one row an epoch.
    """
    for predictor in evaluation.confidences:
        save(draw_confusion(evaluation, predictor), folder / f"confusion_{predictor}.png")
    save(draw_class_recall(evaluation), folder / "class_recall.png")
    save(draw_groups(evaluation), folder / "groups.png")
    save(draw_reliability(evaluation), folder / "reliability.png")
    save(draw_risk_coverage(evaluation), folder / "risk_coverage.png")
    save(draw_learning_curves(histories), folder / "learning_curves.png")
    if evaluation.gaps:
        save(draw_gap(evaluation), folder / "gap.png")
