"""The family `transfer`: an ImageNet backbone that takes spectrograms as pictures, and a head on its feature maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from deepemo.files import EMBEDDINGS, FEATURES
from deepemo.models.family import Classifier, ModelFamily
from deepemo.models.imagenet.backbones import BACKBONE_NAMES
from deepemo.params import Augment, Count, Learning, Params, Section, Share

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from deepemo.audio.spec import FeatureSpec
    from deepemo.models.saved import SpectrogramModel
    from deepemo.training.fit import Trained

NAME = "transfer"
IMAGENET_EMBEDDINGS = EMBEDDINGS / "imagenet"


def _known_backbone(name: str) -> str:
    if name not in BACKBONE_NAMES:
        raise ValueError(f"expected one of {list(BACKBONE_NAMES)}")
    return name


BackboneName = Annotated[str, AfterValidator(_known_backbone)]


class Embed(Section):
    """The ImageNet backbone that embeds the spectrograms."""

    backbone: BackboneName
    weights: str
    band_pooling: Count
    depths: Annotated[list[Share], Field(min_length=1)]
    batch_size: Count


class FineTune(Learning):
    """The second phase of transfer: the backbone's last blocks learn together with the head of the first phase."""

    trainable_blocks: Annotated[int, Field(ge=0)]
    rate_decay_per_block: Annotated[float, Field(gt=0, le=1)]
    augment: Augment


class TrainTransfer(Learning):
    """The head on the backbone's embeddings, and the fine-tuning that may follow."""

    hidden_units: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    finetune: FineTune


def embed(params: Params) -> str:
    """Write the embeddings of all clips; see `ModelFamily`."""
    from deepemo.models.imagenet.embed import write_embeddings

    section = params.section("embed", Embed)
    count, width = write_embeddings(section, features=FEATURES, embeddings=IMAGENET_EMBEDDINGS, seed=params.seed)
    return f"{count} clips, {width} values each by {section.backbone}"


def train(params: Params, split: pd.DataFrame, resume: Path) -> Trained:
    """Train on the embeddings of the run, and fine-tune on its features; see `ModelFamily`."""
    from deepemo.models.imagenet.train import train_transfer

    return train_transfer(
        params.section("train_transfer", TrainTransfer),
        features=FEATURES,
        embeddings=IMAGENET_EMBEDDINGS,
        split=split,
        emotions=params.emotions,
        seed=params.seed,
        resume=resume,
    )


def load(folder: Path) -> SpectrogramModel:
    """Load a trained network; see `ModelFamily`."""
    from deepemo.models.imagenet.network import build_transfer
    from deepemo.models.saved import SpectrogramModel

    def build(settings: Mapping[str, Any], spec: FeatureSpec, classes: int) -> keras.Model:
        return build_transfer(frames=spec.frames, bands=spec.bands, weights="random", classes=classes, **settings)[0]

    return SpectrogramModel.load(folder, build)


def cached(params: Params, model: SpectrogramModel) -> tuple[Path, Classifier]:
    """The embeddings and the head that takes them, or the features if the backbone was tuned; see `ModelFamily`."""
    from deepemo.models.imagenet.cached import EmbeddingHead

    if params.section("train_transfer", TrainTransfer).finetune.trainable_blocks:
        return FEATURES, model
    return IMAGENET_EMBEDDINGS, EmbeddingHead(model.network)


def describe(about: Mapping[str, Any], params: Params) -> str:
    """The network's paragraph in the model card."""
    from deepemo.models.imagenet.words import paragraph

    return paragraph(about, params)


FAMILY = ModelFamily(
    name=NAME,
    sections={"embed": Embed, "train_transfer": TrainTransfer},
    shards=FEATURES,
    train=train,
    load=load,
    describe=describe,
    embed=embed,
    cached=cached,
)
