"""Let TensorFlow run the operations that are written, not others that round in another way."""

import tensorflow as tf


def keep_operations() -> None:
    """Switch two of TensorFlow's optimizations of graphs off for the rest of this process.

    - The arithmetic one joins sums of two gradients into longer ones, whose order differs from run to run; see
      `deepemo.models.layers.GradientSum`.
    - Constant folding turns 1 / x, and a division by a constant, into a product with a reciprocal. TensorFlow computes
      reciprocals from the processor's approximation, which each maker rounds in its own way.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False, "constant_folding": False})
