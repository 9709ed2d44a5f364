"""Clips as the heads of the family `speech` take them, and the shuffled batches of which the heads learn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array, Int64Array
from deepemo.emotions import Emotions
from deepemo.models.voice import Voices
from deepemo.threads import map_in_threads


@dataclass(frozen=True)
class Clips:
    """Clips as the heads take them. Components are in files, see `deepemo.mapped`.

    Attributes:
        components: float32 [n, components].
        whole: those of them that come from statistics over whole clips, float32 [n, c]; the others are of segments.
        labels: index of the emotion, [n].
        emotions: of the run.
        voices: the clips grouped by voice.
        views: components of perturbed copies, float32 [views, n, components].
    """

    components: Float32Array
    whole: Float32Array
    labels: Int64Array
    emotions: Emotions
    voices: Voices
    views: Float32Array


class ComponentBatches:
    """Endless shuffled batches of clips for a head; the batches of an epoch depend on the seed and the epoch alone."""

    def __init__(
        self,
        clips: Clips,
        *,
        width: int,
        batch_size: int,
        seed: int,
        view_share: float = 0.0,
        recordings: Sequence[int] = (),
    ) -> None:
        """Take the clips.

        Args:
            clips: to learn from.
            width: number of components that the network takes, the first of all.
            batch_size: clips per batch; an incomplete last batch is left out.
            seed: of order, views and references.
            view_share: share of the clips that come as one of their views, if they have any.
            recordings: sizes of references. One of them is drawn for each batch, and the offset of such a reference is
                subtracted from each clip. If there are no sizes, nothing is subtracted.
        """
        self._clips = clips
        self._width = width
        self._batch_size = min(batch_size, len(clips.labels))
        self._seed = seed
        self._view_share = view_share if len(clips.views) else 0.0
        self._recordings = recordings
        self.steps_per_epoch = len(clips.labels) // self._batch_size

    def from_epoch(self, first: int, epochs: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Batches of the epochs from `first` up to `epochs`: float32 [n, width] and targets float32 [n, classes].

        A thread makes the next batches while the network learns from one. It is a single thread, because the draws of
        an epoch have one order.
        """
        return map_in_threads(self._batch, self._draws(first, epochs), workers=1)

    def _draws(self, first: int, epochs: int) -> Iterator[tuple[Int64Array, np.random.Generator]]:
        """The rows of each batch, and the generator of its epoch."""
        for epoch in range(first, epochs):
            random = np.random.default_rng([self._seed, epoch])
            order = random.permutation(len(self._clips.labels))
            for step in range(self.steps_per_epoch):
                yield order[step * self._batch_size : (step + 1) * self._batch_size], random

    def _batch(self, drawn: tuple[Int64Array, np.random.Generator]) -> tuple[tf.Tensor, tf.Tensor]:
        rows, random = drawn
        targets = np.eye(len(self._clips.emotions), dtype=np.float32)[self._clips.labels[rows]]
        return tf.constant(self._values(rows, random)), tf.constant(targets)

    def _values(self, rows: Int64Array, random: np.random.Generator) -> Float32Array:
        values = self._clips.components[rows, : self._width]
        if self._view_share:
            changed = np.flatnonzero(random.random(len(rows)) < self._view_share)
            views = random.integers(len(self._clips.views), size=len(changed))
            values[changed] = self._clips.views[views, rows[changed], : self._width]
        if self._recordings:
            size = int(random.choice(self._recordings))
            values = values - self._clips.voices.offsets(rows, size, random, width=self._width)
        return values
