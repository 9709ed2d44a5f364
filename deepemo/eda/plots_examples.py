"""Pictures of single recordings: a clip of each class, and one clip at several sample rates."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepemo.audio.features import Featurizer, decibel_spectrogram
from deepemo.audio.spec import FeatureSpec
from deepemo.charts.colours import COLOURS
from deepemo.charts.style import caption, grid_of, page_figure, styled

RANGE_DB = 80.0
HOP_SECONDS = 0.01
# Short enough to see single strikes of the vocal folds of a low voice blur into harmonics of a high one.
WINDOW_SECONDS = {"spectrogram": 0.032, "mel": 0.064}
MEL_BANDS = 96
LOWEST_MEL_HZ = 50.0
MEL_MARKS_HZ = (250, 1000, 2000, 4000, 8000, 16000)

Clip = tuple[np.ndarray, int]


def explore_spec(kind: Literal["mel", "spectrogram"], sample_rate_hz: int, clip_seconds: float) -> FeatureSpec:
    """A finer spectrogram than models are fed, of everything that a rate can hold.

    Args:
        kind: `mel` or `spectrogram`.
        sample_rate_hz: to resample to.
        clip_seconds: to cut or pad to.
    """
    return FeatureSpec(
        sample_rate_hz=sample_rate_hz,
        kind=kind,
        clip_seconds=clip_seconds,
        trim_below_db=None,
        window_seconds=WINDOW_SECONDS[kind],
        hop_seconds=HOP_SECONDS,
        mel_bands=MEL_BANDS,
        min_hz=LOWEST_MEL_HZ if kind == "mel" else 0.0,
        max_hz=sample_rate_hz / 2,
        range_db=RANGE_DB,
    )


def features_of(clip: Clip, spec: FeatureSpec) -> np.ndarray:
    """Features [frames, bands] in [0, 1] of one clip, as a `Featurizer` gives them, without tracing a graph for it."""
    samples, rate_hz = clip
    fitted = Featurizer(spec).clip(samples, rate_hz)
    features: np.ndarray = decibel_spectrogram(tf.constant(fitted), spec).numpy()
    return features


def _mel(hertz: float) -> float:
    """HTK's mel scale, as tensorflow-io's filters lie on it."""
    return 1127.0 * float(np.log1p(hertz / 700.0))


def show_features(axes: Axes, features: np.ndarray, spec: FeatureSpec) -> Any:
    """Draw features [frames, bands] in [0, 1] over time and frequency, in dB below the clip's peak."""
    top = 1.0 if spec.kind == "mel" else spec.max_hz / 1000
    image = axes.imshow(
        RANGE_DB * (features.T - 1),
        origin="lower",
        aspect="auto",
        extent=(0, len(features) * spec.hop_seconds, 0, top),
        vmin=-RANGE_DB,
        vmax=0,
        interpolation="nearest",
    )
    if spec.kind == "mel":
        marks = [hertz for hertz in MEL_MARKS_HZ if hertz <= spec.max_hz]
        lowest, highest = _mel(spec.min_hz), _mel(spec.max_hz)
        places = [(_mel(hertz) - lowest) / (highest - lowest) for hertz in marks]
        axes.set_yticks(places, [f"{hertz / 1000:g}" for hertz in marks])
    axes.set_ylabel("kHz (mel scale)" if spec.kind == "mel" else "kHz")
    axes.grid(visible=False)
    return image


@styled
def draw_waveforms(examples: Mapping[str, Clip], note: str) -> Figure:
    """The waveform of a clip of each class, on one scale of time and level.

    Args:
        examples: by emotion, float32 [n] and its rate.
        note: whose voice it is.
    """
    figure = page_figure(1.2 + 0.8 * len(examples))
    panels = figure.subplots(len(examples), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (emotion, (samples, rate_hz)) in zip(panels, examples.items(), strict=True):
        axes.plot(np.arange(len(samples)) / rate_hz, samples, color=COLOURS[emotion], linewidth=0.5)
        axes.set_ylabel(emotion, rotation=0, ha="right", va="center", labelpad=26)
        axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    longest = max(len(samples) / rate_hz for samples, rate_hz in examples.values())
    panels[0].set_xlim(0, longest)
    panels[-1].set_xlabel("time (s)")
    caption(figure, "Waveforms, a clip of each class", f"Amplitude, full scale at 1. {note}")
    return figure


@styled
def draw_spectrograms(examples: Mapping[str, Clip], spec: FeatureSpec, note: str) -> Figure:
    """The spectrogram of a clip of each class, resampled and cut or padded alike."""
    figure = page_figure(7.2)
    # Two columns for seven classes leave a place for the scale.
    panels = figure.subplots(-(-(len(examples) + 1) // 2), 2, squeeze=False, sharex=True, sharey=True)
    for axes, (emotion, clip) in zip(panels.ravel(), examples.items(), strict=False):
        image = show_features(axes, features_of(clip, spec), spec)
        axes.set_title(emotion, color=COLOURS[emotion], fontweight="bold")
        axes.label_outer()
    for axes in panels.ravel()[len(examples) :]:
        axes.set_axis_off()
    panels.ravel()[len(examples) - 1].set_xlabel("time (s)")
    place = panels.ravel()[-1].inset_axes((0.1, 0.5, 0.8, 0.12))
    figure.colorbar(image, cax=place, orientation="horizontal", label="dB below the clip's peak")
    name = "Mel spectrograms" if spec.kind == "mel" else "Spectrograms"
    caption(figure, f"{name}, a clip of each class", f"At {spec.sample_rate_hz:,} Hz, {spec.clip_seconds:g} s. {note}")
    return figure


@styled
def draw_resampled(clip: Clip, rates_hz: Sequence[int], note: str) -> Figure:
    """One clip at several sample rates, on one scale of frequency: what each rate throws away."""
    samples, native_hz = clip
    seconds = len(samples) / native_hz
    rows, columns = grid_of(len(rates_hz), columns=2)
    figure = page_figure(1.2 + 2.0 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, rate_hz in zip(panels.ravel(), sorted(rates_hz), strict=False):
        spec = explore_spec("spectrogram", rate_hz, seconds)
        image = show_features(axes, features_of(clip, spec), spec)
        axes.set_facecolor("#E4E4E4")
        axes.set_title(f"{rate_hz:,} Hz: {round(seconds * rate_hz):,} samples")
        axes.set_ylim(0, max(rates_hz) / 2000)
        axes.label_outer()
    for axes in panels.ravel()[len(rates_hz) :]:
        axes.set_visible(False)
    for axes in panels[-1]:
        axes.set_xlabel("time (s)")
    figure.colorbar(image, ax=panels, label="dB below the clip's peak", shrink=0.6)
    caption(figure, "One clip at several sample rates", f"Native {native_hz:,} Hz; grey: no sound can be there. {note}")
    return figure
