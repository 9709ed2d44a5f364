"""Parts that several families use: repeatable gradients, a softmax and a normalisation that round alike everywhere."""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

_Gradient = Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


@keras.saving.register_keras_serializable(package="deepemo")
class Handover(keras.layers.Layer):
    """Identity that makes gradients repeatable: its uses' gradients are summed before those of the tensor's other uses.

    If a tensor is used three times or more, TensorFlow sums its gradients in an order that depends on which buffer is
    free first, so that rounding differs from run to run. A sum of two is the same in either order. With this layer
    between, no tensor has more than two uses. TensorFlow would join such sums into longer ones again;
    `deepemo.training.seeding.seed_everything` switches that off.
    """

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """The same values, any shape."""
        return tf.identity(values)


def softmax(scores: object, axis: int) -> object:
    """Softmax over an axis of [n, ...], by a division.

    TensorFlow's own multiplies by a reciprocal that starts from the processor's approximate one, which each maker
    rounds in its own way.
    """
    grown = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True)))
    return grown / ops.sum(grown, axis=axis, keepdims=True)


def normalise_by_batch(
    maps: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise feature maps by their own statistics.

    TensorFlow's fused kernel multiplies by a reciprocal root that starts from the processor's approximate one, which
    each maker rounds in its own way. This divides by a square root, both of which IEEE 754 rounds correctly, and takes
    as long: its sums are products with a vector of ones, and its gradient is written out.

    Where replicas share a batch, the statistics are those of the whole batch, and the gradients of scale and offset
    those of this replica's part of it.

    Args:
        maps: float32 [n, h, w, channels].
        scale: float32 [channels].
        offset: float32 [channels].
        epsilon: added to the variance.

    Returns:
        The maps, and mean and variance [channels] as Keras's running statistics follow them.
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
            # Ioffe and Szegedy, "Batch Normalization" (2015), section 3, with the mean and variance taken in.
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

    Keras 3 takes an operation a step for it, which costs the shallow CNN a fifth of its training time on a CPU, uses
    its input three times, which is once too often (see `Handover`), and rounds differently from processor to processor.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        """Normalise by the batch in training, by the running statistics otherwise or where the layer is frozen.

        Args:
            inputs: float32 [n, h, w, channels].
            training: whether to normalise by the batch and let the running statistics follow it.
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
