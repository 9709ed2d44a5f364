"""The networks of keras.applications: the scaling of their input, the ends of their blocks, and their weights."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones.weights import PublishedWeights

_STORAGE = "https://storage.googleapis.com/tensorflow/keras-applications"
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Scaling:
    """Factor and offset that turn values in [0, 1] into a network's input; one for all channels, or one for each."""

    factor: float | tuple[float, ...]
    offset: float | tuple[float, ...]


_MINUS_ONE_TO_ONE = Scaling(2.0, -1.0)
_STANDARDISED = Scaling(
    tuple(1 / deviation for deviation in _DEVIATION),
    tuple(-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)
# Keras's EfficientNetB0 takes pixels up to 255 and standardises them itself, but its published file has deviations
# where it should have variances. Keras corrects this by a layer that only a network built with weights="imagenet" has.
# Here the scaling of the input corrects it, so that a file gives the same network whether it was downloaded or named by
# its path.
_STANDARDISED_INSIDE = Scaling(
    tuple(255 / deviation**0.5 for deviation in _DEVIATION),
    tuple(255 * mean * (1 - deviation**-0.5) for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)),
)


@dataclass(frozen=True, kw_only=True)
class Application:
    """A network of keras.applications.

    Attributes:
        build: its function in keras.applications.
        scaling: of its input.
        block_end: pattern of the names of the layers that end a block; no connection bypasses these layers.
        weights: its published ImageNet weights without the classifier.
        min_size: smallest height and width it takes.
        options: further arguments of `build`.
    """

    build: Callable[..., keras.Model]
    scaling: Scaling
    block_end: re.Pattern[str]
    weights: PublishedWeights
    min_size: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)


APPLICATIONS: Mapping[str, Application] = {
    "densenet121": Application(
        build=keras.applications.DenseNet121,
        scaling=_STANDARDISED,
        block_end=re.compile(r"pool\d(_pool)?|relu"),
        weights=PublishedWeights(
            url=f"{_STORAGE}/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="30ee3e1110167f948a6b9946edeeb738",
        ),
    ),
    "efficientnet_b0": Application(
        build=keras.applications.EfficientNetB0,
        scaling=_STANDARDISED_INSIDE,
        block_end=re.compile(r"(stem|top)_activation|block\da_project_bn|block\d[b-z]_add"),
        weights=PublishedWeights(
            url="https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
            md5="50bc09e76180e00e4465e1a485ddc09d",
        ),
    ),
    "efficientnet_v2_b0": Application(
        build=keras.applications.EfficientNetV2B0,
        scaling=_STANDARDISED,
        block_end=re.compile(r"(stem|top|block1a_project)_activation|block[2-9]a_project_bn|block\d[b-z]_add"),
        weights=PublishedWeights(
            url=f"{_STORAGE}/efficientnet_v2/efficientnetv2-b0_notop.h5",
            md5="893217f2bb855e2983157299931e43ff",
        ),
        options={"include_preprocessing": False},
    ),
    "inception_v3": Application(
        build=keras.applications.InceptionV3,
        scaling=_MINUS_ONE_TO_ONE,
        block_end=re.compile(r"mixed\d+"),
        weights=PublishedWeights(
            url=f"{_STORAGE}/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="bcbd6486424b2319ff4ef7d526e38f63",
        ),
        min_size=75,
    ),
    "mobilenet_v2": Application(
        build=keras.applications.MobileNetV2,
        scaling=_MINUS_ONE_TO_ONE,
        block_end=re.compile(
            r"Conv1_relu|expanded_conv_project_BN|block_(1|3|6|10|13|16)_project_BN|block_\d+_add|out_relu"
        ),
        weights=PublishedWeights(
            url=f"{_STORAGE}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            md5=None,
        ),
    ),
}


def build_application(name: str, height: int, width: int) -> keras.Model:
    """A network of `APPLICATIONS` without classifier and pooling, with random weights.

    Input: float32 [n, height, width, 3] in [0, 1]. Output: its last feature map.

    Raises:
        InputError: the image is smaller than the network takes.
    """
    application = APPLICATIONS[name]
    if min(height, width) < application.min_size:
        least = application.min_size
        raise InputError(f"{name} takes images of at least {least} x {least}, found {height} x {width}")
    scaling = application.scaling
    image = keras.Input((height, width, 3), name="image")
    scaled = keras.layers.Rescaling(scaling.factor, offset=scaling.offset, name="scaling")(image)
    with warnings.catch_warnings():
        # MobileNetV2 warns of every image size that is not the one of its weights.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        network = application.build(
            include_top=False,
            weights=None,
            input_tensor=scaled,
            input_shape=(height, width, 3),
            **application.options,
        )
    return keras.Model(image, network.output, name=name)
