"""Charts of the sound of the recordings: loudness and pitch by emotion, silent ends and spectra by corpus."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, ScalarFormatter

from deepemo.charts.style import (
    DARK_SHARE,
    GENDER_COLOURS,
    caption,
    emotion_colours,
    grid_of,
    line_styles,
    name_emotions,
    page_figure,
    per_cent,
    styled,
)
from deepemo.eda.longterm import BAND_HZ
from deepemo.eda.measure import Measurements
from deepemo.emotions import EMOTIONS

BOX_NOTE = "Boxes: quartiles and median over clips; whiskers: 5 % to 95 %."
# With more lines, overlapping shaded ranges hide them.
MOST_IN_ONE_PANEL = 5
BOX: dict[str, Any] = {
    "whis": (5, 95),
    "showfliers": False,
    "patch_artist": True,
    "medianprops": {"color": "black", "linewidth": 1.4},
}


class _Spectrum(NamedTuple):
    """Mean and range of a corpus's spectra [bands] in dB, at the bands that it has."""

    label: str
    band_hz: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _by_emotion(table: pd.DataFrame, column: str) -> list[np.ndarray]:
    return [table.loc[table["emotion"] == emotion, column].dropna().to_numpy() for emotion in EMOTIONS]


def _boxes(axes: Axes, values: list[np.ndarray], colours: list[str], **where: Any) -> None:
    drawn = axes.boxplot(values, manage_ticks=False, **BOX, **where)
    for box, colour in zip(drawn["boxes"], colours, strict=True):
        box.set(facecolor=colour, edgecolor="black", linewidth=0.8)


