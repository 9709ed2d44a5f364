"""Train the shallow CNN on the outputs of earlier stages."""

from functools import partial
from pathlib import Path

import pandas as pd

from deepemo.audio.augment import augment, neutral_class
from deepemo.dataset.shards import read_feature_spec
from deepemo.emotions import Emotions
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.network import build_shallow
from deepemo.training.fit import Trained, fit


def train_shallow(
    section: TrainShallow, *, features: Path, split: pd.DataFrame, emotions: Emotions, seed: int, resume: Path
) -> Trained:
    """Train the shallow CNN.

    Args:
        section: the network and how it learns.
        features: folder of the features' shards.
        split: the split table.
        emotions: of the run.
        seed: of order and views.
        resume: folder for checkpoints.
    """
    spec = read_feature_spec(features)
    network = build_shallow(
        frames=spec.frames,
        bands=spec.bands,
        channels=section.channels,
        band_pooling=section.band_pooling,
        dropout=section.dropout,
        classes=len(emotions),
    )
    history = fit(
        network,
        section,
        label_smoothing=section.label_smoothing,
        folder=features,
        split=split,
        emotions=emotions,
        seed=seed,
        resume=resume,
        view=partial(augment, section=section.augment, spec=spec, neutral=neutral_class(section.augment, emotions)),
    )
    settings = section.model_dump(include={"channels", "band_pooling", "dropout"})
    return Trained(network=network, settings=settings, features=spec.to_dict(), history=history)
