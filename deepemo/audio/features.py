"""From a recording to a model's input spectrogram; training and serving both use this."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_io as tfio

from deepemo.arrays import Float32Array
from deepemo.audio.samples import resample, trim_silence
from deepemo.audio.spec import FeatureSpec, check_bands

# tensorflow-io's dbscale raises lower levels to this one. A peak at this level means that there is no sound at all.
SILENT_DB = -100.0


def decibel_spectrogram(samples: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
    """Spectrogram of one clip in decibels below its peak, scaled to [0, 1].

    The steps are tensorflow-io's: the magnitude of its STFT (Hann window, not centred, padded at the end), its HTK mel
    filters for `mel`, and its dbscale, which squares. Values more than `range_db` below the clip's own peak become 0.
    The function takes one clip at a time, because dbscale uses the peak of its whole input.

    Args:
        samples: float32 [clip_samples], mono at `spec.sample_rate_hz`.
        spec: what to compute.

    Returns:
        float32 [frames, bands]: 1 at the clip's peak, 0 at `range_db` below it and everywhere in a silent clip.
    """
    magnitude = tfio.audio.spectrogram(
        samples, nfft=spec.fft_size, window=spec.window_samples, stride=spec.hop_samples
    )  # [frames, fft_size / 2 + 1]
    if spec.kind == "mel":
        magnitude = tfio.audio.melscale(
            magnitude, rate=spec.sample_rate_hz, mels=spec.mel_bands, fmin=spec.min_hz, fmax=spec.max_hz
        )  # [frames, mel_bands]
    else:
        first, end = spec.bin_range
        magnitude = magnitude[:, first:end]  # [frames, bands]
    decibel = tfio.audio.dbscale(magnitude, top_db=spec.range_db)
    peak = tf.reduce_max(decibel)
    scaled = (decibel - peak) / spec.range_db + 1.0
    return tf.where(peak > SILENT_DB, tf.clip_by_value(scaled, 0.0, 1.0), tf.zeros_like(scaled))


def fit_length(samples: Float32Array, length: int) -> Float32Array:
    """Cut samples at the end, or pad them there with silence: float32 [n] to [length].

    >>> fit_length(np.float32([1, 2, 3]), 2).tolist(), fit_length(np.float32([1, 2]), 3).tolist()
    ([1.0, 2.0], [1.0, 2.0, 0.0])
    """
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


class Featurizer:
    """The front end of models with spectrograms as input, see `deepemo.models.family.FrontEnd`.

    Two featurizers are equal if they compute the same features.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        """Trace the spectrogram for a spec.

        Raises:
            InputError: the spec's mel bands are too narrow for its window.
        """
        check_bands(spec)
        self.spec = spec
        self.sample_rate_hz = spec.sample_rate_hz
        self.clip_seconds = spec.clip_seconds
        signature = [tf.TensorSpec([spec.clip_samples], tf.float32)]
        self._spectrogram = tf.function(lambda samples: decibel_spectrogram(samples, spec), input_signature=signature)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Featurizer) and other.spec == self.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.spec,))

    def trim(self, samples: Float32Array) -> Float32Array:
        """Cut off the quiet ends of float32 [n] at `sample_rate_hz`, if the spec says so."""
        spec = self.spec
        if spec.trim_below_db is None:
            return samples
        return trim_silence(samples, block_samples=spec.hop_samples, below_db=spec.trim_below_db)

    def clip(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """Resample, trim, and cut or pad: float32 [n] at `rate_hz` to float32 [clip_samples] at the spec's rate."""
        resampled = resample(np.asarray(samples, dtype=np.float32), rate_hz, self.spec.sample_rate_hz)
        return fit_length(self.trim(resampled), self.spec.clip_samples)

    def __call__(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """Features of one recording.

        Args:
            samples: float32 [n], mono, full scale at 1.
            rate_hz: their sample rate.

        Returns:
            float32 [frames, bands] in [0, 1].
        """
        features: Float32Array = self._spectrogram(tf.constant(self.clip(samples, rate_hz))).numpy()
        return features

    def graph(self, samples: tf.Tensor) -> tf.Tensor:
        """Features of one clip in TensorFlow operations, for export: [clip_samples] to [frames, bands]."""
        # Digital silence is exactly on the spectrogram's floor. Another order of sums could put it above or below.
        sounds = tf.cast(tf.reduce_max(tf.abs(samples)) > 0.0, tf.float32)
        return sounds * decibel_spectrogram(samples, self.spec)

    def steps(self) -> list[str]:
        """The steps of `clip` in words, for programs that must do the same."""
        spec = self.spec
        steps = ["mix the channels down to their mean and resample"]
        if spec.trim_below_db is not None:
            steps.append(
                f"cut off the ends whose {spec.hop_samples}-sample blocks all lie more than {spec.trim_below_db:g} dB "
                "in RMS below the loudest block"
            )
        return [*steps, "cut what is too long at its end, or pad what is too short there with zeros"]

    def describe(self) -> dict[str, Any]:
        """The spec, for JSON."""
        return self.spec.to_dict()
