"""Charts of single recordings: a clip of each class, one clip at several sample rates, and augmented views of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deepemo.audio.augment import augment, mask
from deepemo.audio.features import Featurizer, decibel_spectrogram
from deepemo.audio.spec import FeatureSpec
from deepemo.charts.colours import COLOURS
from deepemo.charts.style import caption, grid_of, page_figure, styled
from deepemo.eda.measure import MonoClip
from deepemo.eda.views import pitched, stretched, with_white_noise
from deepemo.params import Augment, ViewStrength

RANGE_DB = 80.0
HOP_SECONDS = 0.01
# A compromise: long enough for the harmonics of a high voice, short enough for the pitch periods of a low one.
WINDOW_SECONDS = {"spectrogram": 0.032, "mel": 0.064}
MEL_BANDS = 96
LOWEST_MEL_HZ = 50.0
MEL_MARKS_HZ = (250, 1000, 2000, 4000, 8000, 16000)

# For the training views: about as strong as in params.yaml, with numbers of bands scaled to `MEL_BANDS`. Mixing with
# other clips is left out.
AUGMENTATION = Augment(
    append_neutral=0.0,
    time_scale=0.13,
    time_shift_seconds=0.3,
    frequency_shift_bands=3.0,
    gain_db=6.0,
    noise=0.03,
    time_masks=2,
    time_mask_seconds=0.3,
    frequency_masks=2,
    frequency_mask_bands=10,
    mixup=0.0,
)
DRAWS = 5


def explore_spec(kind: Literal["mel", "spectrogram"], sample_rate_hz: int, clip_seconds: float) -> FeatureSpec:
    """Settings of a spectrogram up to half the sample rate, with a finer resolution than models use.

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


def features_of(clip: MonoClip, spec: FeatureSpec) -> np.ndarray:
    """Features float32 [frames, bands] in [0, 1] of one clip, as by `Featurizer`, but without tracing a graph."""
    fitted = Featurizer(spec).clip(clip.samples, clip.rate_hz)
    features: np.ndarray = decibel_spectrogram(tf.constant(fitted), spec).numpy()
    return features


def _mel(hertz: float) -> float:
    """HTK's mel scale, which tensorflow-io's filters use."""
    return 1127.0 * float(np.log1p(hertz / 700.0))


def show_features(axes: Axes, features: np.ndarray, spec: FeatureSpec) -> Any:
    """Draw features [frames, bands] in [0, 1] as an image over time and frequency, in dB below the clip's peak.

    Returns:
        matplotlib's image, for a colour bar.
    """
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
def draw_waveforms(examples: Mapping[str, MonoClip], note: str) -> Figure:
    """The waveform of a clip of each class, on common scales of time and level.

    Args:
        examples: a clip of each class, by emotion.
        note: who speaks.
    """
    figure = page_figure(1.2 + 0.8 * len(examples))
    panels = figure.subplots(len(examples), 1, squeeze=False, sharex=True, sharey=True)[:, 0]
    for axes, (emotion, clip) in zip(panels, examples.items(), strict=True):
        axes.plot(np.arange(len(clip.samples)) / clip.rate_hz, clip.samples, color=COLOURS[emotion], linewidth=0.5)
        axes.set_ylabel(emotion, rotation=0, ha="right", va="center", labelpad=26)
        axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    panels[0].set_xlim(0, max(clip.seconds for clip in examples.values()))
    panels[-1].set_xlabel("time (s)")
    caption(figure, "Waveforms, a clip of each class", f"Amplitude, full scale at 1. {note}")
    return figure


