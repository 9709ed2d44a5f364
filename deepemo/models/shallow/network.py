"""The shallow CNN: pairs of convolutions, then attentive statistics over time."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from deepemo.models.layers import FusedBatchNormalization, GradientSum, softmax


@keras.saving.register_keras_serializable(package="deepemo")
class AttentiveStatistics(layers.Layer):
    """Weighted mean and standard deviation over time: [n, time, channels] to [n, 2 * channels].

    The weights are a softmax over time of learned scores, one per frame and channel (Okabe, Koshinaka and Shinoda,
    "Attentive Statistics Pooling for Deep Speaker Embedding", Interspeech 2018).
    """

    def __init__(self, units: int = 64, **options: object) -> None:
        super().__init__(**options)
        self.units = units
        self.hidden = layers.Dense(units, activation="tanh")
        self.gradient_sum = GradientSum()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the two layers of the score."""
        channels = input_shape[-1]
        self.hidden.build(input_shape)
        self.score = layers.Dense(channels)
        self.score.build((*input_shape[:-1], self.units))

    def call(self, frames: object) -> object:
        """Pool over axis 1; no tensor is used more than twice, see `GradientSum`."""
        weights = softmax(self.score(self.hidden(frames)), axis=1)  # [n, time, channels]
        pooled = self.gradient_sum(frames)
        mean = ops.sum(weights * pooled, axis=1)
        variance = ops.sum(weights * ops.square(pooled), axis=1) - ops.square(mean)
        return ops.concatenate([mean, ops.sqrt(ops.maximum(variance, 1e-6))], axis=-1)


def _double_convolution(images: object, channels: int, strides: int) -> object:
    for stride in (strides, 1):
        images = layers.Conv2D(channels, 3, strides=stride, padding="same", use_bias=False)(images)
        images = FusedBatchNormalization(momentum=0.9)(images)
        images = layers.ReLU()(images)
    return images


def build_shallow(
    *, frames: int, bands: int, channels: Sequence[int], band_pooling: int, dropout: float, classes: int
) -> keras.Model:
    """The network: features [n, frames, bands] to logits [n, classes].

    Args:
        frames: frames of the features.
        bands: bands of the features.
        channels: of each pair of 3x3 convolutions. The stride of the first pair halves the image; pooling halves it
            before each later pair.
        band_pooling: neighbouring bands that are averaged before the first convolution.
        dropout: share of the pooled statistics that is dropped in training.
        classes: emotions to tell apart.
    """
    features = keras.Input((frames, bands), name="features")
    images = layers.Reshape((frames, bands, 1))(features)
    if band_pooling > 1:
        images = layers.AveragePooling2D((1, band_pooling))(images)
    for position, count in enumerate(channels):
        if position:
            images = layers.MaxPooling2D(2, padding="same")(images)
        images = _double_convolution(images, count, strides=1 if position else 2)
    columns = ops.mean(images, axis=2)  # [n, time, channels]
    pooled = layers.Dropout(dropout)(AttentiveStatistics()(columns))
    logits = layers.Dense(classes, name="emotions")(pooled)
    return keras.Model(features, logits, name="shallow")
