"""Pictures of what augmentation makes of a clip."""

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from deepemo.audio.augment import augment, mask
from deepemo.audio.spec import FeatureSpec
from deepemo.charts.style import caption, page_figure, styled
from deepemo.eda.plots_examples import Clip, features_of, show_features
from deepemo.eda.views import pitched, stretched, with_noise
from deepemo.params import Augment

# As strong as params.yaml has them at first; what a run uses is in its own section there.
EXAMPLE = Augment(
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


def _masked(features: np.ndarray, seed: int, spec: FeatureSpec) -> np.ndarray:
    batch = tf.constant(features[np.newaxis])
    masked: np.ndarray = mask(batch, tf.constant([seed, 0]), EXAMPLE, spec)[0].numpy()
    return masked


def _muted(
    samples: np.ndarray, rate_hz: int, features: np.ndarray, masked: np.ndarray, hop_seconds: float
) -> np.ndarray:
    """The samples with silence where whole frames were masked."""
    frames = features.any(axis=1) & ~masked.any(axis=1)
    place = np.minimum(np.arange(len(samples)) / rate_hz / hop_seconds, len(frames) - 1).astype(int)
    return np.where(frames[place], np.float32(0), samples)


@styled
def draw_views(
    clip: Clip, spec: FeatureSpec, *, snr_db: float, stretch: float, pitch_semitones: float, seed: int, note: str
) -> Figure:
    """One clip as recorded, with noise, stretched, higher and masked: waveforms and mel spectrograms.

    Args:
        clip: float32 [n] and its rate.
        spec: of the spectrograms; long enough for the stretched clip.
        snr_db: of the noise added.
        stretch: how many times as long.
        pitch_semitones: how much higher.
        seed: of noise and masks.
        note: whose voice it is.
    """
    samples, rate_hz = clip
    shown = {
        "as recorded": samples,
        f"white noise, {snr_db:g} dB signal to noise": with_noise(samples, snr_db, seed),
        f"{stretch:g} times as long": stretched(samples, rate_hz, stretch),
        f"{pitch_semitones:+g} semitones": pitched(samples, rate_hz, pitch_semitones),
    }
    features = {name: features_of((view, rate_hz), spec) for name, view in shown.items()}
    recorded = features["as recorded"]
    masked = _masked(recorded, seed, spec)
    name = "masks in time and frequency"
    shown[name] = _muted(samples, rate_hz, recorded, masked, spec.hop_seconds)
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
def draw_training_views(clip: Clip, spec: FeatureSpec, *, seed: int, note: str) -> Figure:
    """One clip as training may see it: its features, and several draws of what `augment` makes of them."""
    features = features_of(clip, spec)
    batch = tf.constant(np.repeat(features[np.newaxis], DRAWS, axis=0))
    views, _ = augment(batch, tf.ones([DRAWS, 1]), tf.constant([seed, 1]), EXAMPLE, spec)
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
