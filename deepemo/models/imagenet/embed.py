"""Embeddings of a frozen backbone: one pass over the features of all clips."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.shards import read_batches, read_feature_spec, read_spec, write_shards
from deepemo.models.imagenet.backbones.build import RANDOM, build_backbone
from deepemo.models.imagenet.family import Embed
from deepemo.models.imagenet.network import build_embedder, picture_bands
from deepemo.parallel import map_clips
from deepemo.training.seeding import seed_everything


class Embedder:
    """Embeds batches of clips. On a cluster it is sent to the workers together with its weights."""

    def __init__(
        self, section: Embed, spec: FeatureSpec, *, seed: int, weights: list[np.ndarray] | None = None
    ) -> None:
        """Build the network.

        Args:
            section: the backbone, and where it is tapped.
            spec: of the features.
            seed: of random weights.
            weights: of the network; by default the backbone's own.

        Raises:
            InputError: the backbone cannot be built for these features.
        """
        self._section, self._spec, self.seed = section, spec, seed
        self.network = build_embedder(
            build_backbone(
                section.backbone,
                weights=section.weights if weights is None else RANDOM,
                height=spec.frames,
                width=picture_bands(spec.bands, section.band_pooling),
                seed=seed,
            ),
            frames=spec.frames,
            bands=spec.bands,
            band_pooling=section.band_pooling,
            depths=section.depths,
        )
        if weights is not None:
            self.network.set_weights(weights)
        self._embed = tf.function(lambda features: self.network(features, training=False), reduce_retracing=True)

    def __call__(self, batch: tuple[list[str], np.ndarray]) -> list[tuple[str, np.ndarray]]:
        """Ids and embeddings float32 [width] of clips, given as ids and features float32 [n, frames, bands]."""
        clips, features = batch
        return list(zip(clips, self._embed(tf.constant(features)).numpy(), strict=True))

    def __reduce__(self) -> tuple[Any, ...]:
        build = partial(type(self), self._section, self._spec, seed=self.seed, weights=self.network.get_weights())
        return (build, ())


def embed_features(folder: Path, embedder: Embedder, *, batch_size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings of all clips of a folder of shards, with one batch in memory at a time.

    Args:
        folder: shards of features.
        embedder: of these features.
        batch_size: clips per batch.

    Yields:
        Clip id and float32 [width].
    """
    # One network uses all cores.
    batches = map_clips(
        embedder,
        read_batches(folder, batch_size=batch_size),
        name="embed",
        total=read_spec(folder)["clips"],
        workers=1,
        chunk=1,
        start=partial(seed_everything, embedder.seed),
        clips_in=len,
    )
    for batch in batches:
        yield from batch


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
    embedder = Embedder(section, spec, seed=seed)
    size: int = embedder.network.output_shape[-1]
    count = write_shards(
        embeddings,
        embed_features(features, embedder, batch_size=section.batch_size),
        shards=read_spec(features)["shards"],
        shape=(size,),
        about={"features": spec.to_dict(), **section.model_dump(exclude={"batch_size"})},
    )
    return count, size
