"""Transfer from ImageNet: a backbone that takes the spectrogram as a picture, and a head on its embedding."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from deepemo.models.head import build_head
from deepemo.models.imagenet.backbones.build import Backbone, build_backbone
from deepemo.models.layers import GradientSum


def tapped_blocks(backbone: Backbone, depths: Sequence[float]) -> list[int]:
    """Numbers of the blocks at shares of a backbone's depth, in order; 0 is its first block, 1 its last."""
    return sorted({round(depth * (len(backbone.blocks) - 1)) for depth in depths})


def build_embedder(
    backbone: Backbone, *, frames: int, bands: int, band_pooling: int, depths: Sequence[float]
) -> keras.Model:
    """Features [n, frames, bands] to embeddings [n, width]: statistics of the backbone's maps at some of its depths.

    The spectrogram becomes a grey picture whose vertical axis is time. From the map of each tapped block [n, time,
    frequency, channels], the mean and the deviation over time are computed for each frequency and channel. The position
    in frequency helps to tell emotions apart, and an average over the whole map would lose it. Layers after the deepest
    tap are left out. Frozen layers keep their statistics in training; layers that learn normalise by the batch.

    Args:
        backbone: built for pictures of `frames` x `picture_bands(bands, band_pooling)`.
        frames: frames of the features.
        bands: bands of the features.
        band_pooling: neighbouring bands that are averaged first.
        depths: shares of the backbone's depth at which it is tapped.
    """
    ends = [backbone.network.get_layer(backbone.blocks[block][-1]) for block in tapped_blocks(backbone, depths)]
    seeing = keras.Model(backbone.network.input, [end.output for end in ends], name=backbone.name)
    features = keras.Input((frames, bands), name="features")
    maps = seeing(as_picture(features, band_pooling))
    pooled = [part for seen in (maps if isinstance(maps, list) else [maps]) for part in _statistics_over_time(seen)]
    return keras.Model(features, layers.Concatenate()(pooled), name="embedder")


def _statistics_over_time(maps: keras.KerasTensor) -> list[keras.KerasTensor]:
    """Mean and deviation over time, each flattened: maps [n, time, frequency, channels] to [n, frequency * channels].

    This does not call `ops.var`, because no tensor may be used more than twice: see `GradientSum`.
    """
    maps = GradientSum()(maps)
    mean = ops.mean(maps, axis=1, keepdims=True)
    variance = ops.mean(ops.square(maps - mean), axis=1)
    return [layers.Flatten()(mean), layers.Flatten()(ops.sqrt(variance + 1e-6))]


def as_picture(features: keras.KerasTensor, band_pooling: int) -> keras.KerasTensor:
    """Features [n, frames, bands] as a grey picture [n, frames, `picture_bands`, 3]."""
    grey = layers.Reshape((*features.shape[1:], 1))(features)
    if band_pooling > 1:
        grey = layers.AveragePooling2D((1, band_pooling))(grey)
    return layers.Concatenate()([grey, grey, grey])


def picture_bands(bands: int, band_pooling: int) -> int:
    """Number of bands in the picture that the backbone takes."""
    return bands // band_pooling


def build_transfer(
    *,
    frames: int,
    bands: int,
    backbone: str,
    weights: str,
    band_pooling: int,
    depths: Sequence[float],
    hidden_units: int,
    dropout: float,
    classes: int,
    seed: int = 0,
) -> tuple[keras.Model, Backbone]:
    """The whole network: features [n, frames, bands] to logits [n, classes], with its `embedder` and `head` as layers.

    The backbone is frozen.

    Args:
        frames: frames of the features.
        bands: bands of the features.
        backbone: name of the backbone.
        weights: see `build_backbone`; `random` if weights are loaded afterwards.
        band_pooling: neighbouring bands that are averaged first.
        depths: shares of the backbone's depth at which it is tapped.
        hidden_units: of a layer between embedding and emotions; 0 for none.
        dropout: before each layer of the head.
        classes: emotions to tell apart.
        seed: of random weights.
    """
    width = picture_bands(bands, band_pooling)
    seeing = build_backbone(backbone, weights=weights, height=frames, width=width, seed=seed)
    seeing.network.trainable = False
    embedder = build_embedder(seeing, frames=frames, bands=bands, band_pooling=band_pooling, depths=depths)
    head = build_head(width=embedder.output_shape[-1], hidden_units=hidden_units, dropout=dropout, classes=classes)
    features = keras.Input((frames, bands), name="features")
    return keras.Model(features, head(embedder(features)), name="transfer"), seeing
