"""The network of the family `speech`: an embedder, its principal components, and two kinds of heads on them.

A head consists of perceptrons on the statistics of a clip and networks that attend over its segments, which are better
on other voices of the corpora they learned from, and a linear discriminant, which is better on corpora that it never
heard. How far a clip is from the training clips decides how much each of them counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array, Int64Array
from deepemo.models.head import build_perceptron
from deepemo.models.speech.embedder import EPSILON, ClipLength, build_embedder
from deepemo.models.speech.family import SpeechHeads

COMPONENTS = "components"
WHOLE = "whole"  # takes the components of the whole clip from all of them
PROJECTION = "projection"  # of the statistics over whole clips, within the components
SEGMENT_PROJECTION = "segment_projection"  # of each segment, within the components
HEAD = "head"  # hears a clip alone
VOICE_HEAD = "voice_head"  # hears how a clip differs from others of its voice
OPINION = "opinion"  # hears whether a clip is speech at all
DISCRIMINANT = "discriminant"  # of each head
TRAINED = "trained"  # mean of the networks that learn by gradients, in each head
MIXTURE = "mixture"  # of trained networks and discriminant, in each head
DISTANCE = "distance"  # from the training clips

# A dimension is divided by at least this deviation. One that hardly varies over the training clips says nothing.
_LEAST_DEVIATION = 1e-3
# The same of components, which have deviation 1 over all of them together. If there are hardly more training clips than
# components, the last components vary much less over these clips than over others.
_LEAST_COMPONENT = 0.1
# The directions are found from at most this many rows; more of them change little.
_MOST_ROWS = 8192
# Share of the components of segments that a network does not get, in training.
_SEGMENT_DROPOUT = 0.2
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
            seed: of the random start of the decomposition (Halko, Martinsson and Tropp 2011, "Finding Structure with
                Randomness").
        """
        from sklearn.utils.extmath import randomized_svd  # of the extra `pipeline`; a trained network does without it

        every = -(-count // _MOST_ROWS)
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

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the scores."""
        self.score.build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Pool over time."""
        weights = tf.nn.softmax(self.score(x), axis=1)  # [n, t, looks]
        looked = tf.matmul(weights, x, transpose_a=True)  # [n, looks, c]
        mean = tf.reduce_mean(x, axis=1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axis=1)
        flat = tf.reshape(looked, (-1, self.looks * x.shape[-1]))
        return tf.concat([flat, mean[:, 0], tf.sqrt(variance + EPSILON)], axis=1)

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "looks": self.looks}


@dataclass(frozen=True)
class Layout:
    """What an embedding consists of: first the statistics over the whole clip, then the segments.

    Attributes:
        width: of an embedding.
        segments: number of segments.
        segment_width: numbers of each segment.
    """

    width: int
    segments: int = 0
    segment_width: int = 0

    @property
    def statistics(self) -> int:
        """How many of the numbers are statistics over the whole clip."""
        return self.width - self.segments * self.segment_width

    def attending(self, heads: SpeechHeads) -> int:
        """How many components the segments of a clip have together; 0 if there are none, or no head uses them."""
        return self.segments * heads.segment_components if heads.attention_members and self.segment_width else 0


def build_components(layout: Layout, heads: SpeechHeads) -> keras.Model:
    """Embeddings float32 [n, width] to components: those of the statistics, then those of each segment.

    Its layers `projection` and, if heads attend over segments, `segment_projection` must be adapted.
    """
    embedding = keras.Input((layout.width,), name="embedding")
    whole = Columns(0, layout.statistics, name=WHOLE)(embedding)
    values = Projection(heads.components, name=PROJECTION)(whole)
    if attending := layout.attending(heads):
        segments = Columns(layout.statistics, layout.width, name="segments")(embedding)
        parts = keras.layers.Reshape((layout.segments, layout.segment_width), name="parts")(segments)
        projected = Projection(heads.segment_components, name=SEGMENT_PROJECTION)(parts)
        flat = keras.layers.Reshape((attending,), name="flat")(projected)
        values = keras.layers.Concatenate(name="joined")([values, flat])
    return keras.Model(embedding, values, name=COMPONENTS)


def build_heads(heads: SpeechHeads, *, segments: int = 0, classes: int, name: str) -> keras.Model:
    """Components float32 [n, c] and distances [n, 1] to logits [n, classes], by one kind of head.

    The layers `member1`, `member2` and so on take components. They are perceptrons on those of the statistics, see
    `deepemo.models.head.build_perceptron`, and then networks that attend over the segments. The layer `discriminant` is
    linear, and no gradient changes it.

    Args:
        heads: their shape.
        segments: number of segments over which networks attend; 0: there are no such networks.
        classes: emotions to tell apart.
        name: of the network.
    """
    width = heads.components + segments * heads.segment_components
    components = keras.Input((width,), name="components")
    distance = keras.Input((1,), name="distance")
    perceptrons = [_perceptron(width, heads, classes, f"member{number + 1}") for number in range(heads.members)]
    attending = [
        _attending(width, heads, segments, classes, f"member{heads.members + number + 1}")
        for number in range(heads.attention_members if segments else 0)
    ]
    kinds = [_mean([member(components) for member in members]) for members in (perceptrons, attending) if members]
    whole = Columns(0, heads.components, name=WHOLE)(components)
    linear = keras.layers.Dense(classes, trainable=False, name=DISCRIMINANT)(whole)
    mixture = Mixture(heads.discriminant_share, heads.discriminant_distances, name=MIXTURE)
    return keras.Model([components, distance], mixture(_mean(kinds, name=TRAINED), linear, distance), name=name)


