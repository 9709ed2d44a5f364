"""The bundle `models/serving/bundle.json`: all that serving needs to know about the run that made the models.

`evaluate` writes it beside the model card. Serving reads the bundle and the networks that it names (`models_folder`),
and nothing outside the folder of models. So a copied or moved folder gives the same answers with the same lineage.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.evaluation.confidence import Confidence, Record
from deepemo.evaluation.other_origin import OtherOrigin
from deepemo.files import write_json, write_text
from deepemo.params import VoiceDecision
from deepemo.serving.confidence import PredictorRecord, VoiceRecord

BUNDLE_FILE = Path("serving/bundle.json")
CARD_FILE = Path("serving/model_card.md")


class ClipLimits(Record):
    """Limits on the clips of the run, which are also the limits on recordings to recognize.

    Attributes:
        min_seconds: shortest recording.
        silent_below_dbfs: RMS of the whole recording below which it is silent.
    """

    min_seconds: float
    silent_below_dbfs: float


class Part(Record):
    """A trained network.

    Attributes:
        kind: its model family.
        description: of the network, in words.
        settings: of the network.
        features: description of its front end.
        parameters: number of its parameters.
        weights_sha256: digest of its weights.
        about_sha256: digest of its `model.json`.
        trained_on: fingerprint of the clips it learned from.
        seed: of its training.
    """

    kind: str
    description: str
    settings: dict[str, Any]
    features: dict[str, Any]
    parameters: int
    weights_sha256: str
    about_sha256: str
    trained_on: dict[str, Any]
    seed: int


class GateRecord(BaseModel):
    """Content of the voice gate's metrics: its decision, and its error rates in further fields."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    decision: VoiceDecision


class CorpusRecord(Record):
    """A corpus of the run, with the digest of its recordings if its provenance is recorded."""

    name: str
    title: str
    language: str
    licence: str
    recordings: int | None
    sha256: str | None


class Bundle(Record):
    """The record of a run.

    Attributes:
        format: of this file.
        revision: of the code of the run, see `git_revision`.
        versions: of packages, by name.
        params: of the run, without folders of its machine.
        emotions: names, in the order of the networks' outputs.
        clips: fingerprints of the contents of all clips of the split, and of the clips of each role.
        corpora: of the clips.
        parts: the networks, by the folder that holds each.
        predictors: by name.
        voice: how recordings of known voices are answered; None if no network takes a reference.
        default: name of the predictor that validation chose.
        gate: decision and error rates of the voice gate.
        limits: of recordings.
        figures: content of the evaluation's metrics.
    """

    format: Literal[3]
    revision: str
    versions: dict[str, str]
    params: dict[str, Any]
    emotions: Annotated[Emotions, Field(strict=False)]
    clips: dict[str, dict[str, Any]]
    corpora: list[CorpusRecord]
    parts: dict[str, Part]
    predictors: dict[str, PredictorRecord]
    voice: VoiceRecord | None = None
    default: str
    gate: GateRecord
    limits: ClipLimits
    figures: dict[str, Any]

    def predictor(self, name: str | None) -> tuple[str, PredictorRecord]:
        """Name and record of a predictor; None names the default one.

        Raises:
            InputError: there is none of that name.
        """
        name = self.default if name is None else name
        if name not in self.predictors:
            raise InputError(f"Bad model {name!r}, expected one of {list(self.predictors)}")
        return name, self.predictors[name]

    def voice_for(self, name: str) -> VoiceRecord | None:
        """How recordings of known voices are answered in place of a predictor; None if it takes no references.

        The default predictor takes references if the run has a network that does; others do if that network is part of
        them. If validation gave that network no weight, none does, because a reference would change nothing.
        """
        if self.voice is None or self.voice.part not in self.voice.parts:
            return None
        if name != self.default and self.voice.part not in self.predictors[name].parts:
            return None
        return self.voice


def write_bundle(models: Path, bundle: Bundle, card: str) -> None:
    """Write the model card and then the bundle into a folder of models, so that a bundle always has its card."""
    write_text(models / CARD_FILE, card)
    write_json(models / BUNDLE_FILE, bundle.model_dump())


def calibration_digest(
    parts: Mapping[str, Part],
    names: Sequence[str],
    weights: Sequence[float],
    *calibrations: Confidence | OtherOrigin | None,
) -> str:
    """Digest of calibrations and of what they were fitted on: each network's weights, and its weight in the mean."""
    fitted_on = [[name, parts[name].weights_sha256, weight] for name, weight in zip(names, weights, strict=True)]
    fitted = [calibration.model_dump() for calibration in calibrations if calibration is not None]
    content = json.dumps([fitted_on, *fitted], sort_keys=True, allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()
