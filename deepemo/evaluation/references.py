"""Predictions for clips with a reference of their voice: some other recordings of the same speaker.

A clip is never part of its own reference. References use no labels.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.predictions import Predictions
from deepemo.mapped import blocks, mapped, mapped_rows
from deepemo.models.family import TrainedModel, VoiceModel
from deepemo.models.registry import ENSEMBLE
from deepemo.models.voice import Voices, voices_of

# Number of recordings in a reference; None for all others of the voice.
REFERENCES: dict[str, int | None] = {"3": 3, "10": 10, "all": None}
WITHOUT = "0"


def voice_part(models: Mapping[str, TrainedModel]) -> tuple[str, VoiceModel] | None:
    """The name of the first network that takes references, and the network; None if there is none."""
    return next(((name, model) for name, model in models.items() if isinstance(model, VoiceModel)), None)


def components_of(
    model: VoiceModel, batches: Iterable[tuple[list[str], Float32Array]], clips: Iterable[str]
) -> Float32Array:
    """Components of clips in their order, float32 [n, components], in a file (see `deepemo.mapped`).

    Args:
        model: computes components from embeddings.
        batches: ids of the clips and their embeddings, in any order.
        clips: ids.

    Raises:
        InputError: the disk is full.
    """
    row_of = {clip: row for row, clip in enumerate(clips)}
    found: Float32Array = np.empty((len(row_of), 0), np.float32)
    for names, values in batches:
        components = model.components(values)
        if found.shape[1] == 0:
            found = mapped((len(row_of), components.shape[1]), np.float32)
        found[[row_of[name] for name in names]] = components
    return found


def voices_among(predictions: Predictions, components: Float32Array, role: str) -> Voices:
    """The voices of the clips of one role.

    Args:
        predictions: of clips of any roles.
        components: of these clips, float32 [n, components].
        role: of the split.

    Raises:
        InputError: the disk is full.
    """
    chosen = (predictions.clips["role"] == role).to_numpy()
    return Voices(mapped_rows(components, chosen), voices_of(predictions.clips[chosen]))


def with_references(
    predictions: Predictions,
    part: str,
    model: VoiceModel,
    voices: Voices,
    recordings: int | None,
    random: np.random.Generator,
) -> Predictions:
    """Predictions of the models, where one of them knows the voice of each clip.

    Args:
        predictions: of clips of one role, from which the references are drawn too. The result leaves out the ensemble.
        part: name of the model that takes references.
        model: its network.
        voices: of the clips.
        recordings: number in each reference; None for all others of the voice.
        random: draws the references.
    """
    heard: Float64Array = np.empty((len(predictions), len(predictions.emotions)))
    for rows in blocks(len(predictions)):
        offsets = voices.offsets(np.arange(rows.start, rows.stop), recordings, random)
        logits = model.relative_logits(voices.components[rows], offsets)
        heard[rows] = softmax(np.asarray(logits, dtype=np.float64))
    known = {
        name: heard if name == part else values
        for name, values in predictions.probabilities.items()
        if name != ENSEMBLE
    }
    return Predictions(predictions.clips, known, predictions.emotions)
