"""One seed for everything random in a process, and operations that give the same bits in every run."""

import keras
import tensorflow as tf

from deepemo.eigen import hold_caches
from deepemo.operations import keep_operations


def seed_everything(seed: int) -> None:
    """Make all later computation in this process repeatable to the bit, on any processor.

    Args:
        seed: for Python, NumPy, TensorFlow and Keras.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    keep_operations()
    hold_caches()
