"""EfficientNet-Lite0 must recognize photographs of ImageNet's classes, and refuse other weights."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_image

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones import efficientnet_lite

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def classifier() -> keras.Model:
    network = efficientnet_lite.efficientnet_lite0_classifier(224, 224)
    efficientnet_lite.load_torch_weights(network, efficientnet_lite.packaged_weights())
    return network


def photograph(name: str) -> tf.Tensor:
    """One of scikit-learn's photographs, resized to [1, 224, 224, 3] in [0, 1]."""
    image = load_sample_image(name)[np.newaxis].astype(np.float32)
    return tf.image.resize(image, (224, 224), method="bilinear", antialias=True) / 255


@pytest.mark.parametrize(
    ("name", "label", "probability"),
    [("china.jpg", 442, 0.29), ("flower.jpg", 985, 0.14)],  # bell cote; daisy. Figures of the PyTorch original
)
def test_names_photographs(classifier: keras.Model, name: str, label: int, probability: float) -> None:
    probabilities = classifier(photograph(name), training=False)[0].numpy()
    assert probabilities.argmax() == label
    assert probabilities[label] == pytest.approx(probability, abs=0.015)
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)


def test_scales_pixels_as_it_was_trained(classifier: keras.Model) -> None:
    pixels = np.array([0, 127, 255], np.float32) / 255
    scaled = classifier.get_layer("scaling")(pixels)
    np.testing.assert_allclose(scaled, [-127 / 128, 0, 1], atol=1e-6)


def test_feature_map_of_a_spectrogram_sized_image() -> None:
    network = efficientnet_lite.efficientnet_lite0(176, 128)
    assert network.output_shape == (None, 6, 4, 1280)
    # The published count of the whole network, 4.652 million, less the classifier's 1280 x 1000 and 1000.
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trainable == 4_652_008 - 1_281_000


def test_refuses_a_state_dict_of_another_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = efficientnet_lite.efficientnet_lite0(32, 32)
    monkeypatch.setattr(efficientnet_lite, "load_tensors", lambda path: {"conv1.weight": np.zeros((8, 3, 3, 3))})
    with pytest.raises(InputError, match=r"resnet\.pth: .*no tensor _conv_stem\.weight"):
        efficientnet_lite.load_torch_weights(network, Path("resnet.pth"))


def test_refuses_a_wider_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = efficientnet_lite.efficientnet_lite0(32, 32)
    tensors = efficientnet_lite.load_tensors(efficientnet_lite.packaged_weights())
    tensors["_conv_stem.weight"] = np.zeros((40, 3, 3, 3), np.float32)
    monkeypatch.setattr(efficientnet_lite, "load_tensors", lambda path: tensors)
    with pytest.raises(InputError, match=re.escape("(3, 3, 3, 40)") + ".*expected.*" + re.escape("(3, 3, 3, 32)")):
        efficientnet_lite.load_torch_weights(network, Path("lite4.pth"))