def members_of(head: keras.Model) -> list[keras.Model]:
    """The perceptrons of a head of `build_heads`, then its networks that attend."""
    return [layer for layer in head.layers if layer.name.startswith("member")]


def trained_part(head: keras.Model) -> keras.Model:
    """A head without its discriminant: components to logits of the networks that learn by gradients."""
    return keras.Model(head.inputs[0], head.get_layer(TRAINED).output)


def _mean(logits: Sequence[keras.KerasTensor], *, name: str | None = None) -> keras.KerasTensor:
    # The mean of one is itself, but the layer keeps its name.
    return keras.layers.Average(name=name)(logits if len(logits) > 1 else [logits[0], logits[0]])


def _perceptron(width: int, heads: SpeechHeads, classes: int, name: str) -> keras.Model:
    components = keras.Input((width,), name="components")
    perceptron = build_perceptron(
        heads.components, hidden_units=heads.hidden_units, dropout=heads.dropout, classes=classes, name="perceptron"
    )
    return keras.Model(components, perceptron(Columns(0, heads.components)(components)), name=name)


def _attending(width: int, heads: SpeechHeads, segments: int, classes: int, name: str) -> keras.Model:
    """Convolutions over neighbouring segments, attention over all of them, and a hidden layer."""
    layers, units = keras.layers, heads.attention_units
    components = keras.Input((width,), name="components")
    flat = Columns(heads.components, width)(components)
    x = layers.Reshape((segments, heads.segment_components))(flat)
    x = layers.SpatialDropout1D(_SEGMENT_DROPOUT)(x)
    x = layers.Conv1D(units, 3, padding="same", activation="gelu")(x)
    x = layers.Add()([x, layers.Conv1D(units, 3, padding="same", activation="gelu")(x)])
    x = layers.LayerNormalization()(AttentivePooling()(x))
    x = layers.Dense(units, activation="relu")(layers.Dropout(heads.dropout)(x))
    logits = layers.Dense(classes, name="emotions")(layers.Dropout(heads.dropout)(x))
    return keras.Model(components, logits, name=name)


def build_speech(
    encoder: keras.Model, heads: SpeechHeads, *, taps: Sequence[str], segments: int = 0, classes: int
) -> keras.Model:
    """The whole network: layers `embedder`, `components`, `distance`, `head`, `voice_head` and `opinion`.

    Inputs: `samples`, clips float32 [n, samples] at 16 kHz, padded with zeros, which do not count; `offset`, float32
    [n, components], the offset of each clip's voice, see `deepemo.models.voice`.

    Outputs: logits float32 [n, classes] of the clip alone, and of the clip minus the offset; and a score float32 [n, 1]
    that is at least 0 for speech, see `deepemo.models.speech.opinion`. The encoder is frozen.

    Args:
        encoder: see `deepemo.models.speech.moonshine.moonshine_tiny`.
        heads: on its embeddings.
        taps: see `build_embedder`.
        segments: see `build_embedder`.
        classes: emotions to tell apart.
    """
    embedder = build_embedder(encoder, taps, segments=segments)
    embedder.trainable = False
    samples = keras.Input((None,), name="samples")
    embedding = embedder([samples, ClipLength(name="length")(samples)])
    width = embedder.output_shape[-1]
    layout = Layout(width, segments, width // (2 + segments)) if segments else Layout(width)
    return _with_heads(samples, embedding, heads, layout, classes=classes)


def build_on_embeddings(layout: Layout, heads: SpeechHeads, *, classes: int) -> keras.Model:
    """The network after an encoder that is not part of it, with the layers of `build_speech` after the embedder.

    Inputs: `embedding`, float32 [n, width]; `offset`, as for `build_speech`. Outputs: as for `build_speech`.

    Args:
        layout: of the embeddings.
        heads: on them.
        classes: emotions to tell apart.
    """
    embedding = keras.Input((layout.width,), name="embedding")
    return _with_heads(embedding, embedding, heads, layout, classes=classes)


def _with_heads(
    source: keras.KerasTensor, embedding: keras.KerasTensor, heads: SpeechHeads, layout: Layout, *, classes: int
) -> keras.Model:
    """Add components, both kinds of heads and the opinion to an embedding [n, width] computed from the source."""
    project = build_components(layout, heads)
    values = project(embedding)
    offset = keras.Input((project.output_shape[-1],), name="offset")
    segments = layout.segments if layout.attending(heads) else 0
    alone, relative = (build_heads(heads, segments=segments, classes=classes, name=name) for name in (HEAD, VOICE_HEAD))
    whole = Columns(0, heads.components, name=WHOLE)(values)
    distance = Distance(name=DISTANCE)(whole)
    difference = keras.layers.Subtract(name="difference")([values, offset])
    # With zeros as weights, everything counts as speech; `train_speech` sets them.
    opinion = keras.layers.Dense(1, kernel_initializer="zeros", trainable=False, name=OPINION)
    logits = [alone([values, distance]), relative([difference, distance])]
    return keras.Model([source, offset], [*logits, opinion(whole)], name="speech")
