"""The fused layer against Keras's own, and gradients that are summed in the same order in every run."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.imagenet.network import build_transfer
from deepemo.models.layers import FusedBatchNormalization
from deepemo.models.shallow.network import build_shallow
from deepemo.training.seeding import seed_everything

FRAMES, BANDS = 64, 64


def maps() -> tf.Tensor:
    return tf.constant(np.random.default_rng(3).normal(2.0, 3.0, (4, 5, 6, 7)), tf.float32)


def pair(*, learned: bool = True) -> tuple[FusedBatchNormalization, keras.layers.BatchNormalization]:
    """The layer and Keras's with the same weights, all of them away from their neutral values."""
    options = {"momentum": 0.6, "scale": learned, "center": learned}
    layers = FusedBatchNormalization(**options), keras.layers.BatchNormalization(**options)
    weights = np.random.default_rng(4).uniform(0.5, 2.0, (4 if learned else 2, 7))
    for layer in layers:
        layer.build((None, 5, 6, 7))
        layer.set_weights(list(weights))
    return layers


def output_and_gradients(layer: keras.Layer, *, training: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
    x = maps()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.sin(y))
    return y, tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])


@pytest.mark.parametrize("learned", [True, False], ids=["scale and offset learned", "neither"])
@pytest.mark.parametrize("training", [False, True])
def test_same_function_gradients_and_statistics_as_keras(training: bool, learned: bool) -> None:
    fused, plain = pair(learned=learned)
    y, gradients = output_and_gradients(fused, training=training)
    expected, expected_gradients = output_and_gradients(plain, training=training)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    for gradient, wanted in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-3)
    for weight, wanted in zip(fused.weights, plain.weights, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=1e-5)


def test_frozen_keeps_its_statistics() -> None:
    fused, _ = pair()
    before = [np.array(weight) for weight in fused.weights]
    fused.trainable = False
    np.testing.assert_array_equal(fused(maps(), training=True), fused(maps(), training=False))
    for weight, was in zip(fused.weights, before, strict=True):
        np.testing.assert_array_equal(weight, was)


def shallow() -> keras.Model:
    return build_shallow(frames=FRAMES, bands=BANDS, channels=[4, 8], band_pooling=2, dropout=0.5, classes=7)


def transfer() -> keras.Model:
    network, backbone = build_transfer(
        frames=FRAMES, bands=BANDS, weights="random", seed=1, backbone="efficientnet_lite0", band_pooling=1,
        depths=[0.3, 0.65], hidden_units=8, dropout=0.5, classes=7,
    )  # fmt: skip
    for layer in backbone.network.layers:
        layer.trainable = True
    return network


def longest_sum(network: keras.Model) -> int:
    """Terms of the longest sum of gradients in one step of training."""

    @tf.function
    def step(features: tf.Tensor, targets: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network(features, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        return tape.gradient(loss, network.trainable_variables)

    graph = step.get_concrete_function(tf.TensorSpec([2, FRAMES, BANDS]), tf.TensorSpec([2, 7])).graph
    return max((len(operation.inputs) for operation in graph.get_operations() if operation.type == "AddN"), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("build", [shallow, transfer])
def test_no_gradient_sums_more_than_two(build: Callable[[], keras.Model]) -> None:
    assert longest_sum(build()) == 2


def test_sums_of_two_stay_apart() -> None:
    seed_everything(1)
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False
