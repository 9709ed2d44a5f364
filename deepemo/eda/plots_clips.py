"""Charts of the clip table: sample rates and lengths, and how evenly classes, genders and speakers are represented."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import ScalarFormatter

from deepemo.charts.colours import COLOURS
from deepemo.charts.style import (
    DARK_SHARE,
    EMOTION_LINES,
    GENDER_COLOURS,
    caption,
    grid_of,
    name_emotions,
    page_figure,
    per_cent,
    styled,
)
from deepemo.eda.recommend import COVERAGES, FIRST_FRAMES, FIRST_RATE_HZ, Recommendation, holding
from deepemo.emotions import EMOTIONS

# Up to this many corpora, their names are written horizontally below their speakers; more names do not fit.
MOST_NAMES_ACROSS = 6
LENGTH_BINS = 60


def _kilohertz(rate_hz: float) -> str:
    return f"{rate_hz / 1000:.4g} kHz"


def _rate_colours(rates: Sequence[int]) -> dict[int, tuple[float, float, float, float]]:
    shades = colormaps["cividis"](np.linspace(0.1, 0.95, len(rates)))
    return {rate: tuple(shade) for rate, shade in zip(rates, shades, strict=True)}


@styled
def draw_rates(clips: pd.DataFrame, by: str) -> Figure:
    """Stacked bars of native sample rates: the share of the clips of each class or corpus.

    Args:
        clips: good rows of the clip table.
        by: `emotion` or `corpus`.
    """
    names = list(EMOTIONS) if by == "emotion" else sorted(clips["corpus"].unique())
    rates = sorted(clips["rate_hz"].unique())
    counts = clips.groupby([by, "rate_hz"]).size().unstack(fill_value=0).reindex(names, fill_value=0)
    totals = counts.sum(axis=1)
    shares = counts.div(totals.clip(lower=1), axis=0)
    figure = page_figure(1.3 + 0.38 * len(names))
    axes = figure.subplots()
    left = np.zeros(len(names))
    for rate, colour in _rate_colours(rates).items():
        widths = shares[rate].to_numpy()
        axes.barh(names, widths, left=left, color=colour, edgecolor="white", label=_kilohertz(rate))
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 0.05:
                ink = "white" if sum(colour[:3]) < 1.5 else "black"
                axes.text(start + width / 2, row, f"{width:.0%}", ha="center", va="center", color=ink, fontsize=8)
        left += widths
    axes.set_yticks(range(len(names)), [f"{name} ({totals[name]:,})" for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(visible=False)
    per_cent(axes.xaxis)
    axes.set_xlabel("share of clips")
    figure.legend(title="native rate", loc="outside right upper")
    caption(
        figure, f"Native sample rates by {'class' if by == 'emotion' else 'corpus'}", "Number of clips in brackets."
    )
    return figure


@styled
def draw_lengths(clips: pd.DataFrame, recommendation: Recommendation) -> Figure:
    """Histograms of the clip lengths of each class, with their median and the length that covers the wanted share."""
    figure = page_figure(6.2)
    panels = figure.subplots(len(EMOTIONS), 1, sharex=True)
    edges = np.linspace(0, max(float(clips["seconds"].max()), recommendation.clip_seconds), LENGTH_BINS + 1)
    for axes, emotion in zip(panels, EMOTIONS, strict=True):
        seconds = clips.loc[clips["emotion"] == emotion, "seconds"].to_numpy()
        axes.hist(seconds, bins=edges, color=COLOURS[emotion], weights=np.full(len(seconds), 1 / max(1, len(seconds))))
        if len(seconds):
            axes.axvline(float(np.median(seconds)), color="black", linestyle=":")
            axes.axvline(holding(seconds, recommendation.coverage), color="black", linestyle="-")
        axes.axvline(recommendation.clip_seconds, color="black", linestyle="--", linewidth=0.8)
        axes.set_ylabel(f"{emotion}\n{len(seconds):,} clips", rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.set_xlim(0, edges[-1])
    panels[-1].set_xlabel("clip length (s), before trimming")
    for label, dash in (
        ("median", ":"),
        (f"holds {recommendation.coverage:.0%} of the class", "-"),
        (f"recommended: {recommendation.clip_seconds:g} s", "--"),
    ):
        panels[-1].plot([], [], color="black", linestyle=dash, label=label)
    figure.legend(loc="outside lower center", ncols=3)
    caption(figure, "Clip lengths by class")
    return figure


def _draw_shares(axes: Axes, values: np.ndarray, *, reaching: bool, emotion: str) -> None:
    """Draw the share of values at or above each value if `reaching`, else the share at or below it."""
    steps, counts = np.unique(values, return_counts=True)
    if reaching:
        shares = np.cumsum(counts[::-1])[::-1] / len(values)
        axes.step([0, *steps, steps[-1]], [1, *shares, 0], where="pre", label=emotion, **EMOTION_LINES[emotion])
    else:
        axes.step([0, *steps], [0, *np.cumsum(counts) / len(values)], where="post", **EMOTION_LINES[emotion])


@styled
def draw_coverage(clips: pd.DataFrame, recommendation: Recommendation) -> Figure:
    """Share of each class that each rate and each length covers, with the recommendation and the first DeepEmo's."""
    figure = page_figure(4.4)
    rates_axes, lengths_axes = figure.subplots(1, 2, sharey=True)
    for emotion in EMOTIONS:
        of_class = clips[clips["emotion"] == emotion]
        if len(of_class):
            _draw_shares(rates_axes, of_class["rate_hz"].to_numpy() / 1000, reaching=True, emotion=emotion)
            _draw_shares(lengths_axes, of_class["seconds"].to_numpy(), reaching=False, emotion=emotion)
    for axes, recommended, first in (
        (rates_axes, recommendation.sample_rate_hz / 1000, FIRST_RATE_HZ / 1000),
        (lengths_axes, recommendation.clip_seconds, FIRST_FRAMES / FIRST_RATE_HZ),
    ):
        axes.axhline(recommendation.coverage, color="black", linestyle="--", linewidth=0.8)
        unit = "kHz" if axes is rates_axes else "s"
        for value, dash, whose in ((recommended, "-", "recommended"), (first, ":", "first DeepEmo's")):
            axes.axvline(value, color="black", linestyle=dash, linewidth=1.0, label=f"{whose}: {value:.3g} {unit}")
        axes.set_xlim(left=0)
        axes.legend(handles=axes.lines[-2:], loc="upper right" if axes is rates_axes else "lower right", frameon=True)
    rates_axes.set_xlabel("sample rate (kHz)")
    rates_axes.set_ylabel("share of the class")
    rates_axes.set_title("clips that reach this rate natively")
    lengths_axes.set_xlabel("clip length (s), before trimming")
    lengths_axes.set_title("clips that this length holds whole")
    per_cent(rates_axes.yaxis)
    handles = [line for line in rates_axes.lines if line.get_label() in EMOTIONS]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, handlelength=2.6, columnspacing=1.2)
    caption(
        figure,
        f"What holds {recommendation.coverage:.0%} of every class: {recommendation.sample_rate_hz:,} Hz and "
        f"{recommendation.clip_seconds:g} s",
    )
    return figure


