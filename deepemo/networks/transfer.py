"""Transfer from ImageNet: a backbone that looks at the spectrogram as at a picture, and a head on what it sees."""

import keras
from keras import layers, ops

from deepemo.emotions import EMOTIONS
from deepemo.networks.backbones.build import Backbone, build_backbone


def build_embedder(backbone: Backbone, *, frames: int, bands: int) -> keras.Model:
    """Features [n, frames, bands] to embeddings [n, 2 * channels]: mean and deviation of the backbone's map.

    The spectrogram is shown as a grey picture, time downwards. The backbone keeps its ImageNet statistics in training.
    """
    features = keras.Input((frames, bands), name="features")
    grey = layers.Reshape((frames, bands, 1))(features)
    seen = backbone.network(layers.Concatenate()([grey, grey, grey]), training=False)  # [n, h, w, channels]
    mean = ops.mean(seen, axis=(1, 2))
    deviation = ops.sqrt(ops.var(seen, axis=(1, 2)) + 1e-6)
    return keras.Model(features, ops.concatenate([mean, deviation], axis=-1), name="embedder")


def build_head(*, width: int, hidden_units: int, dropout: float) -> keras.Model:
    """Embeddings [n, width] to logits [n, 7]: normalised by statistics of training, one hidden layer if wanted."""
    embeddings = keras.Input((width,), name="embeddings")
    values = layers.BatchNormalization(momentum=0.9, center=False, scale=False)(embeddings)
    if hidden_units:
        values = layers.Dropout(dropout)(values)
        values = layers.Dense(hidden_units, activation="relu")(values)
    values = layers.Dropout(dropout)(values)
    logits = layers.Dense(len(EMOTIONS), name="emotions")(values)
    return keras.Model(embeddings, logits, name="head")


def build_transfer(
    *, frames: int, bands: int, backbone: str, weights: str, hidden_units: int, dropout: float, seed: int = 0
) -> tuple[keras.Model, Backbone]:
    """The whole network: features [n, frames, bands] to logits [n, 7], with its `embedder` and `head` as layers.

    Args:
        frames: frames of the features.
        bands: bands of the features.
        backbone: name of the backbone.
        weights: see `build_backbone`; `random` if weights are loaded afterwards.
        hidden_units: of a layer between embedding and emotions; 0 for none.
        dropout: before each layer of the head.
        seed: of random weights.
    """
    seeing = build_backbone(backbone, weights=weights, height=frames, width=bands, seed=seed)
    embedder = build_embedder(seeing, frames=frames, bands=bands)
    head = build_head(width=embedder.output_shape[-1], hidden_units=hidden_units, dropout=dropout)
    features = keras.Input((frames, bands), name="features")
    return keras.Model(features, head(embedder(features)), name="transfer"), seeing
