"""Attention among the frames of a clip, as the encoders of the family `speech` share it."""

import tensorflow as tf

from deepemo.models.layers import softmax


def split_heads(joined: tf.Tensor, heads: int) -> list[tf.Tensor]:
    """Queries, keys and values side by side, [n, t, 3 c], to three tensors [n, heads, t, c / heads]."""
    count, length, size = tf.shape(joined)[0], tf.shape(joined)[1], joined.shape[-1] // (3 * heads)
    parts: list[tf.Tensor] = tf.unstack(
        tf.transpose(tf.reshape(joined, [count, length, 3, heads, size]), [2, 0, 3, 1, 4])
    )
    return parts


def attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """Let each frame attend to the frames of its clip; outside of a clip are numbers without meaning.

    Args:
        queries: scaled, float32 [n, heads, t, size].
        keys: [n, heads, t, size].
        values: [n, heads, t, size].
        frames: how many frames each clip has, [n].

    Returns:
        float32 [n, t, heads * size].
    """
    _, heads, _, size = values.shape
    count, length = tf.shape(values)[0], tf.shape(values)[2]
    scores = tf.matmul(queries, keys, transpose_b=True)  # [n, heads, t, t]
    outside = 1.0 - tf.sequence_mask(frames, length, values.dtype)  # [n, t]
    scores -= 1e9 * outside[:, tf.newaxis, tf.newaxis, :]
    attended = tf.transpose(tf.matmul(softmax(scores, axis=-1), values), [0, 2, 1, 3])  # [n, t, heads, size]
    return tf.reshape(attended, [count, length, heads * size])
