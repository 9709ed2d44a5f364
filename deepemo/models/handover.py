"""Gradients that are summed in the same order in every run."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deepemo")
class Handover(keras.layers.Layer):
    """Hands a tensor on unchanged, so that its gradients are summed before they meet those of its other uses.

    Of a tensor that is used three times or more, TensorFlow sums the gradients in an order that depends on which buffer
    is free first, and rounds them differently from run to run. Two make the same sum in either order. TensorFlow joins
    such sums into longer ones again, unless it is kept from that as `deepemo.training.loop.seed_everything` does.
    """

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """The same values, any shape."""
        return tf.identity(values)
