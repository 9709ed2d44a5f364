"""Embeddings of a frozen backbone: one pass over the features of all clips."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from deepemo.dataset.shards import read_batches, read_feature_spec, read_spec, write_shards
from deepemo.models.imagenet.backbones.build import build_backbone
from deepemo.models.imagenet.family import Embed
from deepemo.models.imagenet.network import build_embedder, picture_bands


def embed_features(folder: Path, embedder: keras.Model, *, batch_size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings of all clips of a folder of shards, a batch in memory at a time.

    Args:
        folder: shards of features.
        embedder: features [n, frames, bands] to embeddings [n, width], see `build_embedder`.
        batch_size: clips a batch.

    Yields:
        Clip id and float32 [width].
    """
    embed = tf.function(lambda features: embedder(features, training=False), reduce_retracing=True)
    with tqdm(total=read_spec(folder)["clips"], desc="embed", unit="clip", disable=None, mininterval=1) as progress:
        for clips, features in read_batches(folder, batch_size=batch_size):
            yield from zip(clips, embed(tf.constant(features)).numpy(), strict=True)
            progress.update(len(clips))


def write_embeddings(section: Embed, *, features: Path, embeddings: Path, seed: int) -> tuple[int, int]:
    """Write the embeddings of all clips to as many shards as their features have.

    Args:
        section: the backbone, and where it is tapped.
        features: folder of the features' shards.
        embeddings: folder to write to.
        seed: of random weights.

    Returns:
        How many clips were written, and the width of an embedding.

    Raises:
        InputError: there are no features, or the backbone cannot be built for them.
    """
    spec = read_feature_spec(features)
    width = picture_bands(spec.bands, section.band_pooling)
    backbone = build_backbone(section.backbone, weights=section.weights, height=spec.frames, width=width, seed=seed)
    embedder = build_embedder(
        backbone, frames=spec.frames, bands=spec.bands, band_pooling=section.band_pooling, depths=section.depths
    )
    size: int = embedder.output_shape[-1]
    count = write_shards(
        embeddings,
        embed_features(features, embedder, batch_size=section.batch_size),
        shards=read_spec(features)["shards"],
        shape=(size,),
        about={"features": spec.to_dict(), **section.model_dump(exclude={"batch_size"})},
    )
    return count, size
