"""Features as the project's first version made them: one clip at a time, eagerly, all by tensorflow-io."""

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
import tensorflow_io as tfio

from deepemo.audio.features import decibel_spectrogram
from deepemo.audio.spec import FeatureSpec


def seed_features(path: Path, spec: FeatureSpec) -> tf.Tensor:
    """Decode, mix to mono, resample, cut or pad, spectrogram: float32 [frames, bands].

    The spectrogram is computed as by `Featurizer`, but silence is not trimmed.

    Raises:
        ValueError: tensorflow-io reads no samples.
        tf.errors.OpError: it refuses the file.
    """
    sound = tfio.audio.AudioIOTensor(str(path))
    samples = sound.to_tensor()
    if not len(samples):
        raise ValueError(f"{path}: tensorflow-io reads no samples")
    if not samples.dtype.is_floating:
        samples = tf.cast(samples, tf.float32) / float(samples.dtype.max)
    samples = tf.reduce_mean(tf.cast(samples, tf.float32), axis=1)
    rate_hz = int(sound.rate.numpy())
    if rate_hz != spec.sample_rate_hz:
        samples = tfio.audio.resample(samples, rate_hz, spec.sample_rate_hz)
    samples = samples[: spec.clip_samples]
    samples = tf.pad(samples, [[0, spec.clip_samples - len(samples)]])
    return decibel_spectrogram(samples, spec)


def readable(paths: Iterable[Path], spec: FeatureSpec) -> list[Path]:
    """The recordings that tensorflow-io can read."""
    read = []
    for path in paths:
        try:
            seed_features(path, spec)
        except (ValueError, tf.errors.OpError):
            continue
        read.append(path)
    return read
