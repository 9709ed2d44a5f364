"""The family `shallow`: a CNN trained from scratch on the spectrograms."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from deepemo.models.family import ModelFamily
from deepemo.params import Augment, Count, Learning, Params


class TrainShallow(Learning):
    """The shallow CNN and how it learns."""

    channels: Annotated[list[Count], Field(min_length=1, max_length=6)]
    band_pooling: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    augment: Augment


def describe(about: Mapping[str, Any], params: Params) -> str:
    """The network's paragraph in the model card."""
    channels = "-".join(str(count) for count in about["settings"]["channels"])
    return f"""\
a convolutional network trained from scratch, pairs of convolutions with
  {channels} channels and attention over time;
  {about["parameters"]:,} parameters."""


FAMILY = ModelFamily(name="shallow", sections={"train_shallow": TrainShallow}, describe=describe)
