"""Pictures behind the choice of a sample rate and a clip length."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.charts.colours import COLOURS
from deepemo.charts.style import EMOTION_LINES, caption, page_figure, per_cent, styled
from deepemo.eda.recommend import COVERAGES, FIRST_FRAMES, FIRST_RATE_HZ, Recommendation, holding
from deepemo.emotions import EMOTIONS

LENGTH_BINS = 60


def _kilohertz(rate_hz: float) -> str:
    return f"{rate_hz / 1000:.4g} kHz"


def _rate_colours(rates: Sequence[int]) -> dict[int, tuple[float, float, float, float]]:
    shades = colormaps["cividis"](np.linspace(0.1, 0.95, len(rates)))
    return {rate: tuple(shade) for rate, shade in zip(rates, shades, strict=True)}


@styled
def draw_rates(clips: pd.DataFrame, by: str) -> Figure:
    """Share of the clips of each class or corpus that were recorded at each rate: a stacked bar each.

    Args:
        clips: rows of the clip table that may be used.
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
        for place, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 0.05:
                ink = "white" if sum(colour[:3]) < 1.5 else "black"
                axes.text(start + width / 2, place, f"{width:.0%}", ha="center", va="center", color=ink, fontsize=8)
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
    """How long the clips of each class are: a histogram each, with the median and the length that covers."""
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
    """The share of some values that are at least, or at most, as high as each of them."""
    steps, counts = np.unique(values, return_counts=True)
    if reaching:
        shares = np.cumsum(counts[::-1])[::-1] / len(values)
        axes.step([0, *steps, steps[-1]], [1, *shares, 0], where="pre", label=emotion, **EMOTION_LINES[emotion])
    else:
        axes.step([0, *steps], [0, *np.cumsum(counts) / len(values)], where="post", **EMOTION_LINES[emotion])


@styled
def draw_coverage(clips: pd.DataFrame, recommendation: Recommendation) -> Figure:
    """What each rate and each length covers in each class, with the recommended one and the first DeepEmo's."""
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
    """Samples that hold each share of the clips of every class, after resampling to each of some rates."""
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
        ink = "black" if count > 0.6 * frames.max() else "white"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=ink, fontsize=8)
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
