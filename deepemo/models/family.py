"""What a model family is: the one thing that the pipeline, the card, the command line and the server ask for names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deepemo.params import Params, Section


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A model family.

    Attributes:
        name: of its folder under `models/` and of its predictor.
        sections: classes of its sections of params.yaml, by their names there.
        describe: content of a network's `model.json` and the run's params to the network's paragraph in the model
            card.
    """

    name: str
    sections: Mapping[str, type[Section]]
    describe: Callable[[Mapping[str, Any], Params], str]
