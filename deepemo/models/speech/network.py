"""The network of the family `speech`: an embedder, its principal components, and two kinds of heads on them.

A head consists of perceptrons, which are better on other voices of the corpora they learned from, and a linear
discriminant, which is better on corpora that it never heard. How far a clip is from the training clips decides how much
each of them counts.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array, Int64Array
from deepemo.models.head import build_perceptron
from deepemo.models.speech.embedder import ClipLength, build_embedder
from deepemo.models.speech.family import SpeechHeads

PROJECTION = "projection"
HEAD = "head"  # hears a clip alone
VOICE_HEAD = "voice_head"  # hears how a clip differs from others of its voice
OPINION = "opinion"  # hears whether a clip is speech at all
DISCRIMINANT = "discriminant"  # of each head
MIXTURE = "mixture"  # of perceptrons and discriminant, in each head
DISTANCE = "distance"  # from the training clips

# A dimension is divided by at least this deviation. One that hardly varies over the training clips says nothing.
_LEAST_DEVIATION = 1e-3
# The same of components, which have deviation 1 over all of them together. If there are hardly more training clips than
# components, the last components vary much less over these clips than over others.
_LEAST_COMPONENT = 0.1
# The directions are found from at most this many clips; more of them change little.
_MOST_CLIPS = 8192
# Shares of the discriminant among which validation chooses.
_SHARES = np.linspace(0.0, 1.0, 21)


@keras.saving.register_keras_serializable(package="deepemo")
class Projection(keras.layers.Layer):
    """The principal components of standardised embeddings: [n, width] to [n, components].

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
            batches: float32 [n, width]; one batch is in memory at a time, and at most 8,192 clips are kept.
            count: number of clips in all batches, at least the number of components.
            seed: of the random start of the decomposition (Halko, Martinsson and Tropp 2011, "Finding Structure with
                Randomness").
        """
        from sklearn.utils.extmath import randomized_svd  # of the extra `pipeline`; a trained network does without it

        every = -(-count // _MOST_CLIPS)
        total, squares = np.zeros(self.mean.shape), np.zeros(self.mean.shape)
        kept, seen = [], 0
        for values in batches:
            total += values.sum(axis=0, dtype=np.float64)
            squares += np.square(values, dtype=np.float64).sum(axis=0)
            # A copy, because a slice would keep its whole batch in memory.
            kept.append(values[-seen % every :: every].copy())
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
        """Components of float32 [n, width]."""
        return tf.matmul((embeddings - self.mean) / self.deviation, self.directions)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "components": self.components}


@keras.saving.register_keras_serializable(package="deepemo")
class Distance(keras.layers.Layer):
    """How far clips are from those of the training: components [n, components] to [n, 1].

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
    """Logits of perceptrons mixed with those of a discriminant, by the distance of each clip.

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

    def call(self, perceptrons: tf.Tensor, discriminant: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
        """Mix two logits float32 [n, classes] by the distances float32 [n, 1]."""
        grown = tf.clip_by_value((distance - self.start) / (self.end - self.start), 0.0, 1.0)
        share = self.near + grown * tf.maximum(self.share - self.near, 0.0)
        return (1.0 - share) * perceptrons + share * discriminant

    def fit(
        self, perceptrons: Float32Array, discriminant: Float32Array, distance: Float32Array, labels: Int64Array
    ) -> None:
        """Choose `near`, in steps of 0.05, for the least mean cross-entropy.

        Args:
            perceptrons: logits of clips that neither has learned from, float32 [n, classes].
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
            logits = self(perceptrons, discriminant, distance).numpy().astype(np.float64)
            losses.append(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
        self.near.assign(_SHARES[int(np.argmin(losses))])

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "share": self.share, "distances": (self.start, self.end)}


def build_heads(heads: SpeechHeads, *, classes: int, name: str) -> keras.Model:
    """Components float32 [n, components] and distances [n, 1] to logits [n, classes], by one kind of head.

    Perceptrons are the layers `member1`, `member2` and so on, see `deepemo.models.head.build_perceptron`. The layer
    `discriminant` is linear, and no gradient changes it.
    """
    components = keras.Input((heads.components,), name="components")
    distance = keras.Input((1,), name="distance")
    logits = [
        build_perceptron(
            heads.components,
            hidden_units=heads.hidden_units,
            dropout=heads.dropout,
            classes=classes,
            name=f"member{number}",
        )(components)
        for number in range(1, heads.members + 1)
    ]
    mean = keras.layers.Average(name="mean")(logits) if heads.members > 1 else logits[0]
    linear = keras.layers.Dense(classes, trainable=False, name=DISCRIMINANT)(components)
    mixture = Mixture(heads.discriminant_share, heads.discriminant_distances, name=MIXTURE)
    return keras.Model([components, distance], mixture(mean, linear, distance), name=name)


def build_speech(encoder: keras.Model, heads: SpeechHeads, *, taps: Sequence[str], classes: int) -> keras.Model:
    """The whole network: layers `embedder`, `projection`, `distance`, `head`, `voice_head` and `opinion`.

    Inputs: `samples`, clips float32 [n, samples] at 16 kHz, padded with zeros, which do not count; `offset`, float32
    [n, components], the offset of each clip's voice, see `deepemo.models.voice`.

    Outputs: logits float32 [n, classes] of the clip alone, and of the clip minus the offset; and a score float32 [n, 1]
    that is at least 0 for speech, see `deepemo.models.speech.opinion`. The encoder is frozen.

    Args:
        encoder: see `deepemo.models.speech.moonshine.moonshine_tiny`.
        heads: on its embeddings.
        taps: see `build_embedder`.
        classes: emotions to tell apart.
    """
    embedder = build_embedder(encoder, taps)
    embedder.trainable = False
    samples = keras.Input((None,), name="samples")
    embedding = embedder([samples, ClipLength(name="length")(samples)])
    return _with_heads(samples, embedding, heads, classes=classes)


def build_on_embeddings(width: int, heads: SpeechHeads, *, classes: int) -> keras.Model:
    """The network after an encoder that is not part of it, with the layers of `build_speech` after the embedder.

    Inputs: `embedding`, float32 [n, width]; `offset`, as for `build_speech`. Outputs: as for `build_speech`.

    Args:
        width: of the embeddings.
        heads: on them.
        classes: emotions to tell apart.
    """
    embedding = keras.Input((width,), name="embedding")
    return _with_heads(embedding, embedding, heads, classes=classes)


def _with_heads(
    source: keras.KerasTensor, embedding: keras.KerasTensor, heads: SpeechHeads, *, classes: int
) -> keras.Model:
    """Add components, both kinds of heads and the opinion to an embedding [n, width] computed from the source."""
    offset = keras.Input((heads.components,), name="offset")
    values = Projection(heads.components, name=PROJECTION)(embedding)
    alone, relative = (build_heads(heads, classes=classes, name=name) for name in (HEAD, VOICE_HEAD))
    distance = Distance(name=DISTANCE)(values)
    difference = keras.layers.Subtract(name="difference")([values, offset])
    # With zeros as weights, everything counts as speech; `train_speech` sets them.
    opinion = keras.layers.Dense(1, kernel_initializer="zeros", trainable=False, name=OPINION)
    logits = [alone([values, distance]), relative([difference, distance])]
    return keras.Model([source, offset], [*logits, opinion(values)], name="speech")
