"""The head of a trained transfer network alone, for embeddings that the same backbone made before."""

import keras
import tensorflow as tf

from deepemo.arrays import Float32Array


class EmbeddingHead:
    """Answers from the embeddings of clips as the whole network answers from their features."""

    def __init__(self, network: keras.Model) -> None:
        """Take the head from a network of `deepemo.models.imagenet.network.build_transfer`."""
        head = network.get_layer("head")
        self._logits = tf.function(
            lambda embeddings: head(embeddings, training=False),
            input_signature=[tf.TensorSpec([None, head.input_shape[-1]], tf.float32)],
        )

    def logits(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of embeddings float32 [n, width]."""
        answer: Float32Array = self._logits(tf.constant(inputs, dtype=tf.float32)).numpy()
        return answer
