"""Pictures of the evaluation, one function a picture."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.emotions import EMOTIONS
from deepemo.learning.evaluation import Evaluation
from deepemo.learning.predictions import Ints

DPI = 120
PREDICTOR_COLOURS = {"shallow": "#E69F00", "transfer": "#0072B2", "ensemble": "#009E73"}
ROLE_TITLES = {
    "seen_speakers": "speakers heard in training",
    "unseen_speakers": "speakers never heard",
    "unseen_corpus": "a corpus never heard",
}


def _matrix(axes: Axes, counts: Ints) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(EMOTIONS)):
        for column in range(len(EMOTIONS)):
            if totals[row, 0]:
                share, colour = shares[row, column], "white" if shares[row, column] > 0.55 else "black"
                axes.text(column, row - 0.08, f"{share:.0%}", ha="center", va="center", fontsize=9, color=colour)
                axes.text(
                    column, row + 0.28, f"{counts[row, column]}", ha="center", va="center", fontsize=6, color=colour
                )
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=45, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_xlabel("predicted")


def confusion(evaluation: Evaluation, predictor: str) -> Figure:
    """One predictor's confusion matrices, a panel a test role: recall in per cent, clips below it."""
    figure = Figure(figsize=(5.2 * len(evaluation.roles), 5.4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(evaluation.roles)))
    for axes, (name, role) in zip(panels, evaluation.roles.items(), strict=True):
        overall = role.predictors[predictor].overall
        _matrix(axes, overall.counts)
        axes.set_title(f"{ROLE_TITLES[name]}\naccuracy {overall.accuracy.value:.1%}, UAR {overall.uar.value:.1%}")
    panels[0].set_ylabel("actual")
    figure.suptitle(f"{predictor}: what the clips of each emotion are named")
    return figure