@styled
def draw_loudness(clips: pd.DataFrame) -> Figure:
    """Level of the clips of each class, a panel for each corpus."""
    corpora = sorted(clips["corpus"].unique())
    rows, columns = grid_of(len(corpora), columns=2)
    figure = page_figure(1.2 + 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, corpus in zip(panels, corpora, strict=False):
        of_corpus = clips[clips["corpus"] == corpus]
        _boxes(axes, _by_emotion(of_corpus, "rms_dbfs"), emotion_colours(), positions=range(len(EMOTIONS)), widths=0.65)
        axes.axhline(of_corpus["rms_dbfs"].median(), color="black", linestyle="--", linewidth=0.8)
        axes.set_title(f"{corpus} ({len(of_corpus):,} clips)")
        name_emotions(axes)
        axes.tick_params(labelbottom=True)
    for axes in panels[len(corpora) :]:
        axes.set_visible(False)
    for axes in panels[::columns]:
        axes.set_ylabel("RMS level (dBFS)")
    caption(figure, "Loudness by class", f"{BOX_NOTE} Dashed: the corpus's median.")
    return figure


@styled
def draw_pitch(measurements: Measurements) -> Figure:
    """Median pitch and pitch range of clips, by class and gender."""
    figure = page_figure(5.4)
    medians, ranges = figure.subplots(2, 1, sharex=True)
    table = measurements.table
    for gender, offset in zip(GENDER_COLOURS, (-0.2, 0.2), strict=True):
        of_gender = table[table["gender"] == gender]
        for axes, column in ((medians, "pitch_hz"), (ranges, "pitch_semitones")):
            places = [place + offset for place in range(len(EMOTIONS))]
            colours = [GENDER_COLOURS[gender]] * len(EMOTIONS)
            _boxes(axes, _by_emotion(of_gender, column), colours, positions=places, widths=0.34)
    medians.set_yscale("log")
    medians.set_yticks([75, 100, 150, 200, 300, 400, 600])
    medians.yaxis.set_major_formatter(ScalarFormatter())
    medians.yaxis.set_minor_formatter(NullFormatter())
    medians.set_ylabel("median F0 of a clip (Hz)")
    ranges.set_ylabel("range of F0 in a clip (semitones,\n10th to 90th percentile)")
    ranges.set_ylim(bottom=0)
    name_emotions(ranges, rotation=0)
    handles = [
        Patch(facecolor=GENDER_COLOURS[gender], edgecolor="black", label=f"{gender} ({count:,} clips)")
        for gender in GENDER_COLOURS
        if (count := int((table["gender"] == gender).sum()))
    ]
    medians.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    caption(figure, "Pitch by class and gender", BOX_NOTE)
    return figure


@styled
def draw_silence(measurements: Measurements) -> Figure:
    """Mean duration of silence before and after the sound, by corpus and class."""
    table = measurements.table
    corpora = sorted(table["corpus"].unique())
    figure = page_figure(1.9 + 0.42 * len(corpora))
    panels = figure.subplots(1, 2, sharey=True)
    most = max(
        0.1, *(table.groupby(["corpus", "emotion"])[column].mean().max() for column in ("lead_seconds", "tail_seconds"))
    )
    for axes, column, title in zip(
        panels, ("lead_seconds", "tail_seconds"), ("before the sound", "after the sound"), strict=True
    ):
        means = table.groupby(["corpus", "emotion"])[column].mean().unstack().reindex(corpora, columns=list(EMOTIONS))
        image = axes.imshow(means, cmap="Blues", vmin=0, vmax=most, aspect="auto")
        for (row, place), mean in np.ndenumerate(means.to_numpy()):
            colour = "white" if mean > DARK_SHARE * most else "black"
            axes.text(
                place, row, "-" if np.isnan(mean) else f"{mean:.2f}", ha="center", va="center", color=colour, fontsize=8
            )
        axes.set_title(title)
        axes.grid(visible=False)
        name_emotions(axes)
    panels[0].set_yticks(range(len(corpora)), corpora)
    figure.colorbar(image, ax=panels[1], label="seconds")
    caption(figure, "Silence at the ends", "Mean seconds by corpus and class.")
    return figure


@styled
def draw_spectra(measurements: Measurements) -> Figure:
    """Long-term average spectrum of each corpus: the mean over its clips, and the range of nine in ten clips.

    More corpora than can be told apart in one panel have a panel each, with the means of the others in grey.
    """
    table, spectra = measurements.table, measurements.spectra
    lines = {}
    for corpus in sorted(table["corpus"].unique()):
        rows = spectra[(table["corpus"] == corpus).to_numpy()]
        known = np.isfinite(rows).any(axis=0)
        low, high = np.nanquantile(rows[:, known], (0.05, 0.95), axis=0)
        label = f"{corpus} ({len(rows)} clips)"
        lines[corpus] = _Spectrum(label, BAND_HZ[known], np.nanmean(rows[:, known], axis=0), low, high)
    together = len(lines) <= MOST_IN_ONE_PANEL
    rows_of_panels, columns = (1, 1) if together else grid_of(len(lines), columns=2)
    figure = page_figure(4.2 if together else 1.2 + 1.5 * rows_of_panels)
    panels = figure.subplots(rows_of_panels, columns, squeeze=False, sharex=True, sharey=True).ravel()
    styles = line_styles(lines)
    for number, (corpus, line) in enumerate(lines.items()):
        axes = panels[0 if together else number]
        if not together:
            for other in lines.values():
                axes.plot(other.band_hz, other.mean, color="#BBBBBB", linewidth=0.7)
            axes.set_title(line.label, fontsize=9)
        style = styles[corpus] if together else {"color": styles[corpus]["color"]}
        axes.plot(line.band_hz, line.mean, label=line.label, **style)
        axes.fill_between(line.band_hz, line.low, line.high, color=style["color"], alpha=0.12, linewidth=0)
    for axes in panels[len(lines) :]:
        axes.set_visible(False)
    panels[0].set_xscale("log")
    panels[0].set_xticks(
        [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000] if together else [50, 200, 1000, 5000, 20000]
    )
    panels[0].xaxis.set_major_formatter(ScalarFormatter())
    panels[0].xaxis.set_minor_formatter(NullFormatter())
    if together:
        panels[0].set_xlabel("frequency (Hz), third-octave bands")
        panels[0].set_ylabel("power density (dB relative to\nwhite noise of the same power)")
        panels[0].legend()
    else:
        for axes in panels[max(0, len(lines) - columns) : len(lines)]:
            axes.tick_params(labelbottom=True, rotation=0)
            axes.set_xlabel("frequency (Hz), third-octave bands")
        for axes in panels[: len(lines) : columns]:
            axes.set_ylabel("density (dB)")
    grey = "" if together else " Grey: means of the others. 0 dB: white noise of the same power."
    caption(figure, "Long-term average spectrum by corpus", f"Lines: mean over clips; shades: nine clips of ten.{grey}")
    return figure


@styled
def draw_apart(apart: pd.DataFrame) -> Figure:
    """How well a classifier tells each pair of corpora apart by long-term spectra, as a square of numbers."""
    figure = page_figure(1.6 + 0.42 * len(apart))
    axes = figure.subplots()
    shares = apart.to_numpy()
    image = axes.imshow(shares, cmap="Blues", vmin=0.5, vmax=1.0, aspect="auto")
    for row, column in zip(*np.nonzero(np.isfinite(shares)), strict=True):
        colour = "white" if shares[row, column] > 0.8 else "black"
        axes.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(apart)), apart.columns, rotation=30, ha="right")
    axes.set_yticks(range(len(apart)), apart.index)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, label="mean recall of the two corpora")
    per_cent(bar.ax.yaxis)
    caption(
        figure,
        "Corpora told apart by their spectrum",
        "Per cent, on voices never heard; 50: alike, 100: never mistaken.",
    )
    return figure
