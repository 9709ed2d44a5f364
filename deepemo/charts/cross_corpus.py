"""Charts of corpora never heard: each left out of training in turn, and each judged by models of one other alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deepemo.charts.predictors import draw_estimate, draw_legend, predictor_colours
from deepemo.charts.style import DARK_SHARE, PAGE_WIDTH, caption, grid_of, page_figure, per_cent, styled
from deepemo.dataset.split import TEST_SEEN
from deepemo.evaluation.groups import Estimate

# Largest distance of a predictor's dot from the middle of a corpus's name, where names are 1 apart.
MAX_OFFSET = 0.26
NOTE = (
    "Dots: models that learned from the other corpora alone. Lines: 95 % intervals by the bootstrap over speakers. "
    "Dotted: chance, guessing among the emotions that a corpus has. Diamonds: mean over the corpora, which has no "
    "interval, for corpora are few."
)

PAIRS_NOTE = (
    "Cells: UAR in per cent over the emotions that both corpora have. Framed: new clips of the corpus that the models "
    "learned from, of speakers never heard{heard}. In brackets: the 95 % interval by the bootstrap over speakers is "
    "not above chance, which is {chance}."
)
# With more corpora than this, two panels fill the width of a page.
MOST_OF_THREE_PANELS = 5


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


@styled
def draw_pairs(pairs: Mapping[str, Any]) -> Figure:
    """UAR by the corpus that models learned from alone and the corpus that they are judged on, a panel a predictor.

    Args:
        pairs: content of metrics/cross_corpus_pairs.json, of at least one pair that was judged.
    """
    corpora, predictors = pairs["corpora"], list(pairs["mean"])
    rows, columns = grid_of(len(predictors), columns=3 if len(corpora) <= MOST_OF_THREE_PANELS else 2)
    figure = page_figure(2.0 + rows * PAGE_WIDTH / (columns + 0.5))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for number, (axes, predictor) in enumerate(zip(panels, predictors, strict=False)):
        _draw_panel(axes, pairs, predictor)
        axes.set_title(predictor)
        if number % columns == 0:
            axes.set_ylabel("learned from, alone")
        last = number + columns >= len(predictors)
        if last:
            axes.set_xlabel("judged on")
        axes.tick_params(labelleft=number % columns == 0, labelbottom=last)
    for axes in panels[len(predictors) :]:
        axes.set_visible(False)
    cells = [cell for row in pairs["trained_on"].values() for cell in row["judged_on"].values()]
    chances = sorted({f"{100 * cell['chance']['uar']:.0f} %" for cell in cells})
    heard = any(cell["role"] == TEST_SEEN for cell in cells)
    note = PAIRS_NOTE.format(
        heard=" (*: of speakers heard, for there are no others)" if heard else "",
        chance=" to ".join(dict.fromkeys([chances[0], chances[-1]])),
    )
    caption(figure, "What models that learned from one corpus alone are worth on every corpus", note)
    return figure


def _draw_panel(axes: Axes, pairs: Mapping[str, Any], predictor: str) -> None:
    corpora = pairs["corpora"]
    style: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "fontsize": 8 if len(corpora) <= MOST_OF_THREE_PANELS else 6,
    }
    uars = np.full((len(corpora), len(corpora)), np.nan)
    for row, learned in enumerate(corpora):
        judged_on = pairs["trained_on"].get(learned, {}).get("judged_on", {})
        for column, judged in enumerate(corpora):
            cell = judged_on.get(judged)
            if cell is None:
                axes.text(column, row, "-", color="0.5", **style)
                continue
            uars[row, column] = cell["predictors"][predictor]["uar"]
            colour = "white" if uars[row, column] > DARK_SHARE else "black"
            axes.text(column, row, _cell_text(cell, predictor), color=colour, **style)
    axes.imshow(uars, cmap="Blues", vmin=0, vmax=1)
    for place in range(len(corpora)):
        axes.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor="black", clip_on=False))
    axes.set_xticks(range(len(corpora)), corpora, rotation=90)
    axes.set_yticks(range(len(corpora)), corpora)
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _cell_text(cell: Mapping[str, Any], predictor: str) -> str:
    """UAR in per cent, in brackets unless its interval is above chance, with a star if the speakers were heard."""
    figures = cell["predictors"][predictor]
    low = figures["uar_ci95"][0]
    text = f"{100 * figures['uar']:.0f}" + ("*" if cell["role"] == TEST_SEEN else "")
    return text if (figures["uar"] if low is None else low) > cell["chance"]["uar"] else f"({text})"
