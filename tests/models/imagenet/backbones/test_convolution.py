"""The joined layer against Keras's own convolution and batch normalisation, one after the other."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.imagenet.backbones.convolution import NormalisedConvolution

CHANNELS_IN = 5


def pair(
    channels: int | None, *, kernel_size: int, stride: int, activation: str | None
) -> tuple[NormalisedConvolution, keras.Sequential]:
    """The layer and its reference with the same weights, all of them away from their neutral values."""
    layer = NormalisedConvolution(channels, kernel_size, stride=stride, activation=activation)
    layer.build((None, 9, 8, CHANNELS_IN))
    options = {"strides": stride, "padding": "same", "use_bias": False}
    if channels is None:
        convolution = keras.layers.DepthwiseConv2D(kernel_size, **options)
    else:
        convolution = keras.layers.Conv2D(channels, kernel_size, **options)
    norm = keras.layers.BatchNormalization(epsilon=1e-3)
    last = [keras.layers.ReLU(6.0)] if activation else []
    reference = keras.Sequential([keras.Input((9, 8, CHANNELS_IN)), convolution, norm, *last])
    generator = np.random.default_rng(5)
    weights = [generator.uniform(0.5, 2.0, weight.shape) * generator.choice([-1, 1]) for weight in layer.weights]
    weights[-1] = np.abs(weights[-1])  # a variance
    layer.set_weights(weights)
    reference.set_weights(weights)
    return layer, reference


def images() -> tf.Tensor:
    return tf.constant(np.random.default_rng(6).normal(size=(4, 9, 8, CHANNELS_IN)), tf.float32)


def output_and_gradients(
    network: keras.Layer, weights: list[keras.Variable], x: tf.Tensor, *, training: bool
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = network(x, training=training)
        loss = tf.reduce_sum(tf.sin(y))
    return y, tape.gradient(loss, [x, *(weight.value for weight in weights)])


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("channels", "kernel_size", "stride", "activation"),
    [(7, 1, 1, "relu6"), (7, 3, 2, None), (None, 3, 2, "relu6"), (None, 5, 1, None)],
)
def test_same_function_gradients_and_statistics_as_two_layers(
    channels: int | None, kernel_size: int, stride: int, activation: str | None, training: bool
) -> None:
    layer, reference = pair(channels, kernel_size=kernel_size, stride=stride, activation=activation)
    y, gradients = output_and_gradients(layer, layer.trainable_weights, images(), training=training)
    expected, expected_gradients = output_and_gradients(
        reference, reference.trainable_weights, images(), training=training
    )
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-3)
    for weight, wanted in zip(layer.non_trainable_weights, reference.non_trainable_weights, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-4, atol=1e-4)


def test_frozen_keeps_its_statistics() -> None:
    layer, _ = pair(7, kernel_size=3, stride=1, activation="relu6")
    layer.trainable = False
    before = [np.array(weight) for weight in layer.weights]
    trained = layer(images(), training=True)
    np.testing.assert_array_equal(trained, layer(images(), training=False))
    for weight, was in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)


def test_rebuilt_from_its_config() -> None:
    layer, _ = pair(None, kernel_size=5, stride=2, activation=None)
    copy = NormalisedConvolution.from_config(layer.get_config())
    copy.build((None, 9, 8, CHANNELS_IN))
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(images()), layer(images()))


def test_refuses_other_activations() -> None:
    with pytest.raises(ValueError, match="'swish', expected 'relu6' or None"):
        NormalisedConvolution(4, 3, activation="swish")
