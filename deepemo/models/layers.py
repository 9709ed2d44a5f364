"""Layers that several families use: repeatable gradients, and batch normalisation by a fused kernel."""

import keras
import tensorflow as tf


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


def normalise_by_batch(
    maps: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise feature maps by their own statistics.

    Args:
        maps: float32 [n, h, w, channels].
        scale: float32 [channels].
        offset: float32 [channels].
        epsilon: added to the variance.

    Returns:
        The maps, and mean and variance [channels] as Keras's running statistics follow them.
    """
    maps, mean, unbiased = tf.compat.v1.nn.fused_batch_norm(maps, scale, offset, epsilon=epsilon, is_training=True)
    count = tf.cast(tf.size(maps) // tf.size(mean), tf.float32)
    return maps, mean, unbiased * (count - 1.0) / count


@keras.saving.register_keras_serializable(package="deepemo")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation of feature maps float32 [n, h, w, channels], with the same weights.

    Keras 3 takes an operation a step for it, which costs the shallow CNN a fifth of its training time on a CPU, and
    uses its input three times, which is once too often: see `Handover`.
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
            maps, _, _ = tf.compat.v1.nn.fused_batch_norm(
                inputs,
                scale,
                offset,
                mean=self.moving_mean.value,
                variance=self.moving_variance.value,
                epsilon=self.epsilon,
                is_training=False,
            )
            return maps
        maps, mean, variance = normalise_by_batch(inputs, scale, offset, epsilon=self.epsilon)
        for running, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(self.momentum * running + (1.0 - self.momentum) * of_batch)
        return maps
