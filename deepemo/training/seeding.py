"""One seed for everything random in a process, and operations that give the same bits in every run."""

import keras
import tensorflow as tf

from deepemo.eigen import hold_caches


def seed_everything(seed: int) -> None:
    """Make all later computation in this process repeatable to the bit, whatever caches the processor has.

    Args:
        seed: for Python, NumPy, TensorFlow and Keras.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    # This optimization joins sums of two gradients into longer ones, whose order differs from run to run; see
    # `deepemo.models.layers.GradientSum`.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    hold_caches()
