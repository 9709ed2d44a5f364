"""What the models said of each clip: everything that evaluation rests on, as one table anyone can recompute from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepemo.dataset.clips import write_table
from deepemo.emotions import EMOTIONS, INDEX
from deepemo.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Features = npt.NDArray[np.float32]

CLIP_COLUMNS = ("clip", "corpus", "speaker", "gender", "emotion", "role")
ENSEMBLE = "ensemble"


class Model(Protocol):
    """What evaluation needs of a trained model."""

    def logits(self, features: Features) -> npt.NDArray[np.float32]:
        """Features float32 [n, frames, bands] to logits [n, 7]."""


def softmax(logits: Floats) -> Floats:
    """Probabilities float64 [n, classes] of logits [n, classes]."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


@dataclass(frozen=True)
class Predictions:
    """Clips and what each predictor says of them.

    Attributes:
        clips: n rows with the columns `CLIP_COLUMNS`.
        probabilities: by predictor, float64 [n, 7] in the order of `EMOTIONS`, as the model gave them.
    """

    clips: pd.DataFrame
    probabilities: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in their order."""
        return tuple(self.probabilities)

    @property
    def labels(self) -> Ints:
        """Index of the true emotion: [n]."""
        return np.array([INDEX[emotion] for emotion in self.clips["emotion"]], dtype=np.int64)

    def answers(self, predictor: str) -> Ints:
        """Index of the emotion the predictor holds likeliest: [n]."""
        return np.asarray(self.probabilities[predictor].argmax(axis=1), dtype=np.int64)

    def where(self, column: str, value: str) -> "Predictions":
        """The clips with this value in this column of `clips`."""
        chosen = (self.clips[column] == value).to_numpy()
        return Predictions(
            self.clips[chosen].reset_index(drop=True),
            {name: values[chosen] for name, values in self.probabilities.items()},
        )

    def with_mean(self, name: str = ENSEMBLE) -> "Predictions":
        """The same with one more predictor, the mean of the others' probabilities."""
        mean = np.mean(list(self.probabilities.values()), axis=0)
        return Predictions(self.clips, {**self.probabilities, name: mean})


def predict(
    models: Mapping[str, Model], clips: pd.DataFrame, batches: Iterable[tuple[list[str], Features]]
) -> Predictions:
    """Ask each model about each clip, a batch of features in hand at a time.

    Args:
        models: by the name of the predictor.
        clips: rows of the split table; their order is kept.
        batches: ids and features [n, frames, bands] of these clips, in any order.

    Raises:
        InputError: a clip's emotion is not one of the seven, or a clip has no features.
    """
    strangers = sorted(set(clips["emotion"]) - set(EMOTIONS))
    if strangers:
        raise InputError(f"split: unknown emotions {strangers}, expected some of {list(EMOTIONS)}")
    rows = {clip: row for row, clip in enumerate(clips["clip"])}
    probabilities = {name: np.full((len(clips), len(EMOTIONS)), np.nan) for name in models}
    for names, features in batches:
        where = [rows.pop(name) for name in names]
        for predictor, model in models.items():
            probabilities[predictor][where] = softmax(np.asarray(model.logits(features), dtype=np.float64))
    if rows:
        raise InputError(f"features: none of {len(rows)} clips, among them {min(rows)}")
    return Predictions(clips[list(CLIP_COLUMNS)].reset_index(drop=True), probabilities)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row a clip and predictor: the clip's columns, `predictor`, and a probability an emotion."""
    parts = [
        predictions.clips.assign(predictor=name, **dict(zip(EMOTIONS, values.T, strict=True)))
        for name, values in predictions.probabilities.items()
    ]
    write_table(path, pd.concat(parts))


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote; probabilities keep six digits."""
    text = (*CLIP_COLUMNS, "predictor")
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False)
    parts = {str(name): part for name, part in table.groupby("predictor", sort=False)}
    clips = next(iter(parts.values()))[list(CLIP_COLUMNS)].reset_index(drop=True)
    return Predictions(clips, {name: part[list(EMOTIONS)].to_numpy(np.float64) for name, part in parts.items()})
