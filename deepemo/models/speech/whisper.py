"""The encoder of Whisper tiny.en in Keras: from speech samples to the outputs of its layers.

The network is described by Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision". It hears
a mel spectrogram with a frame every 10 ms, which is computed from the samples as part of the network. Two convolutions
make one frame every 20 ms of it. Four transformer layers follow.
"""

from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.models.layers import ChannelNormalisation
from deepemo.models.speech.attention import attend, split_heads

SAMPLE_RATE_HZ = 16000
CHANNELS = 384
LAYERS = 4
HEADS = 6
BANDS = 80
POSITIONS = 1500  # frames of the 30 s that it was trained on

_WINDOW = 400  # samples, as is the period of the Fourier transform
_HOP = 160  # samples
_HIDDEN_CHANNELS = 4 * CHANNELS
# The spectrogram's scale: what is more than 80 dB below a clip's loudest point counts as 80 dB below.
_LEAST_POWER = 1e-10
_RANGE = 8.0
_OFFSET = 4.0
_SCALE = 4.0

# Outputs of the network, in its order: the convolutions with the positions added, the residual stream after each layer,
# and the normalised output.
TAPS = ("whisper_stem", *(f"whisper_layer{number}" for number in range(1, LAYERS + 1)), "whisper_output")

_Count = TypeVar("_Count", int, tf.Tensor)


