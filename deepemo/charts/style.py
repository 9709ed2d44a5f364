"""How every picture looks: type sizes, widths, colours, and how it is written to a file."""

import textwrap
from collections.abc import Iterable
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from PIL import Image

from deepemo.charts.colours import COLOURS
from deepemo.emotions import EMOTIONS

# Inches: the text width of a page, so that type keeps its size in points when a picture is printed on it.
PAGE_WIDTH = 7.2
DPI = 140
PALETTE = 256
# So many letters of a note fit on a line of a page.
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

# A decorator for functions that draw: matplotlib reads its settings when an artist is made.
styled = mpl.rc_context(STYLE)

# Tol's vibrant colours (2021), for what is no emotion; the dashes tell lines apart in grey print.
OTHER_COLOURS = ("#0077BB", "#CC3311", "#009988", "#EE7733", "#33BBEE", "#EE3377", "#777777")
DASHES: tuple[Any, ...] = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (3, 3)))
EMOTION_LINES: dict[str, dict[str, Any]] = {
    emotion: {"color": COLOURS[emotion], "linestyle": dash} for emotion, dash in zip(EMOTIONS, DASHES, strict=True)
}
GENDER_COLOURS = {"female": "#AA4499", "male": "#44AA99"}


def page_figure(height: float) -> Figure:
    """Make an empty figure as wide as a page, `height` inches high."""
    return Figure(figsize=(PAGE_WIDTH, height))


def caption(figure: Figure, title: str, note: str = "") -> None:
    """Write a figure's title above it, and under it in small type how to read it."""
    figure.suptitle(title)
    if note:
        figure.supxlabel(textwrap.fill(note, NOTE_LETTERS), fontsize=8.0, color="#444444")


def grid_of(panels: int, *, columns: int) -> tuple[int, int]:
    """Rows and columns that hold so many panels, at most `columns` beside each other."""
    columns = min(columns, panels)
    return -(-panels // columns), columns


def line_styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour and dash of each name, by alphabet, so that equal sets of names look alike in every picture."""
    styles = zip(sorted(names), cycle(OTHER_COLOURS), cycle(DASHES), strict=False)
    return {name: {"color": colour, "linestyle": dash} for name, colour, dash in styles}


def per_cent(axis: Axis) -> None:
    """Label an axis of shares in per cent."""
    axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))


def name_emotions(axes: Axes, *, rotation: float = 30.0) -> None:
    """Write the seven emotions along the x axis, in their order, at 0 to 6."""
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, rotation=rotation, ha="right" if rotation else "center")


def emotion_colours() -> list[str]:
    """The seven colours in the order of the emotions."""
    return [COLOURS[emotion] for emotion in EMOTIONS]


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, the same bytes for the same picture: without dates or the name of the software.

    A palette of 256 colours leaves a third of the bytes to keep in git. It is drawn to cover all colours, not the most
    frequent ones, so that none moves by more than a few steps of 255.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, pil_kwargs={"compress_level": 0})
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(drawn).convert("RGB")
    picture.quantize(PALETTE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
