"""The fused layer against Keras's own, and networks that compute the same bits in every run and on every processor."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.head import build_head
from deepemo.models.imagenet.network import build_transfer
from deepemo.models.layers import FusedBatchNormalization
from deepemo.models.shallow.network import build_shallow
from deepemo.models.speech.embedder import build_encoder
from deepemo.models.speech.family import SpeechHeads
from deepemo.models.speech.network import build_heads, build_speech, members_of
from deepemo.training.loop import Trainer
from deepemo.training.seeding import seed_everything
from tests.fixtures.graphs import approximated, operations_of

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


def head() -> keras.Model:
    return build_head(width=12, hidden_units=8, dropout=0.5, classes=7)


def attending() -> keras.Model:
    """The second member is the network that attends."""
    heads = SpeechHeads(
        components=6, members=1, perceptron_components=6, segment_components=4, attention_members=1, attention_units=5,
        discriminant_share=0.0, discriminant_distances=[1.5, 2.5], hidden_units=8, dropout=0.5,
    )  # fmt: skip
    return members_of(build_heads(heads, segments=3, classes=7, name="head"))[1]


def values_for(network: keras.Model) -> tf.Tensor:
    return tf.constant(np.random.default_rng(6).uniform(size=(4, *network.input_shape[1:])), tf.float32)


def longest_sum(network: keras.Model) -> int:
    """Terms of the longest sum of gradients in one step of training."""

    @tf.function
    def step(values: tf.Tensor, targets: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network(values, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        return tape.gradient(loss, network.trainable_variables)

    graph = step.get_concrete_function(values_for(network), tf.TensorSpec([4, 7])).graph
    return max((len(operation.inputs) for operation in graph.get_operations() if operation.type == "AddN"), default=0)


@pytest.mark.slow
@pytest.mark.parametrize("build", [shallow, transfer, attending])
def test_no_gradient_sums_more_than_two(build: Callable[[], keras.Model]) -> None:
    assert longest_sum(build()) == 2


def test_sums_of_two_stay_apart() -> None:
    seed_everything(1)
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


class OneStep:
    """Batches and params of a single step of training."""

    steps_per_epoch = 1
    epochs, patience, learning_rate, weight_decay, average_weights, mixed_precision = 1, 1, 0.01, 0.1, 0.9, False


@pytest.mark.slow
@pytest.mark.parametrize("build", [shallow, transfer, head, attending])
def test_no_training_depends_on_approximations_of_the_processor(build: Callable[[], keras.Model]) -> None:
    seed_everything(1)
    network, targets = build(), tf.one_hot([0, 3, 6, 3], 7)
    trainer = Trainer(network, OneStep(), OneStep(), list, label_smoothing=0.1, class_weights=np.ones(7, np.float32))

    def compute() -> None:
        trainer._step(values_for(network), targets)
        trainer._predict(values_for(network))

    found = operations_of(compute)
    assert {"RealDiv", "Sqrt"} <= set(found)
    assert not approximated(found)


@pytest.mark.slow
def test_the_speech_network_depends_on_no_approximations_of_the_processor() -> None:
    seed_everything(1)
    heads = SpeechHeads(
        components=6, members=1, perceptron_components=4, segment_components=4, attention_members=1, attention_units=5,
        discriminant_share=0.8, discriminant_distances=[1.5, 2.5], hidden_units=8, dropout=0.5,
    )  # fmt: skip
    network = build_speech(
        build_encoder("moonshine_tiny+whisper_tiny_en"),
        heads,
        taps=["stem", "output", "whisper_output"],
        segments=3,
        classes=7,
    )
    samples, offset = tf.random.uniform([1, 16000]), tf.zeros([1, network.inputs[1].shape[1]])
    found = operations_of(lambda: tf.function(network)([samples, offset]))
    assert {"RealDiv", "Sqrt"} <= set(found)
    assert not approximated(found)


def test_one_over_a_number_is_rounded_right() -> None:
    """TensorFlow puts an approximation in the place of such a division, but not of others, unless it is told not to."""
    seed_everything(1)
    numbers = np.random.default_rng(7).uniform(0.1, 10.0, 10_000).astype(np.float32)
    np.testing.assert_array_equal(tf.function(lambda x: 1.0 / x)(tf.constant(numbers)), np.float32(1.0) / numbers)
