"""Batches for training, from shards: shuffled, labelled, and augmented anew in every epoch.

Arrays that fit into `HELD_BYTES` are read once and kept in memory; larger ones are streamed in every epoch.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import tensorflow as tf

from deepemo.dataset.shards import parse_records, read_features, read_spec, shard_files
from deepemo.emotions import Emotions

# Each batch is drawn from this many clips. As shards are read in turns, this mixes speakers and needs little memory.
SHUFFLED_CLIPS = 1024
PARSED_TOGETHER = 64
HELD_BYTES = 128 * 2**20  # limit for training arrays, and the same for validation arrays

Labelled = tuple[np.ndarray, np.ndarray]
# Takes values float32 [n, ...], targets float32 [n, classes] and a seed int32 [2]; returns a changed view of both.
View = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def class_weights(clips: pd.DataFrame, emotions: Emotions) -> np.ndarray:
    """Weight of each emotion: the square root of its inverse frequency, 1 on average over clips.

    >>> clips = pd.DataFrame({"emotion": ["angry", "happy", "sad", "sad", "sad", "sad"]})
    >>> class_weights(clips, ("angry", "happy", "sad")).tolist()
    [1.5, 1.5, 0.75]

    Args:
        clips: the training clips, rows of the split table.
        emotions: of the run.

    Returns:
        float32 [classes]; 0 for an emotion without clips.
    """
    counts = clips["emotion"].value_counts().reindex(list(emotions), fill_value=0).to_numpy(dtype=np.float64)
    weights = np.divide(1.0, np.sqrt(counts), out=np.zeros_like(counts), where=counts > 0)
    return (weights * counts.sum() / (weights * counts).sum()).astype(np.float32)


class Batches(Protocol):
    """Endless batches of training clips.

    Attributes:
        steps_per_epoch: batches per epoch.
    """

    steps_per_epoch: int

    def from_epoch(self, first: int, epochs: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Batches of the epochs from `first` up to `epochs`: float32 [n, ...] and targets float32 [n, classes]."""


class TrainingBatches:
    """Endless augmented batches of training clips; the batches of an epoch depend on the seed and the epoch alone."""

    def __init__(
        self,
        folder: Path,
        clips: pd.DataFrame,
        emotions: Emotions,
        *,
        batch_size: int,
        seed: int,
        view: View | None = None,
    ) -> None:
        """Look up the clips.

        Args:
            folder: shards.
            clips: rows of the split table to learn from.
            emotions: of the run.
            batch_size: clips per batch; an incomplete last batch is left out.
            seed: of order and views.
            view: changes each batch, such as `deepemo.audio.augment.augment`; None for unchanged arrays.
        """
        self._folder = folder
        self._clips = clips
        self._emotions = emotions
        self._files = shard_files(folder)
        self._shape = read_spec(folder)["shape"]
        self._batch_size = min(batch_size, len(clips))
        self._seed = seed
        self._view = view
        self._labels = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(clips["clip"].tolist()), tf.constant(labels_of(clips, emotions))
            ),
            default_value=-1,
        )
        self.steps_per_epoch = len(clips) // self._batch_size

    def _records(self, epoch: tf.Tensor) -> tf.data.Dataset:
        files = tf.data.Dataset.from_tensor_slices(self._files).shuffle(len(self._files), seed=epoch + self._seed)
        records = files.interleave(lambda file: tf.data.TFRecordDataset(file, buffer_size=1 << 20), cycle_length=8)
        return records.batch(PARSED_TOGETHER)

    def _labelled(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        clips, values = parse_records(records, self._shape)
        labels = self._labels.lookup(clips)
        wanted = labels >= 0
        return values[wanted], labels[wanted]

    def _viewed(
        self, epoch: tf.Tensor, step: tf.Tensor, values: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        values = tf.ensure_shape(values, [self._batch_size, *self._shape])
        targets = tf.one_hot(labels, len(self._emotions))
        if self._view is None:
            return values, targets
        seed = tf.stack([tf.cast(epoch, tf.int32) + self._seed, tf.cast(step, tf.int32)])
        return self._view(values, targets, seed)

    def _streamed(self, epoch: tf.Tensor) -> tf.data.Dataset:
        clips = self._records(epoch).map(self._labelled, num_parallel_calls=2, deterministic=True).unbatch()
        clips = clips.shuffle(SHUFFLED_CLIPS, seed=epoch + self._seed, reshuffle_each_iteration=False)
        return clips.batch(self._batch_size, drop_remainder=True)

    def _held(self) -> Callable[[tf.Tensor], tf.data.Dataset]:
        batches = list(labelled_arrays(self._folder, self._clips, self._emotions, batch_size=PARSED_TOGETHER))
        values, labels = (tf.concat([batch[part] for batch in batches], axis=0) for part in range(2))
        count = len(labels)

        def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
            drawn = tf.data.Dataset.range(count).shuffle(count, seed=epoch + self._seed, reshuffle_each_iteration=False)
            drawn = drawn.batch(self._batch_size, drop_remainder=True)
            return drawn.map(lambda chosen: (tf.gather(values, chosen), tf.gather(labels, chosen)))

        return epoch_of

    def from_epoch(self, first: int, epochs: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Batches of the epochs from `first` up to `epochs`: float32 [n, ...] and targets float32 [n, classes]."""
        clips_of = self._held() if _fits(self._folder, len(self._clips)) else self._streamed

        def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
            return (
                clips_of(epoch)
                .enumerate()
                .map(lambda step, batch: self._viewed(epoch, step, *batch), num_parallel_calls=2, deterministic=True)
            )

        return iter(tf.data.Dataset.range(first, epochs).flat_map(batches_of).prefetch(2))


def _fits(folder: Path, clips: int) -> bool:
    return 4 * clips * math.prod(read_spec(folder)["shape"]) <= HELD_BYTES


def labels_of(clips: pd.DataFrame, emotions: Emotions) -> list[int]:
    """Class of each clip, in [0, classes): the position of its emotion among those of the run."""
    return [emotions.index(emotion) for emotion in clips["emotion"]]


def labelled_arrays(folder: Path, clips: pd.DataFrame, emotions: Emotions, *, batch_size: int) -> Iterator[Labelled]:
    """Arrays and labels of clips, in shard order: float32 [n, ...] and int [n]."""
    labels = dict(zip(clips["clip"], labels_of(clips, emotions), strict=True))
    for names, values in read_features(folder, labels, batch_size=batch_size):
        yield values, np.array([labels[name] for name in names])


def validation_arrays(
    folder: Path, clips: pd.DataFrame, emotions: Emotions, *, batch_size: int
) -> Callable[[], Iterable[Labelled]]:
    """A function that gives `labelled_arrays` at each call. It reads shards only once if the arrays fit into memory."""
    if _fits(folder, len(clips)):
        held = list(labelled_arrays(folder, clips, emotions, batch_size=batch_size))
        return lambda: held
    return lambda: labelled_arrays(folder, clips, emotions, batch_size=batch_size)
