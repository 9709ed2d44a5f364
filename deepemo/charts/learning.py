"""The picture of how the models learned."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from deepemo.charts.predictors import PREDICTOR_COLOURS, per_cent

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_uar")


def draw_learning_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and scores of every model over its epochs, in one picture.

    Args:
        histories: by model, rows of `COLUMNS`, one an epoch.
    """
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    losses, figures = figure.subplots(1, 2)
    for model, history in histories.items():
        colour = PREDICTOR_COLOURS[model]
        losses.plot(history["epoch"], history["loss"], color=colour, linestyle="--", label=f"{model}, training")
        losses.plot(history["epoch"], history["val_loss"], color=colour, label=f"{model}, validation")
        best = history.iloc[int(history["val_uar"].to_numpy().argmax())]
        figures.plot(
            history["epoch"], history["accuracy"], color=colour, linestyle="--", label=f"{model}, training accuracy"
        )
        figures.plot(history["epoch"], history["val_uar"], color=colour, label=f"{model}, validation UAR")
        figures.plot(best["epoch"], best["val_uar"], "o", color=colour, markeredgecolor="black")
        figures.annotate(
            f"{100 * best['val_uar']:.1f} %", (best["epoch"], best["val_uar"]), (0, 7), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    losses.set_ylabel("cross-entropy")
    losses.set_ylim(bottom=0)
    figures.set_ylim(0, 1)
    per_cent(figures.yaxis)
    for axes in (losses, figures):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.suptitle("How the models learned (training figures are taken on augmented views; dots: the epoch kept)")
    return figure
