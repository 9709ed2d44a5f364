"""Build a backbone by its name: the network, its weights, and its blocks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones import BACKBONE_NAMES, efficientnet_lite
from deepemo.models.imagenet.backbones.applications import APPLICATIONS, build_application
from deepemo.models.imagenet.backbones.weights import fetch_published, load_weights_file

IMAGENET = "imagenet"
RANDOM = "random"
_PICTURES_OF_EACH_KIND = 8


@dataclass(frozen=True)
class Backbone:
    """A network trained on images, without its classifier.

    Attributes:
        name: one of `BACKBONE_NAMES`.
        network: float32 [n, height, width, 3] in [0, 1] to a feature map [n, height', width', channels]. The scaling
            to the pixels it was trained on is its first layer.
        blocks: names of the network's layers, from input to output, grouped into blocks that no connection bypasses. So
            the last blocks can be made trainable while the others stay frozen.
    """

    name: str
    network: keras.Model
    blocks: tuple[tuple[str, ...], ...]


def build_backbone(name: str, *, weights: str, height: int, width: int, seed: int = 0) -> Backbone:
    """Build a backbone for images of the given size.

    Args:
        name: one of `BACKBONE_NAMES`.
        weights: `imagenet`, `random`, or the path of a weights file of Keras for the network without its classifier.
            For efficientnet_lite0, the file may also be one of PyTorch (`.pth`, format before version 1.6). With
            `imagenet`, the weights of efficientnet_lite0 come from an installed package. The others are downloaded once
            into Keras's folder of models, and checked against the digest in Keras's source, which has none for
            mobilenet_v2. `random` draws new weights.
        height: of the images.
        width: of the images.
        seed: of random weights.

    Raises:
        InputError: the name is unknown, the image is too small, or the weights are not available or are another
            network's.
    """
    if name not in BACKBONE_NAMES:
        raise InputError(f"Bad backbone {name!r}, expected one of {list(BACKBONE_NAMES)}")
    path = None if weights == RANDOM else _weights_path(name, weights)
    if name in APPLICATIONS:
        network = build_application(name, height, width)
        block_end = APPLICATIONS[name].block_end
    else:
        network = efficientnet_lite.efficientnet_lite0(height, width)
        block_end = efficientnet_lite.BLOCK_END
    if path is None:
        _draw_weights(network, seed)
    elif path.suffix == ".pth":
        efficientnet_lite.load_torch_weights(network, path)
    else:
        load_weights_file(network, path)
    return Backbone(name, network, _blocks(network, block_end))


def _weights_path(name: str, weights: str) -> Path:
    """Path of the weights, downloaded if needed. It comes before building the network, because building takes time."""
    if weights == IMAGENET:
        if name in APPLICATIONS:
            return fetch_published(APPLICATIONS[name].weights, network_name=name)
        return efficientnet_lite.packaged_weights()
    path = Path(weights)
    if not path.is_file():
        raise InputError(f"{path}: no such weights file for {name}; expected 'imagenet', 'random' or a file's path")
    known = (".h5",) if name in APPLICATIONS else (".h5", ".pth")
    if path.suffix not in known:
        raise InputError(f"{path}: expected a weights file for {name} whose name ends in {' or '.join(known)}")
    return path


def _draw_weights(network: keras.Model, seed: int) -> None:
    """Draw every kernel anew (He et al. 2015, backward form) and take the normalisations' statistics from noise.

    Without those statistics the signal would grow or fade from layer to layer. The draw depends only on the seed:
    dropout, which would use Keras's global generator, is off.
    """
    kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
    for number, kernel in enumerate(kernels):
        draw = keras.initializers.VarianceScaling(2.0, mode="fan_out", seed=seed + number)
        kernel.assign(draw(kernel.shape, kernel.dtype))
    with _attributes(network, rate=0.0, momentum=0.0):
        network(_noise(*network.input_shape[1:3], seed=seed), training=True)


def _noise(height: int, width: int, *, seed: int) -> keras.KerasTensor:
    """Pictures to take statistics from, half of them white noise, half clouds: float32 [n, height, width, 3] in [0, 1].

    Clouds are noise that is equally strong at all scales, stretched to the whole range. With either kind alone, deep
    features hardly vary over these pictures, and the features of another picture become too large: in EfficientNetB0,
    the feature map of a spectrogram was 20 times as large with white noise alone, and 5000 times as large with clouds
    alone, as with both.
    """
    shape = (_PICTURES_OF_EACH_KIND, height, width, 3)
    white = keras.random.uniform(shape, seed=seed)
    clouds = white
    for octave in range(1, max(height, width).bit_length()):
        coarse = (_PICTURES_OF_EACH_KIND, -(-height // 2**octave), -(-width // 2**octave), 3)
        clouds += keras.ops.image.resize(keras.random.uniform(coarse, seed=seed + octave), (height, width))
    lowest = keras.ops.min(clouds, axis=(1, 2), keepdims=True)
    highest = keras.ops.max(clouds, axis=(1, 2), keepdims=True)
    return keras.ops.concatenate([white, (clouds - lowest) / (highest - lowest)])


@contextmanager
def _attributes(network: keras.Model, **values: float) -> Iterator[None]:
    """Set attributes of the layers that have them inside the block, and restore them afterwards."""
    before = [
        (layer, name, getattr(layer, name)) for layer in network.layers for name in values if hasattr(layer, name)
    ]
    for layer, name, _ in before:
        setattr(layer, name, values[name])
    try:
        yield
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)


def _blocks(network: keras.Model, block_end: re.Pattern[str]) -> tuple[tuple[str, ...], ...]:
    blocks: list[tuple[str, ...]] = []
    block: list[str] = []
    for layer in network.layers:
        block.append(layer.name)
        if block_end.fullmatch(layer.name):
            blocks.append(tuple(block))
            block = []
    if block:
        blocks.append(tuple(block))
    return tuple(blocks)
