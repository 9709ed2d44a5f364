"""The part of the family `speech` before its heads: an encoder, and statistics of its layers over time."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from deepemo.models.speech.moonshine import TAPS, frames_of, moonshine_tiny, samples_of

ENCODERS = {"moonshine_tiny": moonshine_tiny}

# Added to a variance before its root.
EPSILON = 1e-6
# Lengths of batches are rounded up to a multiple of this many frames, because kernels are set up anew for each length.
_FRAME_STEP = 8


@keras.saving.register_keras_serializable(package="deepemo")
class StatisticsPooling(keras.layers.Layer):
    """Mean and standard deviation over a clip's own frames: float32 [n, t, c] and frame counts [n] to [n, 2 c]."""

    def call(self, x: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Pool each clip's first `frames` frames."""
        inside = tf.sequence_mask(frames, tf.shape(x)[1], x.dtype)[:, :, tf.newaxis]  # [n, t, 1]
        share = inside / tf.reduce_sum(inside, 1, keepdims=True)
        mean = tf.reduce_sum(x * share, 1, keepdims=True)
        variance = tf.reduce_sum(tf.square(x - mean) * share, 1)
        return tf.concat([mean[:, 0], tf.sqrt(variance + EPSILON)], axis=1)


def sounding_samples(samples: tf.Tensor) -> tf.Tensor:
    """Number of samples of each clip up to the last one that is not 0: float32 [n, s] to int32 [n]."""
    positions = tf.range(1, tf.shape(samples)[1] + 1)
    return tf.reduce_max(tf.cast(tf.not_equal(samples, 0.0), tf.int32) * positions, axis=1)


@keras.saving.register_keras_serializable(package="deepemo")
class ClipLength(keras.layers.Layer):
    """Number of samples of clips padded with zeros, at least one frame's: float32 [n, samples] to int32 [n]."""

    def call(self, samples: tf.Tensor) -> tf.Tensor:
        """Count up to the last sample that is not 0."""
        return tf.maximum(sounding_samples(samples), samples_of(1))


def build_embedder(encoder: keras.Model, taps: Sequence[str] = TAPS) -> keras.Model:
    """Samples and lengths, as the encoder takes them, to embeddings float32 [n, taps * 2 * channels].

    Args:
        encoder: see `moonshine_tiny`.
        taps: names of the outputs whose mean and deviation over time are joined, in this order.
    """
    samples, lengths = encoder.inputs
    frames = frames_of(lengths)
    outputs = dict(zip(TAPS, encoder.outputs, strict=True))
    pooled = [StatisticsPooling(name=f"{tap}_statistics")(outputs[tap], frames) for tap in taps]
    joined = keras.layers.Concatenate(name="embedding")(pooled) if len(pooled) > 1 else pooled[0]
    return keras.Model([samples, lengths], joined, name="embedder")


def rounded_up(samples: int) -> int:
    """Number of samples to which a batch is padded, given the samples of its longest clip."""
    frames = -(-frames_of(samples) // _FRAME_STEP) * _FRAME_STEP
    return max(samples_of(frames), samples)
