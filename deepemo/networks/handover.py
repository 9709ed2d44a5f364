"""Gradients that are summed in the same order in every run."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepemo")
class Handover(keras.layers.Layer):
    """Hands a tensor on unchanged, so that its gradients are summed before they meet those of its other uses.

    Of a tensor that is used three times or more, TensorFlow sums the gradients in an order that depends on which buffer
    is free first, and rounds them differently from run to run. Two make the same sum in either order. The sums stay
    apart only with `keep_sums_apart`.
    """

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """The same values, any shape."""
        return tf.identity(values)


def keep_sums_apart() -> None:
    """Keep TensorFlow, from here on in this process, from making one sum of several that follow each other."""
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
