"""Train the shallow CNN from what earlier stages left on disk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.audio.augment import Augmentation
from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.shards import read_spec
from deepemo.models.shallow.network import build_shallow
from deepemo.training.fit import Trained, fit


def train_shallow(
    values: Mapping[str, Any], *, features: Path, split: pd.DataFrame, seed: int, resume: Path
) -> Trained:
    """Train the shallow CNN.

    Args:
        values: the `train_shallow` section of params.yaml.
        features: folder of the features' shards.
        split: the split table.
        seed: of weights, order, views and dropout.
        resume: folder for checkpoints.
    """
    spec = FeatureSpec.from_dict(read_spec(features)["features"])
    settings = {name: values[name] for name in ("channels", "band_pooling", "dropout")}
    network = build_shallow(frames=spec.frames, bands=spec.bands, **settings)
    augmentation = Augmentation.from_params(values["augment"], hop_seconds=spec.hop_seconds, range_db=spec.range_db)
    history = fit(network, values, folder=features, split=split, seed=seed, resume=resume, augmentation=augmentation)
    return Trained(network=network, settings=settings, history=history)
