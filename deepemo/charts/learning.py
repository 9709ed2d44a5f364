"""The picture of how the models learned."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from deepemo.charts.predictors import PREDICTOR_COLOURS
from deepemo.charts.style import per_cent, styled

COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_uar")


def _last_phase(history: pd.DataFrame) -> int:
    """Row at which the last phase of training starts; the weights kept are the best of that phase."""
    phases = history["phase"] if "phase" in history else pd.Series("", index=history.index)
    return int((phases == phases.iloc[-1]).to_numpy().argmax())


@styled
def draw_learning_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and scores of every model over its epochs, in one picture.

    Args:
        histories: by model, one row an epoch with the columns `COLUMNS`, and `phase` where training has several.
    """
    figure = Figure(figsize=(9, 4))
    losses, figures = figure.subplots(1, 2)
    for model, history in histories.items():
        colour = PREDICTOR_COLOURS[model]
        epochs = range(1, len(history) + 1)
        losses.plot(epochs, history["loss"], color=colour, linestyle="--", label=f"{model}, training")
        losses.plot(epochs, history["val_loss"], color=colour, label=f"{model}, validation")
        figures.plot(epochs, history["accuracy"], color=colour, linestyle="--", label=f"{model}, training accuracy")
        figures.plot(epochs, history["val_uar"], color=colour, label=f"{model}, validation UAR")
        start = _last_phase(history)
        best = start + int(history["val_loss"].to_numpy()[start:].argmin())
        kept = float(history["val_uar"].to_numpy()[best])
        figures.plot(best + 1, kept, "o", color=colour, markeredgecolor="black")
        figures.annotate(
            f"{100 * kept:.1f} %",
            (best + 1, kept),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )
        for axes in (losses, figures):
            if start:
                axes.axvline(
                    start + 0.5, color=colour, linestyle=":", label=f"{model}, {history['phase'].iloc[-1]} starts"
                )
    losses.set_ylabel("cross-entropy")
    losses.set_ylim(bottom=0)
    figures.set_ylim(0, 1)
    per_cent(figures.yaxis)
    for axes in (losses, figures):
        axes.set_xlabel("epoch")
        axes.legend(loc="upper right" if axes is losses else "lower right")
    figure.suptitle("How the models learned (training: on clips as they were shown; dots: the epoch kept)")
    return figure
