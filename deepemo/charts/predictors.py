"""How charts of the evaluation show predictors, test roles and estimates, and the legend of all these charts."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.evaluation.groups import Estimate
from deepemo.evaluation.report import SEEN, UNSEEN, UNSEEN_CORPUS
from deepemo.models.registry import ENSEMBLE, family_names

# Okabe and Ito's palette (2008): for the model families in the order of the registry, and for their ensemble.
FAMILY_COLOURS = ("#E69F00", "#0072B2", "#CC79A7", "#D55E00", "#56B4E9", "#000000", "#F0E442")
ENSEMBLE_COLOUR = "#009E73"

ROLE_TITLES = {
    SEEN: "speakers heard in training",
    UNSEEN: "speakers never heard",
    UNSEEN_CORPUS: "a corpus never heard",
}


def predictor_colours(predictors: Iterable[str]) -> dict[str, str]:
    """The colour of each predictor, the same in every chart.

    Args:
        predictors: names of model families and of their ensemble; other names come after all families.

    Example:
        >>> predictor_colours(["transfer", "ensemble"])
        {'transfer': '#0072B2', 'ensemble': '#009E73'}
    """
    names = list(predictors)
    families = family_names()
    others = sorted(set(names) - {*families, ENSEMBLE})
    colours = dict(zip((*families, *others), cycle(FAMILY_COLOURS), strict=False)) | {ENSEMBLE: ENSEMBLE_COLOUR}
    return {name: colours[name] for name in names}


def draw_estimate(
    axes: Axes, position: float, estimate: Estimate, *, vertical: bool, colour: str, **marker: Any
) -> None:
    """Draw an estimate as a dot, and its interval as a line.

    Args:
        axes: where to draw.
        position: on the axis of names.
        estimate: value and interval; an interval of NaN is not drawn.
        vertical: whether values run along the y axis.
        colour: of dot and line.
        marker: further style of the dot, for `Axes.plot`.
    """
    line, dot = ([position, position], [estimate.low, estimate.high]), ([position], [estimate.value])
    if not vertical:
        line, dot = line[::-1], dot[::-1]
    axes.plot(*line, color=colour, linewidth=1.5, alpha=0.7, solid_capstyle="butt")
    axes.plot(*dot, color=colour, marker="o", linestyle="none", clip_on=False, **marker)


def draw_legend(figure: Figure, axes: Axes, *, above: bool = False) -> None:
    """Explain the labelled lines and dots of some axes.

    The legend has one row if that fits the width of the figure, else as few rows as fit it. The entries are read row by
    row in the order in which they were drawn.

    Args:
        figure: the figure.
        axes: those of its axes whose lines and dots are explained.
        above: write the legend above the axes; by default it is at the bottom of the figure, in place of a note.
    """
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    place: dict[str, Any] = {"loc": "outside lower center"}
    if above:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    for rows in range(1, len(entries) + 1):
        columns = -(-len(entries) // rows)
        # matplotlib fills a legend column by column, and gives the first columns the entries that are left over.
        handles, labels = zip(*(entry for first in range(columns) for entry in entries[first::columns]), strict=True)
        legend = (axes if above else figure).legend(handles, labels, ncols=columns, **place)
        if legend.get_window_extent().width <= figure.bbox.width or columns == 1:
            return
        legend.remove()