def frames_of(samples: _Count) -> _Count:
    """Number of frames for a number of samples, integers of any kind.

    >>> frames_of(16000)
    50
    """
    return (samples // _HOP + 1) // 2


def whisper_tiny_en() -> keras.Model:
    """The encoder with random weights.

    Inputs: `samples`, float32 [n, samples] at 16 kHz with full scale at 1.0, where any numbers may follow a clip up to
    the length of the longest; `lengths`, int32 [n], the number of samples of each clip, more than 200 and at most 30 s.

    Outputs: a list of `TAPS`, each float32 [n, frames, 384]. Only the first `frames_of(length)` frames of a clip are
    valid; they depend on that clip alone. The original hears silence up to 30 s after a clip; this network ends with
    the clip.
    """
    layers = keras.layers
    samples = keras.Input((None,), name="samples")
    lengths = keras.Input((), dtype="int32", name="lengths")
    x = ClipMask(_HOP, name="spectrogram_mask")(LogMel(name="spectrogram")(samples, lengths), lengths)
    x = layers.Conv1D(CHANNELS, 3, padding="same", activation="gelu", name="conv1")(x)
    x = layers.ZeroPadding1D(1, name="conv2_padding")(ClipMask(_HOP, name="conv1_mask")(x, lengths))
    x = layers.Conv1D(CHANNELS, 3, strides=2, activation="gelu", name="conv2")(x)
    x = Positions(name=TAPS[0])(x)
    taps = [x]
    frames = frames_of(lengths)
    for number, tap in enumerate(TAPS[1:-1], start=1):
        name = f"layer{number}"
        joined = layers.Dense(3 * CHANNELS, name=f"{name}_queries_keys_values")(_norm(f"{name}_norm1")(x))
        attended = SelfAttention(HEADS, name=f"{name}_self")(joined, frames)
        x = layers.Add(name=f"{name}_attention")([x, layers.Dense(CHANNELS, name=f"{name}_attended")(attended)])
        hidden = layers.Dense(_HIDDEN_CHANNELS, "gelu", name=f"{name}_hidden")(_norm(f"{name}_norm2")(x))
        x = layers.Add(name=tap)([x, layers.Dense(CHANNELS, name=f"{name}_project")(hidden)])
        taps.append(x)
    taps.append(_norm(TAPS[-1])(x))
    return keras.Model([samples, lengths], taps, name="whisper_tiny_en")


def _norm(name: str) -> keras.layers.Layer:
    return ChannelNormalisation(offset=True, name=name)


@keras.saving.register_keras_serializable(package="deepemo")
class LogMel(keras.layers.Layer):
    """The mel spectrogram of clips, in Whisper's scale: samples and lengths to float32 [n, samples // 160, 80].

    Windows are centred. The start of a clip is mirrored before it, and zeros follow its end.
    """

    def call(self, samples: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Spectrograms of float32 [n, samples], of which the first `lengths` [n] are the clip."""
        clip = samples * tf.sequence_mask(lengths, tf.shape(samples)[1], samples.dtype)
        half = _WINDOW // 2
        mirrored = tf.reverse(clip[:, 1 : half + 1], [1])
        padded = tf.concat([mirrored, clip, tf.zeros_like(mirrored)], axis=1)[:, :, tf.newaxis]
        waves = tf.nn.conv1d(padded, _waves(), stride=_HOP, padding="VALID")[:, :-1]  # [n, t, 2 * bins]
        cosines, sines = tf.split(waves, 2, axis=-1)
        power = tf.matmul(tf.square(cosines) + tf.square(sines), _mel_bands())  # [n, t, bands]
        level = tf.math.log(tf.maximum(power, _LEAST_POWER)) * np.float32(1.0 / np.log(10.0))
        outside = 1.0 - tf.sequence_mask(lengths // _HOP, tf.shape(level)[1], level.dtype)
        top = tf.reduce_max(level - 1e3 * outside[:, :, tf.newaxis], (1, 2), keepdims=True)
        return (tf.maximum(level, top - _RANGE) + _OFFSET) / _SCALE


def _waves() -> Float32Array:
    """Cosines and sines under a Hann window, of all frequencies of a Fourier transform: [window, 1, 2 * bins]."""
    times, bins = np.arange(_WINDOW), np.arange(_WINDOW // 2 + 1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * times / _WINDOW)
    angles = 2 * np.pi * (times[:, np.newaxis] * bins % _WINDOW) / _WINDOW
    waves = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window[:, np.newaxis]
    return waves[:, np.newaxis].astype(np.float32)


def _mel_bands() -> Float32Array:
    """Triangular bands of Slaney's mel scale, each of area 1 over the frequencies in Hz: [bins, bands].

    Slaney 1998, "Auditory Toolbox, Version 2": linear below 1,000 Hz, logarithmic above.
    """
    top = SAMPLE_RATE_HZ / 2
    edges = _hz(np.linspace(0.0, _mel(top), BANDS + 2))
    frequencies = np.linspace(0.0, top, _WINDOW // 2 + 1)[:, np.newaxis]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return bands.astype(np.float32)


_MEL_HZ = 200.0 / 3.0  # of a mel below the bend
_BEND_HZ = 1000.0
_BEND = _BEND_HZ / _MEL_HZ
_LOG_STEP = np.log(6.4) / 27.0  # of a mel above the bend


def _mel(hz: float) -> float:
    return hz / _MEL_HZ if hz < _BEND_HZ else _BEND + float(np.log(hz / _BEND_HZ)) / _LOG_STEP


def _hz(mels: np.ndarray) -> np.ndarray:
    return np.where(mels < _BEND, mels * _MEL_HZ, _BEND_HZ * np.exp((np.maximum(mels, _BEND) - _BEND) * _LOG_STEP))


@keras.saving.register_keras_serializable(package="deepemo")
class ClipMask(keras.layers.Layer):
    """Zeros after the end of each clip, so that convolutions do not reach beyond it.

    Args:
        hop: samples per frame.
        options: of a Keras layer.
    """

    def __init__(self, hop: int, **options: Any) -> None:
        super().__init__(**options)
        self.hop = hop

    def call(self, x: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        """Clear float32 [n, t, c] from each clip's last frame on; `lengths` [n] are in samples."""
        return x * tf.sequence_mask(lengths // self.hop, tf.shape(x)[1], x.dtype)[:, :, tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "hop": self.hop}


@keras.saving.register_keras_serializable(package="deepemo")
class Positions(keras.layers.Layer):
    """Adds a vector of its own to each place in time. Places after the last known one get that one's."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the vectors [positions, c]."""
        self.vectors = self.add_weight(name="vectors", shape=(POSITIONS, input_shape[-1]), trainable=False)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Add them to float32 [n, t, c]."""
        return x + tf.gather(self.vectors, tf.minimum(tf.range(tf.shape(x)[1]), POSITIONS - 1))


@keras.saving.register_keras_serializable(package="deepemo")
class SelfAttention(keras.layers.Layer):
    """Attention among the frames of a clip: queries, keys and values side by side, [n, t, 3 c], to [n, t, c].

    Args:
        heads: number of heads into which the channels are divided.
        options: of a Keras layer.
    """

    def __init__(self, heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.heads = heads

    def call(self, joined: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Let each frame attend to the first `frames` [n] of its clip."""
        queries, keys, values = split_heads(joined, self.heads)
        return attend(queries * values.shape[-1] ** -0.5, keys, values, frames)

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "heads": self.heads}
