"""What a frozen backbone sees in every clip: one pass over the features."""

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from deepemo.dataset.shards import read_batches, read_spec


def embed_features(folder: Path, embedder: keras.Model, *, batch_size: int) -> Iterator[tuple[str, np.ndarray]]:
    """Embeddings of all clips of a folder of shards, a batch in memory at a time.

    Yields:
        Clip id and float32 [width].
    """
    embed = tf.function(lambda features: embedder(features, training=False), reduce_retracing=True)
    with tqdm(total=read_spec(folder)["clips"], desc="embed", unit="clip", disable=None, mininterval=1) as progress:
        for clips, features in read_batches(folder, batch_size=batch_size):
            yield from zip(clips, embed(tf.constant(features)).numpy(), strict=True)
            progress.update(len(clips))
