"""A predictor: trained networks as one function from the samples of a clip to calibrated probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.emotions import Emotions
from deepemo.evaluation.calibration import scale, softmax
from deepemo.models.family import FrontEnd, SpeechJudge, TrainedModel
from deepemo.models.saved import load_model
from deepemo.serving.batching import Inputs
from deepemo.serving.bundle import BUNDLE_FILE, Bundle
from deepemo.serving.confidence import Origin
from deepemo.serving.models_folder import check_parts, read_bundle


class Predictor:
    """One network, or the weighted mean of several, with a temperature and a threshold.

    Attributes:
        name: of the predictor.
        emotions: the classes of its networks, in their order.
        models: its networks.
        weights: of each network; their sum is 1.
        front_ends: their distinct front ends.
        front_end: the one with the shortest clips; it decides how a recording is cut into windows.
        temperature: for `deepemo.evaluation.calibration.scale`.
        threshold: calibrated confidence from which an answer is given.
    """

    def __init__(
        self,
        models: Sequence[TrainedModel],
        *,
        name: str,
        emotions: Emotions,
        weights: Sequence[float] = (1.0,),
        temperature: float = 1.0,
        threshold: float = 0.0,
    ) -> None:
        """Join networks of the same emotions, at least one, with a weight each."""
        self.name = name
        self.emotions = emotions
        self.models = tuple(models)
        self.weights = tuple(weights)
        self.temperature = temperature
        self.threshold = threshold
        self.front_ends: tuple[FrontEnd, ...] = ()
        self.input_of: tuple[int, ...] = ()  # for each network, the position of its front end
        for model in models:
            if model.front_end not in self.front_ends:
                self.front_ends += (model.front_end,)
            self.input_of += (self.front_ends.index(model.front_end),)
        self.front_end = min(self.front_ends, key=lambda front_end: front_end.clip_seconds)

    @classmethod
    def load(
        cls, models: Path, name: str | None = None, bundle: Bundle | None = None, origin: Origin | None = None
    ) -> Self:
        """Load from the folder of models of a finished pipeline run.

        Args:
            models: holds a folder for each network, and the bundle.
            name: of the predictor; by default the one that validation chose.
            bundle: of that folder, if it is already read.
            origin: of the recordings; by default as `PredictorRecord.default_origin`.

        Raises:
            InputError: a file is missing, or is not the one that was evaluated, or the run has no confidence for
                recordings of that origin.
        """
        bundle = bundle or read_bundle(models)
        name, record = bundle.predictor(name)
        check_parts(models, bundle, record.parts)
        fitted = record.calibration_for(origin)
        return cls(
            [load_model(models / part, bundle.emotions, whose=str(models / BUNDLE_FILE)) for part in record.parts],
            name=name,
            emotions=bundle.emotions,
            weights=record.weights,
            temperature=fitted.temperature,
            threshold=fitted.threshold,
        )

    def prepare(self, samples: Float32Array, rate_hz: int) -> Inputs:
        """The inputs of one clip: float32 [n] mono at any rate to an array of each distinct front end."""
        return tuple(front_end(samples, rate_hz) for front_end in self.front_ends)

    def probabilities(self, inputs: Inputs) -> Float64Array:
        """Calibrated probabilities float64 [n, classes] of the inputs of n clips, see `batching.stack`.

        The row of a clip that one of the networks does not take for speech is NaN.
        """
        mean = np.zeros((len(inputs[0]), len(self.emotions)))
        for model, weight, position in zip(self.models, self.weights, self.input_of, strict=True):
            mean += weight * softmax(_logits_of_speech(model, inputs[position]))
        return scale(mean, self.temperature)


def _logits_of_speech(model: TrainedModel, inputs: Float32Array) -> Float64Array:
    """Logits float64 [n, classes] of clips; NaN where the network says that a clip is not speech."""
    if not isinstance(model, SpeechJudge):
        return checked(model.logits_of_clips(inputs).astype(np.float64), model.name)
    components = model.components_of_clips(inputs)
    logits = checked(model.logits_of_components(components).astype(np.float64), model.name)
    logits[~model.is_speech(inputs, components)] = np.nan
    return logits


def checked(values: Float64Array, name: str) -> Float64Array:
    """The outputs of a network, as they are.

    Raises:
        FloatingPointError: some are not finite, which would look like a clip that is not speech.
    """
    if not np.isfinite(values).all():
        raise FloatingPointError(f"{name}: found outputs that are no finite numbers, expected those of a sound network")
    return values