@styled
def draw_spectrograms(examples: Mapping[str, MonoClip], spec: FeatureSpec, note: str) -> Figure:
    """The spectrogram of a clip of each class, at the same rate and length."""
    figure = page_figure(7.2)
    # Two columns for seven classes leave room for the colour bar.
    panels = figure.subplots(-(-(len(examples) + 1) // 2), 2, squeeze=False, sharex=True, sharey=True)
    for axes, (emotion, clip) in zip(panels.ravel(), examples.items(), strict=False):
        image = show_features(axes, features_of(clip, spec), spec)
        axes.set_title(emotion, color=COLOURS[emotion], fontweight="bold")
        axes.label_outer()
    for axes in panels.ravel()[len(examples) :]:
        axes.set_axis_off()
    panels.ravel()[len(examples) - 1].set_xlabel("time (s)")
    inset = panels.ravel()[-1].inset_axes((0.1, 0.5, 0.8, 0.12))
    figure.colorbar(image, cax=inset, orientation="horizontal", label="dB below the clip's peak")
    name = "Mel spectrograms" if spec.kind == "mel" else "Spectrograms"
    caption(figure, f"{name}, a clip of each class", f"At {spec.sample_rate_hz:,} Hz, {spec.clip_seconds:g} s. {note}")
    return figure


@styled
def draw_resampled(clip: MonoClip, rates_hz: Sequence[int], note: str) -> Figure:
    """One clip at several sample rates, on a common scale of frequency."""
    seconds = clip.seconds
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
    caption(
        figure, "One clip at several sample rates", f"Native {clip.rate_hz:,} Hz; grey: no sound can be there. {note}"
    )
    return figure


def _masked(features: np.ndarray, seed: int, spec: FeatureSpec) -> np.ndarray:
    batch = tf.constant(features[np.newaxis])
    masked: np.ndarray = mask(batch, tf.constant([seed, 0]), AUGMENTATION, spec)[0].numpy()
    return masked


def _muted(clip: MonoClip, features: np.ndarray, masked: np.ndarray, hop_seconds: float) -> np.ndarray:
    """The samples, with silence in frames that are masked in all bands."""
    is_masked = features.any(axis=1) & ~masked.any(axis=1)  # [frames]
    frame = np.minimum(np.arange(len(clip.samples)) / clip.rate_hz / hop_seconds, len(is_masked) - 1).astype(int)  # [n]
    return np.where(is_masked[frame], np.float32(0), clip.samples)


@styled
def draw_views(clip: MonoClip, spec: FeatureSpec, strength: ViewStrength, *, seed: int, note: str) -> Figure:
    """One clip as recorded, with noise, stretched, higher and masked: waveforms and mel spectrograms.

    Args:
        clip: as recorded.
        spec: of the spectrograms; its clips are long enough for the stretched clip.
        strength: of the changes.
        seed: of noise and masks.
        note: who speaks.
    """
    samples, rate_hz = clip
    shown = {
        "as recorded": samples,
        f"white noise, {strength.snr_db:g} dB signal to noise": with_white_noise(samples, strength.snr_db, seed),
        f"{strength.stretch:g} times as long": stretched(samples, rate_hz, strength.stretch),
        f"{strength.pitch_semitones:+g} semitones": pitched(samples, rate_hz, strength.pitch_semitones),
    }
    features = {name: features_of(MonoClip(view, rate_hz), spec) for name, view in shown.items()}
    recorded = features["as recorded"]
    masked = _masked(recorded, seed, spec)
    name = "masks in time and frequency"
    shown[name] = _muted(clip, recorded, masked, spec.hop_seconds)
    features[name] = masked
    figure = page_figure(1.2 + 1.35 * len(shown))
    panels = figure.subplots(len(shown), 2, sharex=True)
    for (wave, picture), (title, view) in zip(panels, shown.items(), strict=True):
        wave.plot(np.arange(len(view)) / rate_hz, view, color="#333333", linewidth=0.4)
        wave.set_title(title, loc="left")
        wave.sharey(panels[0, 0])
        show_features(picture, features[title], spec)
        picture.set_ylabel("kHz (mel)")
    panels[0, 0].set_xlim(0, spec.clip_seconds)
    for axes in panels[-1]:
        axes.set_xlabel("time (s)")
    caption(figure, "Views of one clip", f"Left: amplitude, full scale at 1. {note}")
    return figure


@styled
def draw_training_views(clip: MonoClip, spec: FeatureSpec, *, seed: int, note: str) -> Figure:
    """Features of one clip, and several draws of training's augmentation of them."""
    features = features_of(clip, spec)
    batch = tf.constant(np.repeat(features[np.newaxis], DRAWS, axis=0))
    views, _ = augment(batch, tf.ones([DRAWS, 1]), tf.constant([seed, 1]), AUGMENTATION, spec)
    figure = page_figure(5.6)
    panels = figure.subplots(3, 2, sharex=True, sharey=True).ravel()
    for number, (axes, view) in enumerate(zip(panels, [features, *views.numpy()], strict=True)):
        image = show_features(axes, view, spec)
        axes.set_title(f"draw {number}" if number else "as recorded")
        axes.label_outer()
    for axes in panels[-2:]:
        axes.set_xlabel("time (s)")
    figure.colorbar(image, ax=panels, label="dB below the clip's peak", shrink=0.6)
    caption(figure, "One clip as training sees it", f"Stretched, shifted, louder or softer, noisier and masked. {note}")
    return figure
