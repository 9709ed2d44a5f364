"""The head that families with a frozen network train on its embeddings."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deepemo.arrays import Float32Array
from deepemo.emotions import EMOTIONS
from deepemo.models.layers import FusedBatchNormalization

# The least deviation that a dimension is divided by: one that hardly varies over the training clips says nothing.
_LEAST_DEVIATION = 1e-3


@keras.saving.register_keras_serializable(package="deepemo")
class Standardisation(layers.Layer):
    """Each dimension less its mean and divided by its deviation over the training clips: [n, width] to [n, width].

    Mean and deviation are weights that no gradient changes; `adapt` sets them.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create mean and deviation [width]."""
        self.mean = self.add_weight(name="mean", shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=input_shape[-1:], initializer="ones", trainable=False)

    def adapt(self, batches: Iterable[Float32Array]) -> None:
        """Measure mean and deviation over batches float32 [n, width], one of them in memory at a time."""
        count, total, squares = 0, np.zeros(self.mean.shape), np.zeros(self.mean.shape)
        for values in batches:
            count += len(values)
            total += values.sum(axis=0, dtype=np.float64)
            squares += np.square(values, dtype=np.float64).sum(axis=0)
        mean = total / count
        self.mean.assign(mean)
        self.deviation.assign(np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0.0)), _LEAST_DEVIATION))

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Standardise float32 [n, width]."""
        return (values - self.mean) / self.deviation


def build_head(*, width: int, hidden_units: int, dropout: float, standardised: bool = False) -> keras.Model:
    """Embeddings float32 [n, width] to logits [n, 7]: normalised, then through a hidden layer if wanted.

    Args:
        width: of the embeddings.
        hidden_units: of the hidden layer; 0 for none.
        dropout: before each layer of weights.
        standardised: whether the layer `standardisation` normalises, whose `adapt` must be called before training, or
            a batch normalisation without scale and offset.
    """
    embeddings = keras.Input((width,), name="embeddings")
    if standardised:
        values = Standardisation(name="standardisation")(embeddings)
    else:
        maps = layers.Reshape((1, 1, width))(embeddings)
        values = layers.Flatten()(FusedBatchNormalization(momentum=0.9, center=False, scale=False)(maps))
    if hidden_units:
        values = layers.Dropout(dropout)(values)
        values = layers.Dense(hidden_units, activation="relu")(values)
    values = layers.Dropout(dropout)(values)
    logits = layers.Dense(len(EMOTIONS), name="emotions")(values)
    return keras.Model(embeddings, logits, name="head")
