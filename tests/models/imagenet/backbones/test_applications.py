"""The networks of keras.applications, each against Keras's own preprocessing and network."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones.applications import APPLICATIONS, build_application
from deepemo.models.imagenet.backbones.build import build_backbone

PREPROCESS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "densenet121": keras.applications.densenet.preprocess_input,
    "efficientnet_b0": keras.applications.efficientnet.preprocess_input,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2.preprocess_input,
    "inception_v3": keras.applications.inception_v3.preprocess_input,
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
}


def first_convolution(network: keras.Model, image: np.ndarray) -> np.ndarray:
    """The first convolution's output for an image, which depends almost only on the scaling."""
    layer = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    return keras.Model(network.input, layer.output)(image, training=False).numpy()


def keras_own(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """The network as Keras builds it, with random weights, which are also in the file at the path."""
    size = APPLICATIONS[name].min_size
    options = {"include_top": False, "input_shape": (size, size, 3)}
    network = APPLICATIONS[name].build(weights=None, **options)
    if name == "efficientnet_b0":
        # The published file holds means and, in place of variances, deviations. Only a network that is told to load the
        # published file corrects this.
        norm = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
        norm.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)])
        network.save_weights(path)
        monkeypatch.setattr(efficientnet, "file_utils", SimpleNamespace(get_file=lambda *_, **__: str(path)))
        return APPLICATIONS[name].build(weights="imagenet", **options)
    network.save_weights(path)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_scales_and_loads_as_keras_does(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.weights.h5"
    expected = keras_own(name, path, monkeypatch)
    size = APPLICATIONS[name].min_size
    ours = build_backbone(name, weights=str(path), height=size, width=size).network
    for weight, wanted in zip(ours.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, wanted)
    image = np.random.default_rng(3).random((1, size, size, 3), dtype=np.float32)
    seen = first_convolution(expected, PREPROCESS[name](image * 255))
    np.testing.assert_allclose(first_convolution(ours, image), seen, rtol=1e-4, atol=1e-4)
    # Unscaled pixels give another result, so without the scaling the line above fails.
    assert not np.allclose(first_convolution(expected, image), seen, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", sorted(APPLICATIONS))
def test_refuses_images_that_are_too_small(name: str) -> None:
    least = APPLICATIONS[name].min_size
    with pytest.raises(InputError, match=rf"{name} .*at least {least} x {least}, found {least + 1} x {least - 1}"):
        build_application(name, least + 1, least - 1)
