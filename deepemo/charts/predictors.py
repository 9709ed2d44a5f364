"""How predictors and test roles look and are called in every picture of the evaluation."""

from typing import Any

from matplotlib.axes import Axes

from deepemo.evaluation.groups import Estimate

# Of Okabe and Ito's palette (2008), as the emotions' colours.
PREDICTOR_COLOURS = {"shallow": "#E69F00", "transfer": "#0072B2", "ensemble": "#009E73"}
ROLE_TITLES = {
    "seen_speakers": "speakers heard in training",
    "unseen_speakers": "speakers never heard",
    "unseen_corpus": "a corpus never heard",
}


def draw_estimate(axes: Axes, across: float, along: float, estimate: Estimate, *, upright: bool, **style: Any) -> None:
    """Draw a figure as a dot with its interval as a line.

    Args:
        axes: where.
        across: position on the axis of names.
        along: the figure.
        estimate: where its interval comes from; NaN ends draw none.
        upright: whether the figure runs up the picture, and not along it.
        style: of dot and line, for `Axes.plot`.
    """
    line, dot = ([across, across], [estimate.low, estimate.high]), ([across], [along])
    if not upright:
        line, dot = line[::-1], dot[::-1]
    colour = style.pop("color")
    axes.plot(*line, color=colour, linewidth=1.5, alpha=0.7, solid_capstyle="butt")
    axes.plot(*dot, color=colour, linestyle="none", clip_on=False, **style)
