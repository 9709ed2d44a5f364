"""Layers of the network of the family `speech` after its embedder: what they compute is set from clips, or learned."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array, Int64Array
from deepemo.models.layers import GradientSum, softmax
from deepemo.models.speech.embedder import EPSILON

# A dimension is divided by at least this deviation. One that hardly varies over the training clips says nothing.
_LEAST_DEVIATION = 1e-3
# The same of components, which have deviation 1 over all of them together. If there are hardly more training clips than
# components, the last components vary much less over these clips than over others.
_LEAST_COMPONENT = 0.1
# The directions are found from at most this many rows; more of them change little.
_MOST_ROWS = 8192
# Shares of the discriminant among which validation chooses.
_SHARES = np.linspace(0.0, 1.0, 21)


@keras.saving.register_keras_serializable(package="deepemo")
class Projection(keras.layers.Layer):
    """The principal components of standardised embeddings: [..., width] to [..., components].

    Each dimension is first brought to mean 0 and deviation 1 over the training clips. The components have mean 0, and
    deviation 1 over all components together. `adapt` sets the weights; no gradient changes them.

    Args:
        components: number of components, those of the largest variance first.
        options: of a Keras layer.
    """

    def __init__(self, components: int, **options: object) -> None:
        super().__init__(**options)
        self.components = components

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create mean and deviation [width] and the directions [width, components]."""
        width = input_shape[-1]
        self.mean = self.add_weight(name="mean", shape=(width,), initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=(width,), initializer="ones", trainable=False)
        self.directions = self.add_weight(name="directions", shape=(width, self.components), trainable=False)

    def adapt(self, batches: Iterable[Float32Array], count: int, *, seed: int) -> None:
        """Set the weights from the training clips.

        Args:
            batches: float32 [n, width]; one batch is in memory at a time, and at most 8,192 rows are kept.
            count: number of rows in all batches, at least the number of components.
            seed: of the rows that are kept, and of the random start of the decomposition (Halko, Martinsson and Tropp
                2011, "Finding Structure with Randomness").
        """
        from sklearn.utils.extmath import randomized_svd  # of the extra `pipeline`; a trained network does without it

        # Drawn, not taken in steps: rows may come in groups, such as the segments of a clip.
        kept_rows = np.zeros(count, bool)
        kept_rows[np.random.default_rng(seed).choice(count, min(count, _MOST_ROWS), replace=False, shuffle=False)] = (
            True
        )
        total, squares = np.zeros(self.mean.shape), np.zeros(self.mean.shape)
        kept, seen = [], 0
        for values in batches:
            total += values.sum(axis=0, dtype=np.float64)
            squares += np.square(values, dtype=np.float64).sum(axis=0)
            kept.append(values[kept_rows[seen : seen + len(values)]])
            seen += len(values)
        mean = total / seen
        deviation = np.maximum(np.sqrt(np.maximum(squares / seen - mean**2, 0.0)), _LEAST_DEVIATION)
        standardised = ((np.concatenate(kept) - mean) / deviation).astype(np.float32)
        _, _, directions = randomized_svd(standardised, self.components, n_iter=2, random_state=seed)
        scale = (standardised @ directions.T).std()
        self.mean.assign(mean)
        self.deviation.assign(deviation)
        self.directions.assign(directions.T / scale)

    def call(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Components of float32 [..., width]."""
        return tf.matmul((embeddings - self.mean) / self.deviation, self.directions)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "components": self.components}


@keras.saving.register_keras_serializable(package="deepemo")
class Distance(keras.layers.Layer):
    """How far clips are from those of the training: components of the statistics [n, components] to [n, 1].

    The distance is the mean square of the components, each divided by its variance over the training clips, and
    relative to the median of the validation clips. Other voices of the corpora of the training have about 1; recordings
    of other origin have more. `adapt` sets the weights; no gradient changes them.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create a factor [components]; the squares of components times factors add up to the distance."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="zeros", trainable=False)

    def adapt(self, training: Iterable[Float32Array], validation: Iterable[Float32Array]) -> None:
        """Set the weights.

        Args:
            training: components of the training clips, in batches float32 [n, components].
            validation: of the validation clips, at least one of them.
        """
        squares, seen = np.zeros(self.scale.shape), 0
        for values in training:
            squares += np.square(values, dtype=np.float64).sum(axis=0)
            seen += len(values)
        # The mean of each component is 0.
        deviation = np.maximum(np.sqrt(squares / seen), _LEAST_COMPONENT)
        distances = np.concatenate([np.square(values / deviation).sum(axis=1) for values in validation])
        self.scale.assign(1.0 / (deviation * np.sqrt(np.median(distances))))

    def call(self, components: tf.Tensor) -> tf.Tensor:
        """Distances of float32 [n, components]."""
        return tf.reduce_sum(tf.square(components * self.scale), axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="deepemo")
class Mixture(keras.layers.Layer):
    """Logits of trained networks mixed with those of a discriminant, by the distance of each clip.

    Up to the first of two distances, the discriminant has the share `near`; from the second on, it has `share`, or
    `near` if that is more; between the two, its share grows linearly. `fit` sets `near`; no gradient changes it.

    Args:
        share: of the discriminant for far clips, at least; 0: it never has any.
        distances: the two distances.
        options: of a Keras layer.
    """

    def __init__(self, share: float, distances: Sequence[float], **options: object) -> None:
        super().__init__(**options)
        self.share = share
        self.start, self.end = distances

    def build(self, *shapes: tuple[int | None, ...]) -> None:
        """Create the share of the discriminant for near clips."""
        self.near = self.add_weight(name="near", shape=(), initializer="zeros", trainable=False)

    def call(self, trained: tf.Tensor, discriminant: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
        """Mix two logits float32 [n, classes] by the distances float32 [n, 1]."""
        grown = tf.clip_by_value((distance - self.start) / (self.end - self.start), 0.0, 1.0)
        share = self.near + grown * tf.maximum(self.share - self.near, 0.0)
        return (1.0 - share) * trained + share * discriminant

    def fit(
        self, trained: Float32Array, discriminant: Float32Array, distance: Float32Array, labels: Int64Array
    ) -> None:
        """Choose `near`, in steps of 0.05, for the least mean cross-entropy.

        Args:
            trained: logits of clips that neither has learned from, float32 [n, classes].
            discriminant: of the same clips.
            distance: of the same clips, float32 [n, 1].
            labels: index of each clip's emotion, [n].
        """
        from scipy.special import log_softmax  # of the extra `pipeline`

        if not self.share:
            return
        losses = []
        for near in _SHARES:
            self.near.assign(near)
            logits = self(trained, discriminant, distance).numpy().astype(np.float64)
            losses.append(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
        self.near.assign(_SHARES[int(np.argmin(losses))])

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "share": self.share, "distances": (self.start, self.end)}


@keras.saving.register_keras_serializable(package="deepemo")
class Columns(keras.layers.Layer):
    """Some columns of a table: [n, c] to [n, stop - start].

    Args:
        start: the first column.
        stop: the column after the last.
        options: of a Keras layer.
    """

    def __init__(self, start: int, stop: int, **options: object) -> None:
        super().__init__(**options)
        self.start, self.stop = start, stop

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Take the columns."""
        return values[:, self.start : self.stop]

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "start": self.start, "stop": self.stop}


@keras.saving.register_keras_serializable(package="deepemo")
class AttentivePooling(keras.layers.Layer):
    """Means over time with learned weights, the plain mean and the deviation: [n, t, c] to [n, (looks + 2) c].

    After Okabe, Koshinaka and Shinoda 2018, "Attentive Statistics Pooling for Deep Speaker Embedding".

    Args:
        looks: sets of weights.
        options: of a Keras layer.
    """

    def __init__(self, looks: int = 4, **options: object) -> None:
        super().__init__(**options)
        self.looks = looks
        self.score = keras.layers.Dense(looks, name="score")
        self.gradient_sums = GradientSum(), GradientSum()

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the scores."""
        self.score.build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Pool over time; no tensor is used more than twice, see `GradientSum`."""
        weights = softmax(self.score(x), axis=1)  # [n, t, looks]
        x = self.gradient_sums[0](x)
        looked = tf.matmul(weights, x, transpose_a=True)  # [n, looks, c]
        x = self.gradient_sums[1](x)
        mean = tf.reduce_mean(x, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axis=1)
        flat = tf.reshape(looked, (-1, self.looks * x.shape[-1]))
        return tf.concat([flat, mean[:, 0], tf.sqrt(variance + EPSILON)], axis=1)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "looks": self.looks}
