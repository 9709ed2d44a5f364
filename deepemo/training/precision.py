"""Mixed precision: a training step multiplies in bfloat16, and does all else in float32.

Convolutions and dense layers take nearly all the time of a step. GPUs since NVIDIA's Ampere multiply bfloat16 several
times as fast as float32. Sums over time, normalisation, the last layer and so the logits, the loss, gradients of
weights, weights and their averages stay in float32 (Micikevicius et al., "Mixed Precision Training", 2018). bfloat16
has the range of float32, so the loss needs no scaling, unlike in float16 (Kalamkar et al., "A Study of BFLOAT16 for
Deep Learning Training", 2019).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

POLICY = "mixed_bfloat16"
_PRODUCTS = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def in_mixed_precision(network: keras.Model, step: Callable[..., Any]) -> Callable[..., Any]:
    """A training step that multiplies in bfloat16.

    The network has Keras's policy of mixed precision only while TensorFlow traces the step. Validation, saving and
    serving use a network in float32.

    Args:
        network: the network of the step, in float32. Layers that are frozen now stay in float32.
        step: the function that `tf.function` will trace.
    """
    layers = _products(network)

    def mixed(*batch: Any) -> Any:
        with _policy(layers):
            return step(*batch)

    return mixed


def _products(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers that learn and multiply, except the last layer."""
    leaves = list(_leaves(network))
    return [layer for layer in leaves[:-1] if isinstance(layer, _PRODUCTS) and layer.trainable_variables]


def _leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Layers of a network and of the networks in it, from input to output."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


@contextmanager
def _policy(layers: list[keras.layers.Layer]) -> Iterator[None]:
    before = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = POLICY
    try:
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy
