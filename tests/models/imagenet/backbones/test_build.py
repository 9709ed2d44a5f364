"""Every backbone by its name: blocks that partition it, weights that repeat, errors that help."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones import BACKBONE_NAMES
from deepemo.models.imagenet.backbones.applications import APPLICATIONS
from deepemo.models.imagenet.backbones.build import Backbone, build_backbone
from deepemo.models.imagenet.backbones.efficientnet_lite import packaged_weights


@cache
def build(name: str, *, weights: str = "random", seed: int = 0) -> Backbone:
    """A backbone for small images that are not square; the same arguments give the same object."""
    size = APPLICATIONS[name].min_size if name in APPLICATIONS else 64
    return build_backbone(name, weights=weights, height=size, width=size + 16, seed=seed)


def sources(layer: keras.Layer) -> list[str]:
    """Names of the layers that feed it."""
    tensors = [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]
    return [tensor._keras_history.operation.name for tensor in tensors]


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONE_NAMES)
def test_blocks_partition_the_layers_and_nothing_bypasses_them(name: str) -> None:
    backbone = build(name)
    network = backbone.network
    assert [layer for block in backbone.blocks for layer in block] == [layer.name for layer in network.layers]
    block_of = {layer: number for number, block in enumerate(backbone.blocks) for layer in block}
    for layer in network.layers:
        for source in sources(layer):
            if block_of[source] != block_of[layer.name]:
                assert source == backbone.blocks[block_of[layer.name] - 1][-1], f"{source} bypasses a block"
    for block in backbone.blocks:
        assert any(network.get_layer(layer).trainable_weights for layer in block), f"nothing to train in {block}"
    assert len(backbone.blocks) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_b0"])
def test_random_weights_repeat_whatever_was_drawn_before(name: str) -> None:
    first = build(name)
    keras.utils.set_random_seed(99)
    again = build.__wrapped__(name)
    image = np.random.default_rng(1).random((2, *first.network.input_shape[1:]), dtype=np.float32)
    seen = first.network(image, training=False).numpy()
    assert seen.tobytes() == again.network(image, training=False).numpy().tobytes()
    # The signal neither fades nor grows; without statistics it would fade to 1e-5. The replaced values are restored.
    assert 0.01 < seen.std() < 100
    assert {layer.momentum for layer in first.network.layers if hasattr(layer, "momentum")} == {0.99}
    assert all(layer.rate > 0 for layer in first.network.layers if hasattr(layer, "rate"))


@pytest.mark.slow
def test_another_seed_draws_other_weights() -> None:
    kernels = [build("efficientnet_lite0", seed=seed).network.get_layer("stem").kernel.numpy() for seed in (0, 8)]
    assert not np.allclose(*kernels)
    assert kernels[0].std() == pytest.approx(kernels[1].std(), rel=0.2)


@pytest.mark.slow
def test_imagenet_weights_of_efficientnet_lite0_need_no_download(tmp_path: Path) -> None:
    backbone = build("efficientnet_lite0", weights="imagenet")
    stem = backbone.network.get_layer("stem").kernel.numpy()
    assert stem.std() > 0.1
    by_path = build("efficientnet_lite0", weights=str(packaged_weights()))
    np.testing.assert_array_equal(by_path.network.get_layer("stem").kernel, stem)
    backbone.network.save_weights(tmp_path / "saved.weights.h5")
    loaded = build("efficientnet_lite0", weights=str(tmp_path / "saved.weights.h5"))
    image = np.random.default_rng(1).random((1, *backbone.network.input_shape[1:]), dtype=np.float32)
    expected = backbone.network(image, training=False).numpy()
    assert loaded.network(image, training=False).numpy().tobytes() == expected.tobytes()


@pytest.mark.slow
def test_refuses_weights_of_another_backbone(tmp_path: Path) -> None:
    path = tmp_path / "lite0.weights.h5"
    build("efficientnet_lite0").network.save_weights(path)
    with pytest.raises(InputError, match=r"lite0\.weights\.h5: not weights of mobilenet_v2"):
        build("mobilenet_v2", weights=str(path))


def test_refuses_paths_that_cannot_be_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.pth: expected a weights file for mobilenet_v2 whose name ends in \.h5$"):
        build("mobilenet_v2", weights=str(packaged_weights()))
    with pytest.raises(InputError, match=r"nowhere\.pth: no such weights file for efficientnet_lite0; expected"):
        build("efficientnet_lite0", weights="nowhere.pth")
    with pytest.raises(InputError, match="no such weights file for efficientnet_lite0"):
        build("efficientnet_lite0", weights=str(tmp_path))


def test_refuses_an_unknown_backbone() -> None:
    with pytest.raises(InputError, match=r"Bad backbone 'vgg16', expected one of \['densenet121'"):
        build_backbone("vgg16", weights="random", height=64, width=64)


def test_names_are_known_without_tensorflow() -> None:
    names = "from deepemo.models.imagenet.backbones import BACKBONE_NAMES"
    check = f"import sys; {names}; sys.exit('tensorflow' in sys.modules or not BACKBONE_NAMES)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    assert subprocess.run([sys.executable, "-c", check], env=environment, check=False).returncode == 0
    assert set(APPLICATIONS) == set(BACKBONE_NAMES) - {"efficientnet_lite0"}
