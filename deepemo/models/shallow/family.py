"""The family `shallow`: a CNN trained from scratch on the spectrograms."""

from typing import Annotated

from pydantic import Field

from deepemo.models.family import ModelFamily
from deepemo.params import Augment, Count, Learning


class TrainShallow(Learning):
    """The shallow CNN and how it learns."""

    channels: Annotated[list[Count], Field(min_length=1, max_length=6)]
    band_pooling: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    augment: Augment


FAMILY = ModelFamily(name="shallow", sections={"train_shallow": TrainShallow})
