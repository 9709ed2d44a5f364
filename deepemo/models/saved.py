"""A trained network on disk: `model.weights.h5`, and `model.json` with all that is needed to build it again.

If a network needs a file that the user brought, a copy of that file lies beside them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.audio.features import Featurizer
from deepemo.audio.spec import FeatureSpec
from deepemo.emotions import Emotions, check_emotions, recorded_emotions
from deepemo.errors import InputError
from deepemo.files import read_json, write_json, written_whole
from deepemo.models.family import ABOUT_FILE, WEIGHTS_FILE, FrontEnd, TrainedModel
from deepemo.models.registry import family_names, load_family

if TYPE_CHECKING:
    from deepemo.training.fit import Trained


EXPECTED = "a trained model; `dvc repro` makes it"
# Keys of model.json that loading needs.
_NEEDED = {"kind", "settings", "features", "emotions"}


def save_model(
    folder: Path, trained: Trained, *, kind: str, emotions: Emotions, trained_on: Mapping[str, Any], seed: int
) -> None:
    """Write a network's weights and the settings to build it again; the same network gives the same bytes.

    Args:
        folder: folder to write to; created if it is missing.
        trained: the network.
        kind: name of its family.
        emotions: of the run, the classes of its logits.
        trained_on: fingerprint of the clips it learned from, see `deepemo.dataset.split.fingerprint_clips`.
        seed: of its training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained.network.save_weights(folder / WEIGHTS_FILE)
    for name, source in trained.files.items():
        with written_whole(folder / name) as partial:
            shutil.copyfile(source, partial)
    about = {
        "kind": kind,
        "settings": dict(trained.settings),
        "features": dict(trained.features),
        "emotions": list(emotions),
        "parameters": trained.network.count_params(),
        "trained_on": dict(trained_on),
        "seed": seed,
    }
    write_json(folder / ABOUT_FILE, about)


def read_about(folder: Path) -> dict[str, Any]:
    """Read the `model.json` that `save_model` wrote.

    Raises:
        InputError: the folder holds no model, or its description is not one of a network that names emotions.
    """
    for name in (ABOUT_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file, expected {EXPECTED}")
    about = read_json(folder / ABOUT_FILE, expected=EXPECTED)
    if not isinstance(about, dict) or not set(about) >= _NEEDED:
        found = sorted(about) if isinstance(about, dict) else type(about).__name__
        raise InputError(f"{folder / ABOUT_FILE}: found {found}, expected {sorted(_NEEDED)}")
    recorded_emotions(about["emotions"], source=str(folder / ABOUT_FILE))
    return about


def check_fed(about: Mapping[str, Any], made_by: Mapping[str, Any], *, source: str, shards: Path) -> None:
    """Check that arrays were made in the same way as those that a network learned from.

    Args:
        about: content of the network's `model.json`.
        made_by: the description of the arrays, see `deepemo.dataset.shards.read_spec`.
        source: the file of `about`, for the error.
        shards: folder of the arrays, for the error.

    Raises:
        InputError: a setting that both record, such as the encoder, differs.
    """
    learned = {**about["settings"], "features": about["features"]}
    for name in sorted(learned.keys() & made_by.keys()):
        if learned[name] != made_by[name]:
            raise InputError(
                f"{source}: {name}: found {learned[name]}, expected {made_by[name]} as in {shards}: the network "
                "learned from other arrays; train it again"
            )


def load_model(folder: Path, emotions: Emotions, *, whose: str = "params.yaml") -> TrainedModel:
    """Load a trained network of any registered family.

    Args:
        folder: where it lies.
        emotions: that it must tell apart.
        whose: what names these emotions, for the error.

    Raises:
        InputError: the folder holds no model, its kind is unknown, it tells other emotions apart, or its weights do not
            fit its description.
    """
    about = read_about(folder)
    check_emotions(about["emotions"], emotions, source=str(folder / ABOUT_FILE), whose=whose)
    kind = about["kind"]
    if kind not in family_names():
        raise InputError(f"{folder / ABOUT_FILE}: kind: found {kind!r}, expected one of {list(family_names())}")
    return load_family(kind).load(folder)


def load_weights(network: keras.Model, folder: Path) -> None:
    """Load the weights that were saved in a folder into a network.

    Raises:
        InputError: they are another network's.
    """
    try:
        network.load_weights(folder / WEIGHTS_FILE)
    except (ValueError, OSError) as error:
        raise InputError(f"{folder / WEIGHTS_FILE}: not the weights that {ABOUT_FILE} describes: {error}") from error


class SpectrogramModel:
    """A trained network whose input is spectrograms, in evaluation and in serving; see `family.TrainedModel`."""

    def __init__(self, network: keras.Model, about: Mapping[str, Any], spec: FeatureSpec) -> None:
        """Wrap a network, the content of its `model.json` and the spec of its features."""
        self.name: str = about["kind"]
        self.network = network
        self.about: Mapping[str, Any] = about
        self.spec = spec
        self.front_end: FrontEnd = Featurizer(spec)
        self._logits = tf.function(
            lambda features: network(features, training=False),
            input_signature=[tf.TensorSpec([None, spec.frames, spec.bands], tf.float32)],
        )

    @classmethod
    def load(
        cls, folder: Path, build: Callable[[Mapping[str, Any], FeatureSpec, int], keras.Model]
    ) -> SpectrogramModel:
        """Load what `save_model` wrote.

        Args:
            folder: where it lies.
            build: builds a network with any weights, given its settings, the spec of its features and the number of
                classes.

        Raises:
            InputError: as for `load_model`.
        """
        about = read_about(folder)
        source = str(folder / ABOUT_FILE)
        spec = FeatureSpec.from_dict(about["features"], source=source)
        try:
            network = build(about["settings"], spec, len(about["emotions"]))
        except (TypeError, KeyError) as error:
            raise InputError(f"{source}: settings: {error}, expected those of a {about['kind']} network") from error
        load_weights(network, folder)
        return cls(network, about, spec)

    def logits(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of features float32 [n, frames, bands]."""
        answer: Float32Array = self._logits(tf.constant(inputs, dtype=tf.float32)).numpy()
        return answer

    def logits_of_clips(self, inputs: Float32Array) -> Float32Array:
        """`logits`, because this front end makes features too."""
        return self.logits(inputs)

    def graph(self, inputs: tf.Tensor) -> tf.Tensor:
        """`logits_of_clips` in TensorFlow operations."""
        return self.network(inputs, training=False)
