"""Pictures of how evenly the clips are spread over classes, corpora, genders and speakers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import ScalarFormatter

from deepemo.charts.style import GENDER_COLOURS, caption, grid_of, name_emotions, page_figure, per_cent, styled
from deepemo.emotions import EMOTIONS

GENDERS = ("female", "male")


def _counts(clips: pd.DataFrame, by: str, names: list[str]) -> np.ndarray:
    """Clips of each of some groups in each class: int [groups, classes]."""
    table = clips.groupby([by, "emotion"]).size().unstack(fill_value=0)
    return table.reindex(index=names, columns=list(EMOTIONS), fill_value=0).to_numpy(dtype=int)


def _write_counts(axes: Axes, counts: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if count > 0.55 * counts.max() else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=ink)


@styled
def draw_class_balance(clips: pd.DataFrame) -> Figure:
    """Clips of each class in each corpus, and in all of them."""
    corpora = sorted(clips["corpus"].unique())
    counts = _counts(clips, "corpus", corpora)
    tables = [(corpora, counts)]
    if len(corpora) > 1:
        tables.append((["all"], counts.sum(axis=0, keepdims=True)))
    figure = page_figure(1.4 + 0.45 * sum(len(names) for names, _ in tables))
    panels = figure.subplots(
        len(tables), 1, sharex=True, squeeze=False, height_ratios=[len(names) for names, _ in tables]
    )
    for axes, (names, shown) in zip(panels[:, 0], tables, strict=True):
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=shown.max(), aspect="auto")
        _write_counts(axes, shown)
        axes.set_yticks(range(len(names)), [f"{name} ({row.sum():,})" for name, row in zip(names, shown, strict=True)])
        axes.grid(visible=False)
    name_emotions(panels[-1, 0], rotation=0)
    caption(figure, "Clips by corpus and class", "Number of clips of a corpus in brackets.")
    return figure


@styled
def draw_gender_balance(clips: pd.DataFrame) -> Figure:
    """Share of female and male speakers' clips in each class, a panel a corpus."""
    corpora = sorted(clips["corpus"].unique())
    rows, columns = grid_of(len(corpora), columns=2)
    figure = page_figure(1.2 + 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, corpus in zip(panels, corpora, strict=False):
        of_corpus = clips[clips["corpus"] == corpus]
        bottom = np.zeros(len(EMOTIONS))
        totals = _counts(of_corpus, "corpus", [corpus])[0]
        for gender in GENDERS:
            shares = _counts(of_corpus, "gender", [gender])[0] / np.maximum(totals, 1)
            axes.bar(range(len(EMOTIONS)), shares, bottom=bottom, color=GENDER_COLOURS[gender], edgecolor="white")
            for place, share in enumerate(shares):
                if share > 0.12:
                    middle = bottom[place] + share / 2
                    axes.text(place, middle, f"{100 * share:.0f}", ha="center", va="center", color="white", fontsize=7)
            bottom += shares
        speakers = of_corpus.groupby("gender")["speaker"].nunique()
        told = ", ".join(f"{speakers[gender]} {gender}" for gender in GENDERS if gender in speakers)
        axes.set_title(f"{corpus}: {told}", fontsize=9)
        axes.grid(visible=False)
        name_emotions(axes)
        axes.tick_params(labelbottom=True)
    for axes in panels[len(corpora) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        per_cent(axes.yaxis)
        axes.set_ylabel("share of clips")
    handles = [Patch(color=GENDER_COLOURS[gender], label=gender) for gender in GENDERS]
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
    caption(figure, "Clips by gender and class", "Per cent of the class; above, the number of speakers.")
    return figure


@styled
def draw_speaker_balance(clips: pd.DataFrame) -> Figure:
    """Clips of every speaker in every class: a column a speaker, ordered by corpus and by number of clips."""
    corpora = sorted(clips["corpus"].unique())
    speakers = clips.groupby(["corpus", "speaker"]).size().rename("clips").reset_index()
    speakers = speakers.sort_values(["corpus", "clips", "speaker"], ascending=[True, False, True])
    counts = _counts(clips, "speaker", list(speakers["speaker"])).T  # [classes, speakers]
    figure = page_figure(3.9)
    dots, heat = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.4])
    dots.plot(speakers["clips"].to_numpy(), ".", color="#333333", markersize=4)
    dots.set_yscale("log")
    dots.set_ylim(1, 2 * speakers["clips"].max())
    dots.set_ylabel("clips of a speaker")
    dots.grid(visible=False, axis="x")
    image = heat.imshow(counts, cmap="cividis", aspect="auto", norm=LogNorm(1, max(2, counts.max())))
    heat.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    heat.set_xticks([])
    heat.grid(visible=False)
    start = 0
    for number, corpus in enumerate(corpora):
        count = int((speakers["corpus"] == corpus).sum())
        if start:
            for axes in (dots, heat):
                axes.axvline(start - 0.5, color="black", linewidth=1.0)
        # By turns on two lines, because a corpus of few speakers is narrower than its name.
        place = (start + count / 2 - 0.5, -0.05 - 0.11 * (number % 2))
        heat.annotate(f"{corpus} ({count})", place, xycoords=("data", "axes fraction"), ha="center", va="top")
        start += count
    heat.set_xlabel("speakers, by corpus", labelpad=30)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= max(2, counts.max())]
    bar = figure.colorbar(image, ax=heat, label="clips", ticks=ticks)
    bar.ax.yaxis.set_major_formatter(ScalarFormatter())
    bar.ax.minorticks_off()
    caption(figure, "Clips by speaker and class", "Number of a corpus's speakers in brackets; white: no clip.")
    return figure
