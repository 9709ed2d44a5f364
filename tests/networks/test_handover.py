"""That gradients are summed in the same order in every run."""

from collections.abc import Callable

import keras
import pytest
import tensorflow as tf

from deepemo.learning.training import seed_everything
from deepemo.networks.shallow import build_shallow
from deepemo.networks.transfer import build_transfer

FRAMES, BANDS = 64, 64


def shallow() -> keras.Model:
    return build_shallow(frames=FRAMES, bands=BANDS, channels=[4, 8], band_pooling=2, dropout=0.5)


def transfer() -> keras.Model:
    network, backbone = build_transfer(
        frames=FRAMES, bands=BANDS, weights="random", seed=1, backbone="efficientnet_lite0", band_pooling=1,
        depths=[0.3, 0.65], hidden_units=8, dropout=0.5,
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
