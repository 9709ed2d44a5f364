"""Trained networks on disk: built again from their files alone, with the same answers."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deepemo.audio.spec import FeatureSpec
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.errors import InputError
from deepemo.models.imagenet.network import build_transfer
from deepemo.models.saved import load_model, save_model
from deepemo.models.shallow.network import AttentiveStatistics, build_shallow
from deepemo.training.fit import Trained

SPEC = FeatureSpec(
    sample_rate_hz=16000,
    kind="mel",
    clip_seconds=1.0,
    trim_below_db=None,
    window_seconds=0.064,
    hop_seconds=0.02,
    mel_bands=40,
    min_hz=50.0,
    max_hz=8000.0,
    range_db=80.0,
)
SHALLOW_SETTINGS: dict[str, Any] = {"channels": [4, 8], "band_pooling": 2, "dropout": 0.1}
TRANSFER_SETTINGS: dict[str, Any] = {
    "backbone": "efficientnet_lite0",
    "band_pooling": 2,
    "depths": [0.1, 0.3],
    "hidden_units": 0,
    "dropout": 0.1,
}


def features(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, SPEC.frames, SPEC.bands)).astype(np.float32)


def save(folder: Path, network: keras.Model, kind: str, settings: dict[str, Any]) -> None:
    trained = Trained(network=network, settings=settings, features=SPEC.to_dict(), history=[])
    save_model(folder, trained, kind=kind, emotions=EMOTIONS, trained_on={"clips": 1, "sha256": "0"}, seed=1)


@pytest.fixture
def shallow() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_shallow(frames=SPEC.frames, bands=SPEC.bands, classes=7, **SHALLOW_SETTINGS)


def test_a_shallow_network_comes_back_with_the_same_answers(tmp_path: Path, shallow: keras.Model) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    loaded = load_model(tmp_path, EMOTIONS)
    assert loaded.name == "shallow"
    assert loaded.front_end.describe() == SPEC.to_dict()
    np.testing.assert_allclose(loaded.logits(features()), shallow(features(), training=False), atol=1e-6)


@pytest.mark.slow
def test_a_transferred_network_needs_no_imagenet_weights_to_come_back(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network, _ = build_transfer(
        frames=SPEC.frames, bands=SPEC.bands, weights="imagenet", classes=7, **TRANSFER_SETTINGS
    )
    save(tmp_path, network, "transfer", TRANSFER_SETTINGS)
    loaded = load_model(tmp_path, EMOTIONS)
    np.testing.assert_allclose(loaded.logits(features(2)), network(features(2), training=False), rtol=1e-5, atol=1e-5)


def test_saving_the_same_network_twice_gives_the_same_bytes(tmp_path: Path, shallow: keras.Model) -> None:
    for name in ("one", "two"):
        save(tmp_path / name, shallow, "shallow", SHALLOW_SETTINGS)
    for name in ("model.weights.h5", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_folder_without_a_model_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json: no such file.*dvc repro"):
        load_model(tmp_path, EMOTIONS)


@pytest.mark.slow
def test_weights_of_another_network_are_refused(tmp_path: Path, shallow: keras.Model) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    about = json.loads((tmp_path / "model.json").read_text())
    about["settings"]["channels"] = [4, 16]
    (tmp_path / "model.json").write_text(json.dumps(about))
    with pytest.raises(InputError, match=r"model\.weights\.h5: not the weights that model\.json describes"):
        load_model(tmp_path, EMOTIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "deep"}, r"kind: found 'deep', expected one of \['shallow', 'transfer', 'speech'\]"),
        ({"emotions": ["happy", "sad"]}, r"emotions: found \['happy', 'sad'\]"),
        ({"emotions": ["sad", "happy"]}, r"emotions: found \['sad', 'happy'\], .*, in this order"),
        ({"emotions": 7}, "emotions: found 7"),
        ({"settings": {"layers": 3}}, "settings: .*expected those of a shallow network"),
        ({"features": {"kind": "mel"}}, "features: .*expected the parameters of a spectrogram"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tmp_path: Path, shallow: keras.Model, change: dict[str, Any], says: str
) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**about, **change}))
    with pytest.raises(InputError, match=rf"model\.json: {says}"):
        load_model(tmp_path, EMOTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["[]", "{}", "not JSON"])
def test_something_else_than_a_description_is_refused(tmp_path: Path, shallow: keras.Model, content: str) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match=r"model\.json: (found|not JSON).*expected"):
        load_model(tmp_path, EMOTIONS)


def test_damaged_weights_are_refused(tmp_path: Path, shallow: keras.Model) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    (tmp_path / "model.weights.h5").write_bytes(b"not an HDF5 file")
    with pytest.raises(InputError, match=r"model\.weights\.h5"):
        load_model(tmp_path, EMOTIONS)


@pytest.mark.slow
def test_any_number_of_clips_is_answered(tmp_path: Path, shallow: keras.Model) -> None:
    save(tmp_path, shallow, "shallow", SHALLOW_SETTINGS)
    loaded = load_model(tmp_path, EMOTIONS)
    together = loaded.logits(features(5))
    assert together.shape == (5, 7)
    np.testing.assert_allclose(loaded.logits(features(5)[3:4])[0], together[3], atol=1e-5)


def test_attentive_statistics_of_a_steady_sound_are_its_value_and_no_deviation() -> None:
    pooled = AttentiveStatistics()(np.full((2, 9, 3), 1.5, np.float32)).numpy()
    np.testing.assert_allclose(pooled[:, :3], 1.5, rtol=1e-5)
    np.testing.assert_allclose(pooled[:, 3:], 0.0, atol=2e-3)


def test_attentive_statistics_do_not_depend_on_the_order_of_frames() -> None:
    frames = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)
    layer = AttentiveStatistics()
    np.testing.assert_allclose(layer(frames), layer(frames[:, ::-1]), atol=1e-5)


THREE = ("angry", "neutral", "sad")


@pytest.fixture
def of_three(tmp_path: Path) -> Path:
    """A saved network that tells three emotions apart."""
    network = build_shallow(frames=SPEC.frames, bands=SPEC.bands, classes=3, **SHALLOW_SETTINGS)
    trained = Trained(network=network, settings=SHALLOW_SETTINGS, features=SPEC.to_dict(), history=[])
    save_model(tmp_path, trained, kind="shallow", emotions=THREE, trained_on={"clips": 1, "sha256": "0"}, seed=1)
    return tmp_path


@pytest.mark.slow
def test_a_network_of_fewer_emotions_comes_back_with_as_many_logits(of_three: Path) -> None:
    loaded = load_model(of_three, THREE)
    assert loaded.about["emotions"] == list(THREE)
    assert loaded.logits(features(2)).shape == (2, 3)


@pytest.mark.parametrize("asked", [EMOTIONS, ("angry", "fear", "sad"), ("angry", "sad")])
def test_a_network_of_other_emotions_is_refused_with_both_lists(of_three: Path, asked: Emotions) -> None:
    with pytest.raises(InputError) as error:
        load_model(of_three, asked)
    assert str(error.value) == (
        f"{of_three / 'model.json'}: emotions: found {list(THREE)}, expected {list(asked)}, those of params.yaml"
    )
