"""The family `transfer`: a network that learned from ImageNet looks at the spectrograms, and a head on what it sees."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from deepemo.models.family import ModelFamily
from deepemo.models.imagenet.backbones import BACKBONE_NAMES
from deepemo.params import Augment, Count, Learning, Params, Section, Share


def _known_backbone(name: str) -> str:
    if name not in BACKBONE_NAMES:
        raise ValueError(f"expected one of {list(BACKBONE_NAMES)}")
    return name


BackboneName = Annotated[str, AfterValidator(_known_backbone)]


class Embed(Section):
    """The ImageNet backbone that looks at the spectrograms."""

    backbone: BackboneName
    weights: str
    band_pooling: Count
    depths: Annotated[list[Share], Field(min_length=1)]
    batch_size: Count


class FineTune(Learning):
    """The second phase of transfer: the backbone's last blocks learn too, from the head found on the embeddings."""

    trainable_blocks: Annotated[int, Field(ge=0)]
    rate_decay_per_block: Annotated[float, Field(gt=0, le=1)]
    augment: Augment


class TrainTransfer(Learning):
    """The head on the backbone's embeddings, and the fine-tuning that may follow."""

    hidden_units: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    finetune: FineTune


def describe(about: Mapping[str, Any], params: Params) -> str:
    """The network's paragraph in the model card."""
    settings = about["settings"]
    blocks = params.section("train_transfer", TrainTransfer).finetune.trainable_blocks
    depths = " and ".join(f"{depth:.0%}" for depth in settings["depths"])
    tuned = (
        f"then at most {blocks} blocks up to there further with it" if blocks else "the network itself left as it was"
    )
    return f"""\
`{settings["backbone"]}` with `{params.section("embed", Embed).weights}` weights looks at the spectrogram as at a
  picture; a head on its maps at {depths} of its depth was trained, {tuned};
  {about["parameters"]:,} parameters in all."""


FAMILY = ModelFamily(name="transfer", sections={"embed": Embed, "train_transfer": TrainTransfer}, describe=describe)
