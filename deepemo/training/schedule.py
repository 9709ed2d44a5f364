"""The rate of learning over a training."""

import math

import keras
import tensorflow as tf

WARM_UP_SHARE = 0.25
START_DIVISOR = 25.0
END_DIVISOR = 1e4


@keras.saving.register_keras_serializable(package="deepemo")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Up to a peak by half a cosine in the first quarter, down to nearly nothing by another.

    Smith and Topin, "Super-Convergence" (2018), in the cosine form that PyTorch's OneCycleLR made customary.
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Rate at a step, counted from 0."""
        top = max(1.0, WARM_UP_SHARE * self.steps)
        position = tf.cast(step, tf.float32)
        rising = 0.5 - 0.5 * tf.cos(math.pi * tf.minimum(position / top, 1.0))
        falling = 0.5 + 0.5 * tf.cos(
            math.pi * tf.clip_by_value((position - top) / max(1.0, self.steps - top), 0.0, 1.0)
        )
        start, end = self.peak / START_DIVISOR, self.peak / END_DIVISOR
        return tf.where(position < top, start + (self.peak - start) * rising, end + (self.peak - end) * falling)

    def get_config(self) -> dict[str, float]:
        """Arguments to build it again."""
        return {"peak": self.peak, "steps": self.steps}
