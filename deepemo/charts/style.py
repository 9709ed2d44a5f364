"""The common style of all charts: type sizes, widths, colours, and how a chart is written to a file."""

import textwrap
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from PIL import Image

from deepemo.charts.colours import COLOURS
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.files import written_whole

# In inches: the text width of a page. At this width, type keeps its size in points in print.
PAGE_WIDTH = 7.2
DPI = 140
PALETTE = 256
# Characters of a note on one line of a page.
NOTE_LETTERS = 110

STYLE: dict[RcKeyType, Any] = {
    "font.size": 9.0,
    "figure.titlesize": 11.0,
    "figure.titleweight": "bold",
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "image.cmap": "magma",
    "figure.constrained_layout.use": True,
}

# Decorator of all functions that draw: matplotlib reads its settings when it creates an artist.
styled = mpl.rc_context(STYLE)

# Tol's vibrant colours (2021), for everything but emotions; the dashes distinguish the lines in grey print.
OTHER_COLOURS = ("#0077BB", "#CC3311", "#009988", "#EE7733", "#33BBEE", "#EE3377", "#777777")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 3)))
EMOTION_LINES: dict[str, dict[str, Any]] = {
    emotion: {"color": COLOURS[emotion], "linestyle": dash} for emotion, dash in zip(EMOTIONS, DASHES, strict=True)
}
GENDER_COLOURS = {"female": "#AA4499", "male": "#44AA99"}
# Share of the highest value from which a cell of the colour map "Blues" is so dark that its text must be white.
DARK_SHARE = 0.55


def page_figure(height: float) -> Figure:
    """Create an empty figure of the width of a page, `height` inches high."""
    return Figure(figsize=(PAGE_WIDTH, height))


def caption(figure: Figure, title: str, note: str = "") -> None:
    """Write a title above a figure, and a note in small type below it."""
    figure.suptitle(title)
    if note:
        figure.supxlabel(textwrap.fill(note, NOTE_LETTERS), fontsize=8.0, color="#444444")


def grid_of(panels: int, *, columns: int) -> tuple[int, int]:
    """Rows and columns of a grid for some panels, with at most `columns` columns."""
    columns = min(columns, panels)
    return -(-panels // columns), columns


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each name, in alphabetical order: the same names look the same in every chart."""
    count = len(OTHER_COLOURS)
    # When all colours are used, they repeat with the next dash.
    return {
        name: {"color": OTHER_COLOURS[place % count], "linestyle": DASHES[(place + place // count) % len(DASHES)]}
        for place, name in enumerate(sorted(names))
    }


def per_cent(axis: Axis) -> None:
    """Label an axis of shares from 0 to 1 in per cent."""
    axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))


def name_emotions(axes: Axes, emotions: Emotions = EMOTIONS, *, rotation: float = 30.0) -> None:
    """Label the positions from 0 on of the x axis with emotions, in their order."""
    axes.set_xticks(range(len(emotions)), emotions, rotation=rotation, ha="right" if rotation else "center")


def emotion_colours() -> list[str]:
    """The seven colours in the order of the emotions."""
    return [COLOURS[emotion] for emotion in EMOTIONS]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG file with the same bytes for the same figure: without a date or the name of the software.

    A palette of 256 colours reduces the file to a third. The palette covers all colours evenly, so no colour changes by
    more than a few steps of 255.
    """
    content = BytesIO()
    figure.savefig(content, format="png", dpi=DPI, pil_kwargs={"compress_level": 0})
    image = Image.open(content).convert("RGB")
    with written_whole(path) as partial:
        image.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            partial, format="PNG", optimize=True
        )
