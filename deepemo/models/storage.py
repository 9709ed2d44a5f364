"""A trained network on disk: `model.weights.h5`, and `model.json` with all that is needed to build it again."""

import json
from pathlib import Path
from typing import Any

import keras

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.emotions import EMOTIONS

SHALLOW = "shallow"
TRANSFER = "transfer"
WEIGHTS_FILE = "model.weights.h5"
ABOUT_FILE = "model.json"


def save_classifier(
    folder: Path,
    network: keras.Model,
    *,
    kind: str,
    settings: dict[str, Any],
    spec: FeatureSpec,
    trained_on: dict[str, Any],
    seed: int,
) -> None:
    """Write a network's weights and what it takes to build it again; the same network gives the same bytes.

    Args:
        folder: where to; made if missing.
        network: the trained network.
        kind: `shallow` or `transfer`.
        settings: keyword arguments of the network's builder but for frames, bands and weights.
        spec: what it is fed.
        trained_on: which clips it learned from, see `deepemo.dataset.fingerprint`.
        seed: of its training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network.save_weights(folder / WEIGHTS_FILE)
    about = {
        "kind": kind,
        "settings": settings,
        "features": spec.to_dict(),
        "emotions": list(EMOTIONS),
        "parameters": network.count_params(),
        "trained_on": trained_on,
        "seed": seed,
    }
    (folder / ABOUT_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
