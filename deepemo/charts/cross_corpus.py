"""The chart of corpora left out of training in turn: UAR of the models on each corpus that they never heard."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from deepemo.charts.predictors import draw_estimate, draw_legend, predictor_colours
from deepemo.charts.style import caption, page_figure, per_cent, styled
from deepemo.evaluation.groups import Estimate

# Largest distance of a predictor's dot from the middle of a corpus's name, where names are 1 apart.
MAX_OFFSET = 0.26
NOTE = (
    "Dots: models that learned from the other corpora alone. Lines: 95 % intervals by the bootstrap over speakers. "
    "Dotted: chance, guessing among the emotions that a corpus has. Diamonds: mean over the corpora, which has no "
    "interval, for corpora are few."
)


@styled
def draw_cross_corpus(summary: Mapping[str, Any]) -> Figure:
    """UAR of each predictor on each corpus that it never heard, its mean over them, and chance.

    Args:
        summary: content of metrics/cross_corpus.json, of at least one corpus.
    """
    figure = page_figure(4.0)
    caption(figure, "How good the models are on corpora they never heard", NOTE)
    axes = figure.subplots()
    corpora, means = summary["corpora"], summary["mean"]
    colours = predictor_colours(means)
    for predictor, offset in zip(means, np.linspace(-MAX_OFFSET, MAX_OFFSET, len(means)), strict=True):
        colour = colours[predictor]
        axes.plot([], [], "o", color=colour, label=predictor)
        for position, corpus in enumerate(corpora.values()):
            found = corpus["predictors"][predictor]
            low, high = (np.nan if end is None else end for end in found["uar_ci95"])
            estimate = Estimate(found["uar"], low, high)
            draw_estimate(axes, position + offset, estimate, vertical=True, colour=colour)
        mean = means[predictor]["uar"]
        axes.plot(len(corpora) + offset, mean, "D", color=colour, markersize=7, clip_on=False)
        axes.annotate(
            f"{100 * mean:.1f}", (len(corpora) + offset, mean), (0, 8), textcoords="offset points",
            ha="center", fontsize=7,
        )  # fmt: skip
    for position, chance in enumerate([*(corpus["chance"]["uar"] for corpus in corpora.values()), None]):
        value = summary["chance"]["uar"] if chance is None else chance
        label = "chance" if position == 0 else None
        axes.plot([position - 0.4, position + 0.4], [value, value], color="0.5", linestyle=":", label=label)
    names = [f"{name}\n{corpus['clips']} clips\n{corpus['speakers']} speakers" for name, corpus in corpora.items()]
    axes.set_xticks(range(len(corpora) + 1), [*names, "mean over\ncorpora"])
    axes.axvline(len(corpora) - 0.5, color="0.8", linewidth=0.8)
    axes.set_xlim(-0.5, len(corpora) + 0.5)
    axes.set_ylim(0, 1)
    axes.grid(visible=False, axis="x")
    per_cent(axes.yaxis)
    axes.set_ylabel("UAR")
    draw_legend(figure, axes, above=True)
    return figure
