"""A trained network, built again from what `deepemo.models.storage` wrote."""

import json
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.errors import InputError
from deepemo.models.imagenet.network import build_transfer
from deepemo.models.shallow.network import build_shallow
from deepemo.models.storage import ABOUT_FILE, SHALLOW, WEIGHTS_FILE


def _build(kind: str, settings: dict[str, Any], spec: FeatureSpec) -> keras.Model:
    if kind == SHALLOW:
        return build_shallow(frames=spec.frames, bands=spec.bands, **settings)
    network, _ = build_transfer(frames=spec.frames, bands=spec.bands, weights="random", **settings)
    return network


class Classifier:
    """A trained network with the spec of the features that it expects."""

    def __init__(self, network: keras.Model, about: dict[str, Any]) -> None:
        """Wrap a network and the content of its `model.json`."""
        self.network = network
        self.about = about
        self.spec = FeatureSpec.from_dict(about["features"])
        self.emotions = tuple(about["emotions"])
        self._logits = tf.function(
            lambda features: network(features, training=False),
            input_signature=[tf.TensorSpec([None, self.spec.frames, self.spec.bands], tf.float32)],
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save_classifier` wrote.

        Raises:
            InputError: the folder holds no model, or its weights are not those of its description.
        """
        for name in (ABOUT_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise InputError(f"{folder / name}: no such file, expected a trained model; `dvc repro` makes it")
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        network = _build(about["kind"], about["settings"], FeatureSpec.from_dict(about["features"]))
        try:
            network.load_weights(folder / WEIGHTS_FILE)
        except (ValueError, OSError) as error:
            raise InputError(
                f"{folder / WEIGHTS_FILE}: not the weights that {ABOUT_FILE} describes: {error}"
            ) from error
        return cls(network, about)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Logits float32 [n, 7] of features float32 [n, frames, bands]."""
        answer: np.ndarray = self._logits(tf.constant(features, dtype=tf.float32)).numpy()
        return answer
