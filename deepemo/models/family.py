"""What a model family is: the one thing that the pipeline, the card, the command line and the server ask for names."""

from collections.abc import Mapping
from dataclasses import dataclass

from deepemo.params import Section


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A model family.

    Attributes:
        name: of its folder under `models/` and of its predictor.
        sections: classes of its sections of params.yaml, by their names there.
    """

    name: str
    sections: Mapping[str, type[Section]]
