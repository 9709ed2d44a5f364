"""The bundle `models/serving/bundle.json`: all that serving needs to know of the run that made the models.

`evaluate` writes it beside the model card; serving reads the bundle and the networks it names (`models_folder`), and
nothing outside the folder of models, so that a copied or moved folder gives the same answers with the same lineage.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from deepemo.errors import InputError
from deepemo.files import write_json, write_text
from deepemo.params import VoiceDecision

BUNDLE_FILE = Path("serving/bundle.json")
CARD_FILE = Path("serving/model_card.md")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClipLimits(_Record):
    """Limits by which the run sorted its own clips, and so those of recordings that are answered.

    Attributes:
        min_seconds: shortest recording.
        silent_below_dbfs: RMS of the whole recording below which it is silent.
    """

    min_seconds: float
    silent_below_dbfs: float


class Part(_Record):
    """A trained network.

    Attributes:
        kind: its model family.
        description: of the network, in words.
        settings: of the network.
        features: description of its front end.
        parameters: how many it has.
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


class Calibration(_Record):
    """A predictor's confidence, see `deepemo.evaluation.confidence.Confidence`."""

    temperature: float
    threshold: float
    wanted_accuracy: float
    validation: dict[str, float | None]
    fitted_on: dict[str, Any]


class OtherOriginCalibration(_Record):
    """The same for recordings of other origin, see `deepemo.evaluation.other_origin.OtherOrigin`."""

    temperature: float
    threshold: float
    reached: bool
    wanted_accuracy: float
    left_out: dict[str, float | None]
    tested: dict[str, dict[str, float | None]]
    tested_overall: dict[str, float | None] | None
    by_validation: dict[str, float | None]
    fitted_on: dict[str, Any]


class Origin(StrEnum):
    """Where recordings come from: the corpora that the models learned from, or anywhere else."""

    HEARD = "heard"
    OTHER = "other"

    @classmethod
    def of(cls, name: str) -> Self:
        """The origin of a name.

        Raises:
            InputError: there is none.
        """
        if name not in [origin.value for origin in cls]:
            raise InputError(f"Bad origin {name!r}, expected one of {[origin.value for origin in cls]}")
        return cls(name)


class PredictorRecord(_Record):
    """A predictor: the networks whose weighted mean it is, and how its probabilities become a confidence.

    Attributes:
        parts: names of the networks.
        weights: of each; together 1.
        calibration: fitted on validation clips, which are of the corpora that it learned from.
        other_origin: fitted on corpora that were left out of training; None if none was, or not for this predictor.
        calibrated_sha256: digest of the networks and weights that both were fitted on, see `calibration_digest`.
    """

    parts: list[str]
    weights: list[float]
    calibration: Calibration
    calibrated_sha256: str
    other_origin: OtherOriginCalibration | None = None

    @property
    def default_origin(self) -> Origin:
        """Recordings are taken to be of other origin, as those of users are, if there is a confidence for that."""
        return Origin.HEARD if self.other_origin is None else Origin.OTHER

    def calibration_for(self, origin: Origin | None) -> Calibration | OtherOriginCalibration:
        """Temperature and threshold for recordings of an origin; None for the default one.

        Raises:
            InputError: the run has none for recordings of other origin.
        """
        if (origin or self.default_origin) is Origin.HEARD:
            return self.calibration
        if self.other_origin is None:
            raise InputError(
                f"Bad origin {Origin.OTHER.value!r}, expected {Origin.HEARD.value!r}: this model was not judged on "
                "corpora left out of training"
            )
        return self.other_origin


class VoiceRecord(_Record):
    """How recordings are answered whose voice is known from others of it, see `deepemo.models.voice`.

    Attributes:
        part: the network that hears the difference; its probabilities take the place of those it gives a clip alone.
        parts: the networks whose weighted mean answers, `part` among them.
        weights: of each; together 1.
        calibration: of the mean, fitted on validation clips, each with all others of its voice as reference.
        calibrated_sha256: see `calibration_digest`.
        least_recordings: a reference of fewer is not used.
        least_deviation: RMS distance of a reference's recordings from their mean, below which they are too much alike.
        figures: of unseen speakers by the number of recordings in the reference, "0", "3", "10" and "all".
    """

    part: str
    parts: list[str]
    weights: list[float]
    calibration: Calibration
    calibrated_sha256: str
    least_recordings: int
    least_deviation: float
    figures: dict[str, Any]


class _GateDecision(_Record):
    threshold: float
    min_share: float
    min_seconds: float


class GateRecord(BaseModel):
    """Content of the voice gate's metrics: its decision, and its error rates in further fields."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    decision: _GateDecision


class CorpusRecord(_Record):
    """A corpus of the run, with the digest of its recordings if its provenance is recorded."""

    name: str
    title: str
    language: str
    licence: str
    recordings: int | None
    sha256: str | None


class Bundle(_Record):
    """The record of a run.

    Attributes:
        format: of this file.
        revision: of the code of the run, see `git_revision`.
        versions: of packages, by name.
        params: of the run, without folders of its machine.
        emotions: names, in the order of the networks' outputs.
        clips: fingerprints: of the contents of all clips of the split, and of the clips of each role.
        corpora: that the clips come from.
        parts: the networks, by the folder that holds each.
        predictors: by name.
        voice: how recordings are answered whose voice is known; None if no network takes a reference.
        default: name of the predictor that validation chose.
        gate: of the voice gate.
        limits: of recordings.
        figures: content of the evaluation's metrics.
    """

    format: Literal[2]
    revision: str
    versions: dict[str, str]
    params: dict[str, Any]
    emotions: list[str]
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

        The default predictor takes them if the run has a network that does, others if that network is part of them.
        """
        if self.voice is None or (name != self.default and self.voice.part not in self.predictors[name].parts):
            return None
        return self.voice

    @property
    def voice_decision(self) -> VoiceDecision:
        """The voice gate's decision."""
        decision = self.gate.decision
        return VoiceDecision(
            voice_threshold=decision.threshold,
            min_voice_share=decision.min_share,
            min_voice_seconds=decision.min_seconds,
        )


def write_bundle(models: Path, bundle: Bundle, card: str) -> None:
    """Write a bundle and the model card into a folder of models; the bundle comes last, so that it has its card."""
    write_text(models / CARD_FILE, card)
    write_json(models / BUNDLE_FILE, bundle.model_dump())


def calibration_digest(
    parts: Mapping[str, Part],
    names: Sequence[str],
    weights: Sequence[float],
    *calibrations: Calibration | OtherOriginCalibration | None,
) -> str:
    """Digest of calibrations and of what they were fitted on: each network's weights, and its weight in the mean."""
    fitted_on = [[name, parts[name].weights_sha256, weight] for name, weight in zip(names, weights, strict=True)]
    fitted = [calibration.model_dump() for calibration in calibrations if calibration is not None]
    content = json.dumps([fitted_on, *fitted], sort_keys=True, allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