@styled
def draw_frames(clips: pd.DataFrame, rates_hz: Sequence[int], recommendation: Recommendation) -> Figure:
    """Samples that hold each share of the clips of every class, after resampling to several rates."""
    rates = sorted({*rates_hz, recommendation.sample_rate_hz})
    seconds = [
        max(holding(part["seconds"].to_numpy(), coverage) for _, part in clips.groupby("emotion"))
        for coverage in COVERAGES
    ]
    frames = np.ceil(np.outer(seconds, rates) - 1e-6).astype(int)  # [coverages, rates]
    figure = page_figure(3.6)
    axes = figure.subplots()
    axes.imshow(frames, cmap="cividis", aspect="auto")
    for (row, column), count in np.ndenumerate(frames):
        colour = "black" if count > 0.6 * frames.max() else "white"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(rates)), [_kilohertz(rate) for rate in rates])
    axes.set_yticks(
        range(len(COVERAGES)),
        [f"{share:.0%}  ({length:.2f} s)" for share, length in zip(COVERAGES, seconds, strict=True)],
    )
    axes.grid(visible=False)
    axes.set_xlabel("resampled to")
    axes.set_ylabel("share of every class held whole")
    caption(figure, "Frames (samples) of a clip by sample rate and coverage", "In the class whose clips are longest.")
    return figure


def _counts(clips: pd.DataFrame, by: str, names: list[str]) -> np.ndarray:
    """Number of clips of each group in each class: int [groups, classes]."""
    table = clips.groupby([by, "emotion"]).size().unstack(fill_value=0)
    return table.reindex(index=names, columns=list(EMOTIONS), fill_value=0).to_numpy(dtype=int)


