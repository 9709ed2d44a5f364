"""The part of the family `speech` before its heads: an encoder, and what is kept of its layers over time."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.models.speech import moonshine, whisper
from deepemo.models.speech.moonshine import frames_of, moonshine_tiny, samples_of
from deepemo.models.speech.whisper import whisper_tiny_en

ENCODERS = {"moonshine_tiny": moonshine_tiny, "whisper_tiny_en": whisper_tiny_en}
# Of each output of an encoder: the function from a number of samples to one of frames.
_FRAMES = {
    **dict.fromkeys(moonshine.TAPS, moonshine.frames_of),
    **dict.fromkeys(whisper.TAPS, whisper.frames_of),
}

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


@keras.saving.register_keras_serializable(package="deepemo")
class SegmentMeans(keras.layers.Layer):
    """Means over equal parts of a clip's own frames: float32 [n, t, c] and frame counts [n] to [n, segments, c].

    A frame that lies across the end of a part counts for both, by its shares in them.

    Args:
        segments: number of parts.
        options: of a Keras layer.
    """

    def __init__(self, segments: int, **options: object) -> None:
        super().__init__(**options)
        self.segments = segments

    def call(self, x: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Average each part of each clip's first `frames` frames."""
        ends = tf.cast(frames, x.dtype)[:, tf.newaxis] * tf.constant(_bounds(self.segments), x.dtype)  # [n, segments+1]
        times = tf.cast(tf.range(tf.shape(x)[1]), x.dtype)  # [t]
        begin, end = ends[:, :-1, tf.newaxis], ends[:, 1:, tf.newaxis]
        inside = tf.maximum(tf.minimum(times + 1.0, end) - tf.maximum(times, begin), 0.0)  # [n, segments, t]
        return tf.matmul(inside / tf.reduce_sum(inside, 2, keepdims=True), x)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "segments": self.segments}


def _bounds(segments: int) -> np.ndarray:
    return np.arange(segments + 1) / segments


def segment_means(frames: Float32Array, segments: int) -> Float32Array:
    """`SegmentMeans` of one clip: float32 [t, c] to [segments, c]."""
    ends, times = len(frames) * _bounds(segments), np.arange(len(frames))
    inside = np.minimum(times + 1, ends[1:, np.newaxis]) - np.maximum(times, ends[:-1, np.newaxis])
    share = np.maximum(inside, 0.0)
    means: Float32Array = (share / share.sum(axis=1, keepdims=True) @ frames).astype(np.float32)
    return means


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


def build_encoder(name: str) -> keras.Model:
    """An encoder with random weights.

    Inputs and outputs are those of the function in `ENCODERS`. Encoders that are joined hear the same clips, and the
    outputs of one follow those of another. The names of the outputs are those of the taps.

    Args:
        name: one of `ENCODERS`, or several joined by `+`.
    """
    parts = [ENCODERS[part]() for part in name.split("+")]
    if len(parts) == 1:
        return parts[0]
    samples, lengths = keras.Input((None,), name="samples"), keras.Input((), dtype="int32", name="lengths")
    outputs = [
        keras.layers.Identity(name=tap)(output)
        for part in parts
        for tap, output in zip(part.output_names, part([samples, lengths]), strict=True)
    ]
    return keras.Model([samples, lengths], outputs, name="encoders")


def parts_of(encoder: keras.Model, name: str) -> dict[str, keras.Model]:
    """The encoders of which a network of `build_encoder` consists, by their names in `ENCODERS`."""
    parts = name.split("+")
    return {part: encoder.get_layer(part) for part in parts} if len(parts) > 1 else {name: encoder}


def build_embedder(encoder: keras.Model, taps: Sequence[str], *, segments: int = 0) -> keras.Model:
    """Samples and lengths, as the encoder takes them, to embeddings float32 [n, width].

    An embedding is the mean and the deviation over time of each output, and then the means of all outputs over each
    segment: its width is (2 + segments) times the channels of all outputs.

    Args:
        encoder: see `build_encoder`.
        taps: names of the outputs that are used, in this order.
        segments: equal parts of a clip; 0: none.
    """
    samples, lengths = encoder.inputs
    outputs = dict(zip(encoder.output_names, encoder.outputs, strict=True))
    used = [(tap, outputs[tap], _FRAMES[tap](lengths)) for tap in taps]
    pooled = [StatisticsPooling(name=f"{tap}_statistics")(output, frames) for tap, output, frames in used]
    if segments:
        means = [SegmentMeans(segments, name=f"{tap}_segments")(output, frames) for tap, output, frames in used]
        joined = keras.layers.Concatenate(name="segments")(means) if len(means) > 1 else means[0]
        pooled.append(keras.layers.Flatten(name="all_segments")(joined))
    joined = keras.layers.Concatenate(name="embedding")(pooled) if len(pooled) > 1 else pooled[0]
    return keras.Model([samples, lengths], joined, name="embedder")


def rounded_up(samples: int) -> int:
    """Number of samples to which a batch is padded, given the samples of its longest clip."""
    frames = -(-frames_of(samples) // _FRAME_STEP) * _FRAME_STEP
    return max(samples_of(frames), samples)
