"""How charts of the evaluation show predictors, test roles and estimates."""

from collections.abc import Iterable
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes

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
