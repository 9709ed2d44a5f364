"""Predictions of the models for each clip, from which all figures of the evaluation can be computed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from deepemo.arrays import Float32Array, Float64Array, Int64Array
from deepemo.emotions import Emotions, check_emotions
from deepemo.errors import InputError
from deepemo.evaluation.calibration import softmax
from deepemo.files import PREDICTIONS, write_csv
from deepemo.models.family import Classifier
from deepemo.models.registry import ENSEMBLE

CLIP_COLUMNS = ("clip", "corpus", "language", "speaker", "gender", "emotion", "role")
# Predictions for corpora by models that never heard them. It lies beside the predictions of the run's own models.
LEFT_OUT = PREDICTIONS.with_name("cross_corpus.csv")
Batches = Iterable[tuple[list[str], Float32Array]]


@dataclass(frozen=True)
class Predictions:
    """Clips and the probabilities that each predictor gives them.

    Attributes:
        clips: n rows with the columns `CLIP_COLUMNS`.
        probabilities: by predictor, float64 [n, classes] as the model gave them.
        emotions: of the run: the classes, in their order.
    """

    clips: pd.DataFrame
    probabilities: Mapping[str, Float64Array]
    emotions: Emotions

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in their order."""
        return tuple(self.probabilities)

    @property
    def labels(self) -> Int64Array:
        """Index of the true emotion: [n]."""
        return np.array([self.emotions.index(emotion) for emotion in self.clips["emotion"]], dtype=np.int64)

    def answers(self, predictor: str) -> Int64Array:
        """Index of the emotion that the predictor finds likeliest: [n]."""
        return np.asarray(self.probabilities[predictor].argmax(axis=1), dtype=np.int64)

    def where(self, column: str, value: str) -> "Predictions":
        """The clips with this value in this column of `clips`."""
        return self.only((self.clips[column] == value).to_numpy())

    def without(self, column: str, value: str) -> "Predictions":
        """The clips with another value in this column of `clips`."""
        return self.only((self.clips[column] != value).to_numpy())

    def only(self, chosen: npt.NDArray[np.bool_]) -> "Predictions":
        """The clips of the rows that are true in `chosen`, bool [n]."""
        return Predictions(
            self.clips[chosen].reset_index(drop=True),
            {name: values[chosen] for name, values in self.probabilities.items()},
            self.emotions,
        )

    def with_ensemble(self, weights: Mapping[str, float]) -> "Predictions":
        """These predictions with one more predictor, the weighted mean of the others' probabilities.

        Args:
            weights: of each predictor, see `deepemo.evaluation.ensemble.fit_weights`.
        """
        parts = [weights[name] * values for name, values in self.probabilities.items()]
        return Predictions(self.clips, {**self.probabilities, ENSEMBLE: np.sum(parts, axis=0)}, self.emotions)


def predict(clips: pd.DataFrame, models: Mapping[str, tuple[Classifier, Batches]], emotions: Emotions) -> Predictions:
    """Predict clips by models, with one batch of inputs in memory at a time.

    Args:
        clips: rows of the split table; their order is kept.
        models: by the name of the predictor, a model and its inputs for the clips: batches of ids and arrays [n, ...],
            in any order.
        emotions: of the run, the classes of the models' logits.

    Raises:
        InputError: a clip has another emotion, or no inputs.
    """
    strangers = sorted(set(clips["emotion"]) - set(emotions))
    if strangers:
        raise InputError(f"split: unknown emotions {strangers}, expected some of {list(emotions)}")
    return Predictions(
        clips[list(CLIP_COLUMNS)].reset_index(drop=True),
        {name: _probabilities(clips, name, model, batches, len(emotions)) for name, (model, batches) in models.items()},
        emotions,
    )


def _probabilities(clips: pd.DataFrame, name: str, model: Classifier, batches: Batches, classes: int) -> Float64Array:
    rows = {clip: row for row, clip in enumerate(clips["clip"])}
    probabilities = np.full((len(clips), classes), np.nan)
    for names, inputs in batches:
        where = [rows.pop(clip) for clip in names]
        probabilities[where] = softmax(np.asarray(model.logits(inputs), dtype=np.float64))
    if rows:
        raise InputError(f"{name}: no inputs of {len(rows)} clips, among them {min(rows)}")
    return probabilities


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row per clip and predictor: the clip's columns, `predictor`, and one probability per emotion."""
    parts = [
        predictions.clips.assign(predictor=name, **dict(zip(predictions.emotions, values.T, strict=True)))
        for name, values in predictions.probabilities.items()
    ]
    write_csv(path, pd.concat(parts))


def read_predictions(path: Path, emotions: Emotions) -> Predictions:
    """Read what `write_predictions` wrote; probabilities keep six digits.

    Args:
        path: path of the file.
        emotions: of the run.

    Raises:
        InputError: the probabilities are of other emotions.
    """
    text = (*CLIP_COLUMNS, "predictor")
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False)
    found = [column for column in table.columns if column not in text]
    check_emotions(found, emotions, source=str(path), whose="params.yaml")
    parts = {str(name): part for name, part in table.groupby("predictor", sort=False)}
    clips = next(iter(parts.values()))[list(CLIP_COLUMNS)].reset_index(drop=True)
    probabilities = {name: part[list(emotions)].to_numpy(np.float64) for name, part in parts.items()}
    return Predictions(clips, probabilities, emotions)
