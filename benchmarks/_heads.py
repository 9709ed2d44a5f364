"""Figures of the heads of `speech` on validation; the metrics of training are only means over single networks."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import numpy as np

from deepemo.arrays import Int64Array
from deepemo.dataset.shards import read_features
from deepemo.dataset.split import VALIDATION, read_split
from deepemo.evaluation.metrics import accuracy, confusion, uar
from deepemo.evaluation.predictions import Predictions, predict
from deepemo.evaluation.references import components_of, with_references
from deepemo.files import MODELS, SPLIT
from deepemo.models.family import VoiceModel
from deepemo.models.speech.family import NAME, SPEECH_EMBEDDINGS, load
from deepemo.models.voice import Voices, voices_of

UAR, ACCURACY, VOICES_KNOWN = "heads.uar", "heads.accuracy", "heads.voices_known.uar"
DIGITS = 4
_BATCH = 256


def validation_figures(revision: str) -> dict[str, float]:
    """Judge the network of a run that DVC recorded on the validation clips of that run.

    Args:
        revision: of the run, in the repository at hand.

    Returns:
        UAR and accuracy of the head for a clip alone, and UAR of the head for known voices, with all other validation
        clips of the same speaker as reference.

    Raises:
        subprocess.CalledProcessError: DVC does not have the outputs of the run.
    """
    with tempfile.TemporaryDirectory(prefix="deepemo-heads-") as temporary:
        folder = Path(temporary)
        fetch(revision, folder)
        return judge(folder)


def fetch(revision: str, folder: Path) -> None:
    """Copy the network, the embeddings and the split of a run to the same paths in a folder."""
    for path in (MODELS / NAME, SPEECH_EMBEDDINGS, SPLIT):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        get = ("dvc", "get", "--quiet", "--rev", revision, "--out", str(folder / path), ".", str(path))
        subprocess.run([sys.executable, "-m", *get], check=True)


def judge(folder: Path) -> dict[str, float]:
    """The figures of `validation_figures`, from a folder that `fetch` filled."""
    model = cast(VoiceModel, load(folder / MODELS / NAME))
    emotions = tuple(model.about["emotions"])
    split = read_split(folder / SPLIT, emotions)
    clips = split[split["role"] == VALIDATION]
    batches = list(read_features(folder / SPEECH_EMBEDDINGS, clips["clip"], batch_size=_BATCH))
    alone = predict(clips, {NAME: (model, batches)}, emotions)
    components = components_of(model, batches, clips["clip"])
    voices = Voices(components, voices_of(clips))
    known = with_references(alone, NAME, model, voices, None, np.random.default_rng(0))
    figures = {UAR: uar(_counts(alone)), ACCURACY: accuracy(_counts(alone)), VOICES_KNOWN: uar(_counts(known))}
    return {name: round(float(value), DIGITS) for name, value in figures.items()}


def _counts(predictions: Predictions) -> Int64Array:
    return confusion(predictions.labels, predictions.answers(NAME), len(predictions.emotions))
