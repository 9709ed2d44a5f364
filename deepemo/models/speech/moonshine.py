"""The encoder of Moonshine tiny in Keras: from speech samples to the outputs of its layers.

The network is described by Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice
Commands". Its input is samples, not a spectrogram. Three convolutions reduce 16 kHz to one frame every 24 ms. Six
transformer layers with rotary positions (Su et al. 2021) follow.
"""

from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from deepemo.models.layers import ChannelNormalisation
from deepemo.models.speech.attention import attend, split_heads

SAMPLE_RATE_HZ = 16000
CHANNELS = 288
LAYERS = 6

# Of each convolution: name, kernel, stride, channels. None is padded.
_CONVOLUTIONS = (("conv1", 127, 64, CHANNELS), ("conv2", 7, 3, 2 * CHANNELS), ("conv3", 3, 2, CHANNELS))
HEADS = 8
ROTARY_CHANNELS = 32  # of each head, in pairs; the others carry no position
_ROTARY_BASE = 10000.0
_HIDDEN_CHANNELS = 4 * CHANNELS
_EPSILON = 1e-5

# Outputs of the network, in its order: the convolutions, the residual stream after layers 1 to 5, that of layer 6
# between its attention and its perceptron, and the normalised output.
TAPS = ("stem", *(f"layer{number}" for number in range(1, LAYERS)), f"layer{LAYERS}_attention", "output")

_Count = TypeVar("_Count", int, tf.Tensor)


def frames_of(samples: _Count) -> _Count:
    """Number of frames for a number of samples, integers of any kind; 0 or less if there are too few samples.

    >>> frames_of(16000)
    40
    """
    count = samples
    for _, kernel, stride, _ in _CONVOLUTIONS:
        count = (count - kernel) // stride + 1
    return count


def samples_of(frames: int) -> int:
    """The smallest number of samples from which the encoder makes this many frames.

    >>> samples_of(1), samples_of(40)
    (895, 15871)
    """
    count = frames
    for _, kernel, stride, _ in reversed(_CONVOLUTIONS):
        count = (count - 1) * stride + kernel
    return count


def moonshine_tiny() -> keras.Model:
    """The encoder with random weights.

    Inputs: `samples`, float32 [n, samples] at 16 kHz with full scale at 1.0, where any numbers may follow a clip up to
    the length of the longest; `lengths`, int32 [n], the number of samples of each clip, at least `samples_of(1)`.

    Outputs: a list of `TAPS`, each float32 [n, frames, 288]. Only the first `frames_of(length)` frames of a clip are
    valid; they depend on that clip alone.
    """
    samples = keras.Input((None,), name="samples")
    lengths = keras.Input((), dtype="int32", name="lengths")
    x = keras.layers.Reshape((-1, 1), name="channel")(samples)
    frames = lengths
    for name, kernel, stride, channels in _CONVOLUTIONS:
        first = name == "conv1"
        x = keras.layers.Conv1D(
            channels, kernel, strides=stride, activation="tanh" if first else "gelu", use_bias=not first, name=name
        )(x)
        frames = (frames - kernel) // stride + 1
        if first:
            x = ClipNormalisation(name="norm1")(x, frames)
    taps = {"stem": keras.layers.Identity(name="stem")(x)}
    for number in range(1, LAYERS + 1):
        name = f"layer{number}"
        attended = RotaryAttention(HEADS, name=f"{name}_self")(_norm(f"{name}_norm1")(x), frames)
        x = keras.layers.Add(name=f"{name}_attention")([x, attended])
        taps[f"{name}_attention"] = x
        hidden = keras.layers.Dense(_HIDDEN_CHANNELS, "gelu", name=f"{name}_hidden")(_norm(f"{name}_norm2")(x))
        x = keras.layers.Add(name=name)([x, keras.layers.Dense(CHANNELS, name=f"{name}_project")(hidden)])
        taps[name] = x
    taps["output"] = _norm("output")(x)
    return keras.Model([samples, lengths], [taps[name] for name in TAPS], name="moonshine_tiny")


def _norm(name: str) -> keras.layers.Layer:
    return ChannelNormalisation(name=name)


@keras.saving.register_keras_serializable(package="deepemo")
class ClipNormalisation(keras.layers.Layer):
    """Group normalisation with one group: each clip to mean 0 and variance 1 over its own frames and all channels."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create a factor and an offset for each channel."""
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Normalise float32 [n, t, c], of which the first `frames` [n] are the clip."""
        inside = tf.sequence_mask(frames, tf.shape(x)[1], x.dtype)[:, :, tf.newaxis]  # [n, t, 1]
        share = inside / (tf.reduce_sum(inside, 1, keepdims=True) * x.shape[-1])  # sums to 1 over frames and channels
        centred = x - tf.reduce_sum(x * share, (1, 2), keepdims=True)
        variance = tf.reduce_sum(tf.square(centred) * share, (1, 2), keepdims=True)
        return centred * (self.gamma / tf.sqrt(variance + _EPSILON)) + self.beta


@keras.saving.register_keras_serializable(package="deepemo")
class RotaryAttention(keras.layers.Layer):
    """Self-attention whose queries and keys are rotated by an angle that grows with their position in time.

    In each head, `ROTARY_CHANNELS` channels of the queries and keys are rotated. Channel i of their first half and
    channel i of their second half are the two coordinates of one rotation.

    Args:
        heads: number of heads into which the channels are divided.
        options: of a Keras layer.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the kernels [c, 3 c] of queries, keys and values, and [c, c] of the output."""
        channels = input_shape[-1]
        self.queries_keys_values = self.add_weight(name="queries_keys_values", shape=(channels, 3 * channels))
        self.output_kernel = self.add_weight(name="output", shape=(channels, channels))

    def call(self, x: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Let each frame of float32 [n, t, c] attend to the first `frames` [n] of its clip."""
        count, length, channels = tf.shape(x)[0], tf.shape(x)[1], x.shape[-1]
        joined = tf.matmul(tf.reshape(x, [-1, channels]), self.queries_keys_values)
        queries, keys, values = split_heads(tf.reshape(joined, [count, length, 3 * channels]), self.heads)
        attended = attend(_turn(queries * values.shape[-1] ** -0.5), _turn(keys), values, frames)
        return tf.reshape(
            tf.matmul(tf.reshape(attended, [-1, channels]), self.output_kernel), [count, length, channels]
        )

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "heads": self.heads}


def _turn(x: tf.Tensor) -> tf.Tensor:
    """Turn the pairs of channels of [n, heads, t, size] by their position t times their speed."""
    pairs = ROTARY_CHANNELS // 2
    speeds = (_ROTARY_BASE ** (-np.arange(pairs) / pairs)).astype(np.float32)
    angles = tf.cast(tf.range(tf.shape(x)[2]), tf.float32)[:, tf.newaxis] * speeds  # [t, pairs]
    cos, sin = tf.cos(angles), tf.sin(angles)
    first, second, rest = tf.split(x, [pairs, pairs, x.shape[-1] - 2 * pairs], axis=-1)
    return tf.concat([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)
