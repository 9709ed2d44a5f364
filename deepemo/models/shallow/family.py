"""The family `shallow`: a CNN trained from scratch on the spectrograms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from deepemo.files import FEATURES
from deepemo.models.family import ModelFamily
from deepemo.params import Augment, Count, Learning, Params

if TYPE_CHECKING:
    import pandas as pd

    from deepemo.models.saved import SpectrogramModel
    from deepemo.training.fit import Trained

NAME = "shallow"


class TrainShallow(Learning):
    """The shallow CNN and how it learns."""

    channels: Annotated[list[Count], Field(min_length=1, max_length=6)]
    band_pooling: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    augment: Augment


def train(params: Params, split: pd.DataFrame, resume: Path) -> Trained:
    """Train on the features of the run; see `ModelFamily`."""
    from deepemo.models.shallow.train import train_shallow

    section = params.section("train_shallow", TrainShallow)
    return train_shallow(
        section, features=FEATURES, split=split, emotions=params.emotions, seed=params.seed, resume=resume
    )


def load(folder: Path) -> SpectrogramModel:
    """Load a trained network; see `ModelFamily`."""
    from deepemo.models.saved import SpectrogramModel
    from deepemo.models.shallow.network import build_shallow

    return SpectrogramModel.load(
        folder,
        lambda settings, spec, classes: build_shallow(
            frames=spec.frames, bands=spec.bands, classes=classes, **settings
        ),
    )


def describe(about: Mapping[str, Any], params: Params) -> str:
    """The network's paragraph in the model card."""
    from deepemo.models.shallow.words import paragraph

    return paragraph(about, params)


FAMILY = ModelFamily(
    name=NAME,
    sections={"train_shallow": TrainShallow},
    shards=FEATURES,
    train=train,
    load=load,
    describe=describe,
)
