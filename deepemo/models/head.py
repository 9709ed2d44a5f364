"""The head that families with a frozen network train on its embeddings."""

import keras
import tensorflow as tf
from keras import layers

from deepemo.models.layers import FusedBatchNormalization


def build_head(*, width: int, hidden_units: int, dropout: float, classes: int) -> keras.Model:
    """Embeddings float32 [n, width] to logits [n, classes]: batch normalised, then as in `build_perceptron`.

    Args:
        width: of the embeddings.
        hidden_units: of the hidden layer; 0 for none.
        dropout: before each layer of weights.
        classes: emotions to tell apart.
    """
    embeddings = keras.Input((width,), name="embeddings")
    maps = layers.Reshape((1, 1, width))(embeddings)
    values = layers.Flatten()(FusedBatchNormalization(momentum=0.9, center=False, scale=False)(maps))
    return keras.Model(embeddings, _perceptron(values, hidden_units, dropout, classes), name="head")


def build_perceptron(width: int, *, hidden_units: int, dropout: float, classes: int, name: str) -> keras.Model:
    """Values float32 [n, width] to logits [n, classes], through a hidden layer if wanted.

    Args:
        width: of the values.
        hidden_units: of the hidden layer; 0 for none.
        dropout: before each layer of weights.
        classes: emotions to tell apart.
        name: of the network.
    """
    values = keras.Input((width,), name="values")
    return keras.Model(values, _perceptron(values, hidden_units, dropout, classes), name=name)


def _perceptron(values: tf.Tensor, hidden_units: int, dropout: float, classes: int) -> tf.Tensor:
    if hidden_units:
        values = layers.Dropout(dropout)(values)
        values = layers.Dense(hidden_units, activation="relu")(values)
    values = layers.Dropout(dropout)(values)
    return layers.Dense(classes, name="emotions")(values)
