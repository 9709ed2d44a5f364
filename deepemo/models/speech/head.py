"""The head on speech embeddings: a small network, trained anew in a minute for each question that is asked of it."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deepemo.emotions import EMOTIONS

# Of a dimension that hardly varies over the training clips, the deviation that it is divided by.
_LEAST_DEVIATION = 1e-3

# Takes positions of training clips [n] and a source of randomness, and gives inputs float32 [n, width].
DrawInputs = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class HeadPlan:
    """How a head is built and learns.

    Attributes:
        hidden_units: of the layer between embedding and emotions; 0 for none.
        dropout: before each layer.
        epochs: passes over the training clips; the head after the last one is kept.
        batch_size: clips a step; an epoch's odd rest is left out.
        learning_rate: at the first step; half a cosine brings it to 0 at the last.
        weight_decay: of AdamW, on matrices alone.
        label_smoothing: share of each target spread evenly over the emotions.
    """

    hidden_units: int = 256
    dropout: float = 0.5
    epochs: int = 30
    batch_size: int = 256
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    label_smoothing: float = 0.0


@keras.saving.register_keras_serializable(package="deepemo")
class Standardisation(keras.layers.Layer):
    """Each dimension less its mean and divided by its deviation over the training clips, which are weights: [n, w]."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create mean and deviation [w], which no gradient changes."""
        self.mean = self.add_weight(name="mean", shape=input_shape[-1:], initializer="zeros", trainable=False)
        self.deviation = self.add_weight(name="deviation", shape=input_shape[-1:], initializer="ones", trainable=False)

    def take(self, values: np.ndarray) -> None:
        """Measure float32 [n, w]."""
        self.mean.assign(values.mean(axis=0, dtype=np.float64))
        self.deviation.assign(np.maximum(values.std(axis=0, dtype=np.float64), _LEAST_DEVIATION))

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Standardise float32 [n, w]."""
        return (values - self.mean) / self.deviation


def build_head(width: int, *, hidden_units: int, dropout: float, seed: int = 0) -> keras.Model:
    """Embeddings float32 [n, width] to logits [n, 7]: standardised, through one hidden layer if wanted.

    Args:
        width: of the embeddings.
        hidden_units: of the hidden layer; 0 for none.
        dropout: before each layer of weights.
        seed: of the weights and of dropout.
    """
    embeddings = keras.Input((width,), name="embeddings")
    values = Standardisation(name="standardisation")(embeddings)
    values = layers.Dropout(dropout, seed=seed, name="dropout1")(values)
    if hidden_units:
        values = layers.Dense(
            hidden_units, "relu", kernel_initializer=keras.initializers.HeNormal(seed=seed), name="hidden"
        )(values)
        values = layers.Dropout(dropout, seed=seed + 1, name="dropout2")(values)
    logits = layers.Dense(
        len(EMOTIONS), kernel_initializer=keras.initializers.GlorotNormal(seed=seed + 1), name="emotions"
    )(values)
    return keras.Model(embeddings, logits, name="speech_head")


def train_head(draw: DrawInputs, labels: np.ndarray, plan: HeadPlan, *, seed: int) -> keras.Model:
    """Train a head on clips whose inputs are drawn anew in every step.

    The same arguments give the same bytes, where operations are deterministic (`enable_op_determinism`).

    Args:
        draw: inputs of some of the training clips; see `from_embeddings`.
        labels: int [n], index of each training clip's emotion.
        plan: how.
        seed: of weights, order, dropout and draws.
    """
    count = len(labels)
    random = np.random.default_rng(seed)
    sample = draw(np.arange(count), random)
    head = build_head(sample.shape[1], hidden_units=plan.hidden_units, dropout=plan.dropout, seed=seed)
    head.get_layer("standardisation").take(sample)
    size = min(plan.batch_size, count)
    steps = plan.epochs * (count // size)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps), weight_decay=plan.weight_decay
    )
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    weights = head.trainable_variables
    optimizer.build(weights)
    classes = len(EMOTIONS)
    targets = np.eye(classes, dtype=np.float32) * (1 - plan.label_smoothing) + plan.label_smoothing / classes

    def take_step(inputs: tf.Tensor, wanted: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            logits = head(inputs, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)

    step = tf.function(take_step)
    for _ in range(plan.epochs):
        order = random.permutation(count)
        for start in range(0, count - size + 1, size):
            members = order[start : start + size]
            step(tf.constant(draw(members, random)), tf.constant(targets[labels[members]]))
    return head


def from_embeddings(*versions: np.ndarray) -> DrawInputs:
    """Draw each clip's embedding from one of several versions of it, evenly.

    Args:
        versions: float32 [n, width] each: of the recordings as they are, of perturbed views of them.
    """
    stacked = np.stack(versions)  # [versions, n, width]

    def draw(members: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return stacked[random.integers(len(stacked), size=len(members)), members]

    return draw
