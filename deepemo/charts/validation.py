"""Chart of validation: good and quarantined clips by corpus and emotion, with the reasons."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.charts.colours import COLOURS
from deepemo.charts.style import page_figure, styled
from deepemo.dataset.clips import GOOD
from deepemo.emotions import EMOTIONS

_MAX_COLUMNS = 2
_BAR_INCHES = 0.2
_FRAME_INCHES = 0.85
_NO_EMOTION = "(name unknown)"
_QUARANTINED_COLOUR = "#222222"


@styled
def draw_clips(table: pd.DataFrame) -> Figure:
    """Draw a panel for each corpus with a bar for each emotion; quarantined clips are hatched.

    Args:
        table: the clip table.
    """
    corpora = sorted(table["corpus"].unique())
    columns = min(_MAX_COLUMNS, len(corpora))
    rows = -(-len(corpora) // columns)
    names = {corpus: _emotions(table[table["corpus"] == corpus]) for corpus in corpora}
    height = rows * (_FRAME_INCHES + _BAR_INCHES * max(len(bars) for bars in names.values()))
    figure = page_figure(height + 0.5)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for corpus in corpora:
        _draw_corpus(next(axes), corpus, table[table["corpus"] == corpus], names[corpus])
    for unused in axes:
        unused.set_visible(False)
    good = int((table["verdict"] == GOOD).sum())
    figure.suptitle(f"{len(table):,} clips, {len(table) - good:,} of them quarantined (hatched)")
    return figure


def _emotions(clips: pd.DataFrame) -> list[str]:
    found = set(clips["emotion"])
    unknown = [_NO_EMOTION] if "" in found else []
    return [*EMOTIONS, *sorted(found - {"", *EMOTIONS}), *unknown]


def _draw_corpus(axes: Axes, corpus: str, clips: pd.DataFrame, names: list[str]) -> None:
    emotions = clips["emotion"].replace("", _NO_EMOTION)
    is_good = clips["verdict"] == GOOD
    good = emotions[is_good].value_counts().reindex(names, fill_value=0).to_numpy()
    bad = emotions[~is_good].value_counts().reindex(names, fill_value=0).to_numpy()
    places = np.arange(len(names))
    axes.barh(places, good, color=[COLOURS.get(name, "white") for name in names])
    some = bad > 0  # matplotlib would also draw the edge of a bar of length 0
    hatched: dict[str, Any] = {"color": "white", "edgecolor": _QUARANTINED_COLOUR, "linewidth": 0.6, "hatch": "//////"}
    axes.barh(places[some], bad[some], left=good[some], **hatched)
    for place, kept, rejected in zip(places, good, bad, strict=True):
        words = f" {kept:,}" + (f"  ({rejected:,} quarantined)" if rejected else "")
        axes.text(kept + rejected, place, words, va="center", fontsize=7.5)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, (1.65 if some.any() else 1.2) * max(1, int((good + bad).max())))
    axes.set_xlabel("clips")
    axes.set_title(f"{corpus}: {int(is_good.sum()):,} of {len(clips):,} good\n{_reasons(clips)}", loc="left")


def _reasons(clips: pd.DataFrame) -> str:
    counts = (
        clips.loc[clips["reason"] != "", "reason"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    )
    named = [f"{count:,} {str(reason).replace('_', ' ')}" for reason, count in counts.items()]
    lines = [", ".join(named[start : start + 3]) for start in range(0, len(named), 3)]
    return "\n".join(lines) or "none quarantined"
