"""Answer recordings with a reference of their voice: the networks and the arithmetic.

A window is processed in two steps. `hear` runs the networks, which takes time and needs no reference. `probabilities`
subtracts the voice's offset from the components, which is quick. So each recording of a voice goes through the networks
only once, whichever others it is compared with.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.evaluation.calibration import scale, softmax
from deepemo.models.family import SpeechJudge, TrainedModel, VoiceModel
from deepemo.models.saved import load_model
from deepemo.serving.batching import Inputs
from deepemo.serving.bundle import BUNDLE_FILE, Bundle
from deepemo.serving.confidence import VoiceRecord
from deepemo.serving.models_folder import check_parts
from deepemo.serving.predictor import Predictor, checked
from deepemo.serving.voice import VoiceReference
from deepemo.serving.voices import components_in

# Name of the model in answers that were given with a reference.
NAME = "known_voice"


class KnownVoice:
    """The weighted mean of several networks, one of which compares a clip with a reference of its voice.

    Attributes:
        name: `known_voice`.
        emotions: the classes of its networks, in their order.
        record: how recordings of known voices are answered.
        weights_sha256: digest of the network that takes references.
        front_end: decides how a recording is cut into windows.
        threshold: calibrated confidence from which an answer is given.
    """

    name = NAME

    def __init__(
        self, record: VoiceRecord, networks: Mapping[str, TrainedModel], weights_sha256: str, emotions: Emotions
    ) -> None:
        """Join networks.

        Args:
            record: how recordings of known voices are answered.
            networks: by name, those of its parts.
            weights_sha256: digest of the weights of `record.part`.
            emotions: the classes of the networks.

        Raises:
            InputError: the network that is to take references takes none.
        """
        part = networks[record.part]
        if not isinstance(part, VoiceModel):
            raise InputError(
                f"{record.part}: found a network that takes no reference of a voice, expected one that does"
            )
        self.record = record
        self.weights_sha256 = weights_sha256
        self.emotions = emotions
        self.threshold = record.calibration.threshold
        self._part: VoiceModel = part
        self._joined = Predictor(
            [networks[name] for name in record.parts], name=NAME, emotions=emotions, weights=record.weights
        )
        self.front_end = self._joined.front_end

    @classmethod
    def load(cls, models: Path, bundle: Bundle, record: VoiceRecord, loaded: Mapping[str, TrainedModel]) -> Self:
        """Load from the folder of models of a finished pipeline run.

        Args:
            models: the folder.
            bundle: its bundle.
            record: how recordings of known voices are answered.
            loaded: networks that are already loaded and checked, by name.

        Raises:
            InputError: a file is missing, or is not the one that was evaluated.
        """
        missing = [part for part in record.parts if part not in loaded]
        check_parts(models, bundle, missing)
        whose = str(models / BUNDLE_FILE)
        networks = {**loaded, **{part: load_model(models / part, bundle.emotions, whose=whose) for part in missing}}
        return cls(record, networks, bundle.parts[record.part].weights_sha256, bundle.emotions)

    def prepare(self, samples: Float32Array, rate_hz: int) -> Inputs:
        """The inputs of one clip: float32 [n] mono at any rate to an array of each distinct front end."""
        return self._joined.prepare(samples, rate_hz)

    def hear(self, inputs: Inputs) -> Float64Array:
        """Outputs of the networks for n clips, float64 [n, components + classes].

        The components of the network that takes references, then the weighted sum of the probabilities of all others.
        The row of a clip that the former does not take for speech is NaN.
        """
        joined = self._joined
        others = np.zeros((len(inputs[0]), len(self.emotions)))
        for model, weight, position in zip(joined.models, joined.weights, joined.input_of, strict=True):
            if model is self._part:
                clips = inputs[position]
                components = self._part.components_of_clips(clips)
            else:
                others += weight * softmax(model.logits_of_clips(inputs[position]).astype(np.float64))
        rows = checked(np.concatenate([components.astype(np.float64), others], axis=1), self._part.name)
        if isinstance(self._part, SpeechJudge):
            rows[~self._part.is_speech(clips, components)] = np.nan
        return rows

    def probabilities(self, rows: Float64Array, offsets: Float32Array) -> Float64Array:
        """Calibrated probabilities float64 [n, classes].

        Args:
            rows: of the clips, as `hear` gives them.
            offsets: of their voices, float32 [n, components] or [components].

        Raises:
            InputError: the offsets have another number of components than the network.
        """
        components = components_in(rows, self)
        if offsets.shape[-1] != components.shape[1]:
            raise InputError(
                f"voice: mean: found {offsets.shape[-1]} components, expected {components.shape[1]} as the network's"
            )
        weight = self.record.weights[self.record.parts.index(self.record.part)]
        logits = self._part.relative_logits(components, offsets).astype(np.float64)
        return scale(weight * softmax(logits) + rows[:, -len(self.emotions) :], self.record.calibration.temperature)

    def problem(self, reference: VoiceReference) -> str | None:
        """Why a reference is not used; None if it is."""
        return reference.problem(self.record, self.weights_sha256)
