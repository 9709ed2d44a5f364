"""The weights of Moonshine tiny's encoder, from the wheel moonshine-voice.

The wheel holds a model of ONNX Runtime. Its convolutions and normalisations are float32; the matrices of its
transformer are 8-bit integers with one scale and one zero point each, and are turned back into floats here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepemo.arrays import Float32Array
from deepemo.models.speech.moonshine import HEADS, LAYERS, ROTARY_CHANNELS
from deepemo.models.speech.ort_file import OrtGraph, read_ort
from deepemo.models.speech.wheel import PackagedWeights

WHEEL = PackagedWeights(
    encoder="moonshine_tiny",
    package="moonshine-voice",
    version="0.0.73",
    module="moonshine_voice",
    inside="assets/tiny-en/encoder_model.ort",
    sha256="94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
)


def load_weights(network: keras.Model, path: Path) -> None:
    """Fill a network of `moonshine_tiny` with the weights of a file.

    Raises:
        InputError: the file is not the one in version 0.0.73 of the wheel.
        OSError: it cannot be read.
    """
    content = WHEEL.read(path)
    for layer, weights in _weights_by_layer(read_ort(content, name=str(path))):
        network.get_layer(layer).set_weights(weights)


def _weights_by_layer(graph: OrtGraph) -> Iterator[tuple[str, list[Float32Array]]]:
    """Names and weights of the layers of the Keras network that have weights, in Keras's order and axes."""
    tensors = graph.tensors
    # Scale and offset of the group normalisation lost their names when the file was made. They are found by the nodes
    # that use them.
    inputs = {output: node.inputs for node in graph.nodes for output in node.outputs}

    def kernel(name: str) -> Float32Array:
        return tensors[f"{name}.weight_add_tensor"].transpose(2, 1, 0)  # [out, in, width] to [width, in, out]

    def matrix(output: str) -> Float32Array:
        used = inputs[f"/{output}_output_0"]
        prefix = next(name for name in used if name.endswith("_quantized") and name in tensors).removesuffix(
            "_quantized"
        )
        return dequantise(*(tensors[f"{prefix}_{part}"] for part in ("quantized", "scale", "zero_point")))

    yield "conv1", [kernel("conv1")]
    yield "norm1", [tensors[inputs[f"/groupnorm/{part}_output_0"][1]].ravel() for part in ("Mul", "Add")]
    for name in ("conv2", "conv3"):
        yield name, [kernel(name), tensors[f"{name}.bias"]]
    for layer in range(LAYERS):
        theirs, ours = f"layers.{layer}", f"layer{layer + 1}"
        queries, keys, values, output = (matrix(f"{theirs}/self_attn/{part}_proj/MatMul") for part in "qkvo")
        yield f"{ours}_norm1", [tensors[f"{theirs}.input_layernorm.weight"]]
        yield f"{ours}_self", [np.hstack([_halves(queries), _halves(keys), values]), output]
        yield f"{ours}_norm2", [tensors[f"{theirs}.post_attention_layernorm.weight"]]
        for number, part in ((1, "hidden"), (2, "project")):
            yield f"{ours}_{part}", [matrix(f"{theirs}/mlp/fc{number}/Add"), tensors[f"{theirs}.mlp.fc{number}.bias"]]
    yield "output", [tensors["layer_norm.weight"]]


def _halves(matrix: Float32Array) -> Float32Array:
    """Reorder the outputs of queries or keys [in, out].

    In each head, the file has the two channels of a pair side by side. `RotaryAttention` has the first channels of all
    pairs before the second ones.
    """
    channels = np.arange(matrix.shape[1]).reshape(HEADS, -1)
    turned, rest = channels[:, :ROTARY_CHANNELS], channels[:, ROTARY_CHANNELS:]
    return matrix[:, np.hstack([turned[:, 0::2], turned[:, 1::2], rest]).ravel()]


def dequantise(values: NDArray[Any], scale: Float32Array, zero_point: NDArray[Any]) -> Float32Array:
    """Turn integers [in, out] back into floats: their distance from the zero point, times the scale.

    Scale and zero point are one for the whole matrix, or one for each of its outputs.
    """
    return (values.astype(np.int32) - zero_point.astype(np.int32)).astype(np.float32) * scale
