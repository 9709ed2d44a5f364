"""Parts that several families use: repeatable gradients, a softmax and a normalisation that round alike everywhere."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

# Added to a variance.
_EPSILON = 1e-5

_Gradient = Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


@keras.saving.register_keras_serializable(package="deepemo")
class GradientSum(keras.layers.Layer):
    """Identity that makes gradients repeatable: the gradients of its own uses are summed before all others.

    If a tensor is used three times or more, TensorFlow sums its gradients in an order that depends on which buffer is
    free first, so that rounding differs from run to run. A sum of two is the same in either order. With this layer in
    between, no tensor has more than two uses. TensorFlow would join such sums into longer ones again;
    `deepemo.operations` switches that off.
    """

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """The same values, any shape."""
        return tf.identity(values)


def softmax(scores: object, axis: int) -> object:
    """Softmax over an axis of [n, ...], by a division.

    TensorFlow's softmax multiplies by a reciprocal that it computes from the processor's approximation. Each maker of
    processors rounds this approximation in its own way.
    """
    grown = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True)))
    return grown / ops.sum(grown, axis=axis, keepdims=True)


@keras.saving.register_keras_serializable(package="deepemo")
class ChannelNormalisation(keras.layers.Layer):
    """Layer normalisation: mean 0 and variance 1 over the channels, times a factor, plus an offset if wanted.

    Keras's layer multiplies by a reciprocal root that it computes from the processor's approximation, which each maker
    rounds in its own way. This layer divides by a square root.

    Args:
        offset: whether to add an offset.
        options: of a Keras layer.
    """

    def __init__(self, *, offset: bool = False, **options: object) -> None:
        super().__init__(**options)
        self.offset = offset

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create a factor, and an offset if wanted, for each channel."""
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        if self.offset:
            self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Normalise float32 [..., channels]."""
        centred = x - tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), -1, keepdims=True)
        normalised = centred / tf.sqrt(variance + _EPSILON) * self.gamma
        return normalised + self.beta if self.offset else normalised

    def get_config(self) -> dict[str, object]:
        """The layer's arguments, for Keras."""
        return {**super().get_config(), "offset": self.offset}


def normalise_by_batch(
    maps: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise feature maps by their own statistics.

    TensorFlow's fused kernel multiplies by a reciprocal root that it computes from the processor's approximation, which
    each maker rounds in its own way. This function divides by a square root; IEEE 754 rounds both operations correctly.
    It takes as long as the fused kernel: its sums are products with a vector of ones, and its gradient is written out.

    If replicas share a batch, the statistics are those of the whole batch, and the gradients of scale and offset are
    those of this replica's part.

    Args:
        maps: float32 [n, h, w, channels].
        scale: float32 [channels].
        offset: float32 [channels].
        epsilon: added to the variance.

    Returns:
        The normalised maps, and the mean and variance [channels] for Keras's running statistics.
    """
    rows = tf.reshape(maps, [-1, maps.shape[-1]])  # [n * h * w, channels]
    ones = tf.ones([1, tf.shape(rows)[0]])
    count = _over_replicas(tf.cast(tf.shape(rows)[0], tf.float32))

    def own(values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(ones @ values, [-1])  # [channels]

    def total(values: tf.Tensor) -> tf.Tensor:
        return _over_replicas(own(values))

    mean = total(rows) / count
    variance = total(tf.square(rows - mean)) / count

    def normalise(rows: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, _Gradient]:
        inverse = 1.0 / tf.sqrt(variance + epsilon)
        centred = rows - mean
        factor = scale * inverse

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # Ioffe and Szegedy, "Batch Normalization" (2015), section 3, with mean and variance substituted.
            of_offset = own(upstream)
            of_factor = own(upstream * centred)
            slope = factor * tf.square(inverse) * _over_replicas(of_factor) / count
            of_rows = tf.nn.bias_add(factor * upstream - slope * centred, -factor * _over_replicas(of_offset) / count)
            return of_rows, of_factor * inverse, of_offset

        return tf.nn.bias_add(centred * factor, offset), gradient

    normalised = tf.reshape(tf.custom_gradient(normalise)(rows, scale, offset), tf.shape(maps))
    return tf.ensure_shape(normalised, maps.shape), tf.stop_gradient(mean), tf.stop_gradient(variance)


def _over_replicas(values: tf.Tensor) -> tf.Tensor:
    """The sum over the replicas that share a batch; the values themselves without a strategy of `tf.distribute`."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


@keras.saving.register_keras_serializable(package="deepemo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation of feature maps float32 [n, h, w, channels], with the same weights.

    Keras 3 runs a separate operation for each step, which costs the shallow CNN a fifth of its training time on a CPU.
    It also uses its input three times, which is once too often (see `GradientSum`), and rounds differently from
    processor to processor.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise by the batch in training, and by the running statistics otherwise or if the layer is frozen.

        Args:
            inputs: float32 [n, h, w, channels].
            training: whether to normalise by the batch and update the running statistics.
            mask: feature maps have none.
        """
        scale = self.gamma.value if self.scale else tf.ones_like(self.moving_mean)
        offset = self.beta.value if self.center else tf.zeros_like(self.moving_mean)
        if not (training and self.trainable):
            factor = scale / tf.sqrt(self.moving_variance.value + self.epsilon)
            return tf.nn.bias_add(inputs * factor, offset - self.moving_mean.value * factor)
        maps, mean, variance = normalise_by_batch(inputs, scale, offset, epsilon=self.epsilon)
        for running, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(self.momentum * running + (1.0 - self.momentum) * of_batch)
        return maps
