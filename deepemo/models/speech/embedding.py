"""Samples of clips to embeddings: what a frozen speech encoder makes of them, in statistics over time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepemo.audio.decode import resample
from deepemo.audio.levels import at_level
from deepemo.audio.trim import trim_silence
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ, TAPS, frames_of, samples_of

_TRIM_BLOCK_SECONDS = 0.02
_EPSILON = 1e-6
# Clips of similar length share a batch; the window in which they are sorted bounds memory.
_WINDOW_CLIPS = 256
# Lengths are rounded up to so many frames, for kernels are set up anew for each length they meet.
_FRAME_STEP = 8


@dataclass(frozen=True, kw_only=True)
class SpeechInput:
    """How a recording is made ready for the encoder.

    Attributes:
        trim_below_db: ends quieter than this below the loudest 20 ms are cut off; None keeps them.
        max_seconds: what is longer is cut at its end.
        level_dbfs: RMS to which it is scaled; -26 dBFS is 0.05.
    """

    trim_below_db: float | None = 40.0
    max_seconds: float = 6.0
    level_dbfs: float = -26.0

    def prepare(self, samples: np.ndarray, rate_hz: int) -> np.ndarray:
        """Resample, trim, cut and level: mono float32 [n] at `rate_hz` to float32 [m] at 16 kHz.

        What is too short for one frame of the encoder is padded with silence to that.
        """
        samples = resample(np.asarray(samples, dtype=np.float32), rate_hz, SAMPLE_RATE_HZ)
        if self.trim_below_db is not None:
            block = round(_TRIM_BLOCK_SECONDS * SAMPLE_RATE_HZ)
            samples = trim_silence(samples, block_samples=block, below_db=self.trim_below_db)
        samples = at_level(samples[: round(self.max_seconds * SAMPLE_RATE_HZ)], self.level_dbfs)
        return np.pad(samples, (0, max(0, samples_of(1) - len(samples))))


@keras.saving.register_keras_serializable(package="deepemo")
class StatisticsPooling(keras.layers.Layer):
    """Mean and standard deviation over a clip's own frames: float32 [n, t, c] and frame counts [n] to [n, 2 c]."""

    def call(self, x: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Pool each clip's first `frames` frames."""
        inside = tf.sequence_mask(frames, tf.shape(x)[1], x.dtype)[:, :, tf.newaxis]  # [n, t, 1]
        share = inside / tf.reduce_sum(inside, 1, keepdims=True)
        mean = tf.reduce_sum(x * share, 1, keepdims=True)
        variance = tf.reduce_sum(tf.square(x - mean) * share, 1)
        return tf.concat([mean[:, 0], tf.sqrt(variance + _EPSILON)], axis=1)


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
    return keras.Model([samples, lengths], joined, name="speech_embedder")


class SpeechEmbedder:
    """Embeds clips of any lengths, in batches of similar ones.

    A clip's embedding does not depend on the others in its batch, rounding apart.
    """

    def __init__(self, network: keras.Model, *, batch_size: int = 16) -> None:
        """Take a network of `build_embedder`, and how many clips are embedded at once."""
        self.network = network
        self.batch_size = batch_size
        signature = [tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32)]
        self._embed = tf.function(lambda *batch: network(list(batch), training=False), input_signature=signature)

    def __call__(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings float32 [n, width] of prepared clips, float32 [samples] each, in their order."""
        embeddings = np.empty((len(clips), self.network.output_shape[-1]), np.float32)
        order = np.argsort([len(clip) for clip in clips], kind="stable")
        for start in range(0, len(clips), self.batch_size):
            members = order[start : start + self.batch_size]
            embeddings[members] = self._embed(*_pad([clips[member] for member in members])).numpy()
        return embeddings

    def in_order(self, clips: Iterable[tuple[Any, np.ndarray]]) -> Iterator[tuple[Any, np.ndarray]]:
        """Embed a stream of keys and prepared clips, a bounded number in memory, and yield keys and embeddings."""
        stream = iter(clips)
        while window := list(islice(stream, _WINDOW_CLIPS)):
            yield from zip((key for key, _ in window), self([clip for _, clip in window]), strict=True)


def _pad(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Join clips to float32 [n, samples], with zeros after the shorter ones, and their lengths int32 [n]."""
    lengths = np.array([len(clip) for clip in clips], np.int32)
    frames = frames_of(int(lengths.max()))
    longest = max(samples_of(-(-frames // _FRAME_STEP) * _FRAME_STEP), int(lengths.max()))
    batch = np.zeros((len(clips), longest), np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    return batch, lengths