def _write_counts(axes: Axes, counts: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > DARK_SHARE * counts.max() else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)


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
    """Share of the clips of female and male speakers in each class, a panel for each corpus."""
    corpora = sorted(clips["corpus"].unique())
    rows, columns = grid_of(len(corpora), columns=2)
    figure = page_figure(1.2 + 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, corpus in zip(panels, corpora, strict=False):
        of_corpus = clips[clips["corpus"] == corpus]
        bottom = np.zeros(len(EMOTIONS))
        totals = _counts(of_corpus, "corpus", [corpus])[0]
        for gender in GENDER_COLOURS:
            shares = _counts(of_corpus, "gender", [gender])[0] / np.maximum(totals, 1)
            axes.bar(range(len(EMOTIONS)), shares, bottom=bottom, color=GENDER_COLOURS[gender], edgecolor="white")
            for place, share in enumerate(shares):
                if share > 0.12:
                    middle = bottom[place] + share / 2
                    axes.text(place, middle, f"{100 * share:.0f}", ha="center", va="center", color="white", fontsize=7)
            bottom += shares
        speakers = of_corpus.groupby("gender")["speaker"].nunique()
        counted = ", ".join(f"{speakers[gender]} {gender}" for gender in GENDER_COLOURS if gender in speakers)
        axes.set_title(f"{corpus}: {counted}", fontsize=9)
        axes.grid(visible=False)
        name_emotions(axes)
        axes.tick_params(labelbottom=True)
    for axes in panels[len(corpora) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        per_cent(axes.yaxis)
        axes.set_ylabel("share of clips")
    handles = [Patch(color=GENDER_COLOURS[gender], label=gender) for gender in GENDER_COLOURS]
    figure.legend(handles=handles, loc="outside lower right", ncols=2)
    caption(figure, "Clips by gender and class", "Per cent of the class; above, the number of speakers.")
    return figure


def _name_columns(axes: Axes, names: list[str], widths: list[int]) -> None:
    """Write a name below each group of columns; groups may be narrower than their names."""
    middles = np.cumsum(widths) - np.array(widths) / 2 - 0.5
    across = ("data", "axes fraction")
    if len(names) <= MOST_NAMES_ACROSS:
        for number, (name, middle) in enumerate(zip(names, middles, strict=True)):
            # Names alternate between two lines.
            axes.annotate(name, (middle, -0.05 - 0.11 * (number % 2)), xycoords=across, ha="center", va="top")
        return
    # Names are vertical, moved apart where they would overlap, each with a line to its group.
    gap, places = 0.035 * sum(widths), middles.copy()
    for place in range(1, len(places)):
        places[place] = max(places[place], places[place - 1] + gap)
    places[-1] = min(places[-1], sum(widths) - 0.5)
    for place in range(len(places) - 2, -1, -1):
        places[place] = min(places[place], places[place + 1] - gap)
    for name, middle, place in zip(names, middles, places, strict=True):
        axes.annotate(
            name,
            (middle, 0.0),
            (place, -0.12),
            xycoords=across,
            textcoords=across,
            rotation=90,
            ha="center",
            va="top",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "#777777", "shrinkA": 0, "shrinkB": 0},
        )


@styled
def draw_speaker_balance(clips: pd.DataFrame) -> Figure:
    """Clips of every speaker in every class; speakers are ordered by corpus and by number of clips."""
    corpora = sorted(clips["corpus"].unique())
    speakers = clips.groupby(["corpus", "speaker"]).size().rename("clips").reset_index()
    speakers = speakers.sort_values(["corpus", "clips", "speaker"], ascending=[True, False, True])
    counts = _counts(clips, "speaker", list(speakers["speaker"])).T  # [classes, speakers]
    figure = page_figure(3.9 if len(corpora) <= MOST_NAMES_ACROSS else 5.2)
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
    sizes = [int((speakers["corpus"] == corpus).sum()) for corpus in corpora]
    for start in np.cumsum(sizes)[:-1]:
        for axes in (dots, heat):
            axes.axvline(start - 0.5, color="black", linewidth=1.0)
    names = [f"{corpus} ({size})" for corpus, size in zip(corpora, sizes, strict=True)]
    _name_columns(heat, names, sizes)
    # In points: a letter of vertical text is less than 5 wide.
    room = 30 if len(corpora) <= MOST_NAMES_ACROSS else 18 + 5 * max(map(len, names))
    heat.set_xlabel("speakers, by corpus", labelpad=room)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= max(2, counts.max())]
    bar = figure.colorbar(image, ax=heat, label="clips", ticks=ticks)
    bar.ax.yaxis.set_major_formatter(ScalarFormatter())
    bar.ax.minorticks_off()
    caption(figure, "Clips by speaker and class", "Number of a corpus's speakers in brackets; white: no clip.")
    return figure
