"""Predictions of clips with a reference of their voice: some other recordings of the same speaker.

A clip is never part of its own reference. Labels play no part in a reference.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.predictions import Predictions
from deepemo.models.family import TrainedModel, VoiceModel
from deepemo.models.registry import ENSEMBLE
from deepemo.models.voice import Voices, voices_of

# Recordings in a reference; None for all others of the voice.
REFERENCES: dict[str, int | None] = {"3": 3, "10": 10, "all": None}
WITHOUT = "0"


def voice_part(models: Mapping[str, TrainedModel]) -> tuple[str, VoiceModel] | None:
    """The first network that takes references and its name, if there is one."""
    return next(((name, model) for name, model in models.items() if isinstance(model, VoiceModel)), None)


def components_of(
    model: VoiceModel, batches: Iterable[tuple[list[str], Float32Array]], clips: Iterable[str]
) -> Float32Array:
    """Components of clips in their order, float32 [n, components].

    Args:
        model: makes them of embeddings.
        batches: ids of the clips and their embeddings, in any order.
        clips: ids.
    """
    row_of = {clip: row for row, clip in enumerate(clips)}
    found = np.empty((len(row_of), 0), np.float32)
    for names, values in batches:
        components = model.components(values)
        if found.shape[1] == 0:
            found = np.empty((len(row_of), components.shape[1]), np.float32)
        found[[row_of[name] for name in names]] = components
    return found


def with_references(
    predictions: Predictions,
    part: str,
    model: VoiceModel,
    components: Float32Array,
    recordings: int | None,
    random: np.random.Generator,
) -> Predictions:
    """Predictions of the models in which one of them knows the voice of each clip.

    Args:
        predictions: of clips of one role, from which the references are drawn too. The ensemble is left out.
        part: name of the model that takes references.
        model: its network.
        components: of the clips, float32 [n, components].
        recordings: in each reference; None for all others of the voice.
        random: draws the references.
    """
    voices = Voices(components, voices_of(predictions.clips))
    offsets = voices.offsets(np.arange(len(components)), recordings, random)
    heard: Float64Array = softmax(np.asarray(model.relative_logits(components, offsets), dtype=np.float64))
    known = {
        name: heard if name == part else values
        for name, values in predictions.probabilities.items()
        if name != ENSEMBLE
    }
    return Predictions(predictions.clips, known, predictions.emotions)
