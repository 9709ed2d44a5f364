"""The bundle `models/serving/bundle.json`: all that serving needs to know of the run that made the models.

`evaluate` writes it beside the model card; serving reads the bundle and the networks it names, and nothing outside the
folder of models, so that a copied or moved folder gives the same answers with the same lineage. This module imports no
TensorFlow: what is missing is said at once.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.files import read_json, write_json, write_text
from deepemo.models.family import ABOUT_FILE, WEIGHTS_FILE
from deepemo.params import VoiceDecision
from deepemo.serving.confidence import (
    Calibration,
    Origin,
    OtherOriginCalibration,
    PredictorRecord,
    Record,
    VoiceRecord,
    when_sure,
)

BUNDLE_FILE = Path("serving/bundle.json")
CARD_FILE = Path("serving/model_card.md")
EXPECTED = "the record of a finished pipeline run; `dvc repro` makes one"

CAUTIONS = (
    "It judges how speech sounds, not what is said, and knows seven emotions played by actors; real feelings are "
    "mixed, quieter, and often none of the seven.",
    "It does worse on voices, languages, ages, rooms and microphones unlike those it learned from, and so on "
    "recordings of your own: expect its figure on corpora never heard, not that on voices never heard.",
    "A probability says how often such answers were right on clips that did not train the model, not how strong a "
    "feeling is.",
    "It is not fit to judge people: not for hiring, policing, schools, insurance, health or any decision about "
    "somebody. In the European Union, inferring emotions at work and in education is prohibited (AI Act, article 5).",
)


# Of all predictors; the last one says why no corpus was left out, if none was.
_COMMON_FIGURES = ("chance", "majority", "left_out_corpora")


class ClipLimits(Record):
    """Limits by which the run sorted its own clips, and so those of recordings that are answered.

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


class _GateDecision(Record):
    threshold: float
    min_share: float
    min_seconds: float


class GateRecord(BaseModel):
    """Content of the voice gate's metrics: its decision, and its error rates in further fields."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    decision: _GateDecision


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

    @property
    def voice_decision(self) -> VoiceDecision:
        """The voice gate's decision."""
        decision = self.gate.decision
        return VoiceDecision(
            voice_threshold=decision.threshold,
            min_voice_share=decision.min_share,
            min_voice_seconds=decision.min_seconds,
        )

    def expectation(self, name: str, origin: Origin | None = None) -> str:
        """How often a predictor names a recording of somebody's own rightly, in words.

        That is its figure on corpora never heard. Where the run has none, the words say so and why.

        Args:
            name: of the predictor.
            origin: whose confidence decides when it answers; by default as `PredictorRecord.default_origin`.
        """
        own = self.figures.get(name, {}).get("left_out_corpora")
        if own is None:
            why = self.figures.get("left_out_corpora", {}).get("not_asked", f"{name} was not trained without a corpus")
            return (
                "How often it is right on recordings of other origin, as yours are, is not known "
                f"({why}); expect less than on voices never heard."
            )
        record = self.predictors[name]
        absent = [part for part in record.parts if "left_out_corpora" not in self.figures.get(part, {})]
        without = f", {' and '.join(absent)} taking no part" if absent else ""
        return (
            f"Of recordings of other origin, as yours are, expect {own['accuracy']:.0%} to be named rightly (UAR "
            f"{own['uar']:.0%}): the mean over {own['corpora']} corpora, each named by models that learned from the "
            f"others alone{without}.{when_sure(record.other_origin, origin or record.default_origin)}"
        )

    def describe(self, name: str | None = None, origin: Origin | None = None) -> dict[str, Any]:
        """What a predictor is and where it comes from, as JSON values for people and programs.

        Args:
            name: of the predictor; by default the one that answers by default.
            origin: of the recordings that it is to answer; by default as `PredictorRecord.default_origin`.

        Raises:
            InputError: there is none of that name, or no confidence for that origin.
        """
        name, record = self.predictor(name)
        parts = [{"name": part, **self.parts[part].model_dump()} for part in record.parts]
        return {
            "model": name,
            "version": _package_version(),
            "revision": self.revision,
            "emotions": self.emotions,
            "parts": parts,
            "features": parts[0]["features"],
            "origin": (origin or record.default_origin).value,
            "calibration": record.calibration_for(origin).model_dump(),
            "calibrations": {
                Origin.HEARD.value: record.calibration.model_dump(),
                Origin.OTHER.value: record.other_origin.model_dump() if record.other_origin else None,
            },
            "gate": self.gate.model_dump(),
            "corpora": [corpus.model_dump() for corpus in self.corpora],
            "clips": self.clips,
            "figures": {key: self.figures[key] for key in (name, *_COMMON_FIGURES) if key in self.figures},
            "expectation": self.expectation(name, origin),
            "params": self.params,
            "versions": self.versions,
            "limits": list(CAUTIONS),
        }


def write_bundle(models: Path, bundle: Bundle, card: str) -> None:
    """Write a bundle and the model card into a folder of models; the bundle comes last, so that it has its card."""
    write_text(models / CARD_FILE, card)
    write_json(models / BUNDLE_FILE, bundle.model_dump())


def read_bundle(models: Path) -> Bundle:
    """Read the bundle of a folder of models.

    Raises:
        InputError: there is none, or it is not one of this version of the software.
    """
    path = models / BUNDLE_FILE
    content = read_json(path, expected=EXPECTED)
    try:
        bundle = Bundle.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise InputError(f"{path}: {key}: {problem['msg']}, expected {EXPECTED}") from error
    if bundle.emotions != list(EMOTIONS):
        raise InputError(f"{path}: emotions: found {bundle.emotions}, expected {list(EMOTIONS)}")
    unequal = [name for name, record in bundle.predictors.items() if len(record.parts) != len(record.weights)]
    if unequal:
        raise InputError(f"{path}: predictors: found other numbers of parts and weights in {unequal}, expected equal")
    unknown = {part for record in bundle.predictors.values() for part in record.parts} - set(bundle.parts)
    if unknown or bundle.default not in bundle.predictors:
        raise InputError(f"{path}: found no record of {sorted(unknown) or bundle.default}, expected {EXPECTED}")
    for name, record in bundle.predictors.items():
        found = calibration_digest(bundle.parts, record.parts, record.weights, record.calibration, record.other_origin)
        if found != record.calibrated_sha256:
            raise InputError(
                f"{path}: predictors.{name}: found a calibration with the digest {found[:12]}..., expected "
                f"{record.calibrated_sha256[:12]}...: it was not fitted on these networks; run evaluate again"
            )
    return bundle


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


def check_parts(models: Path, bundle: Bundle, parts: Iterable[str]) -> None:
    """Check that networks are those that were evaluated.

    Args:
        models: folder of models.
        bundle: its bundle.
        parts: names of the networks to check.

    Raises:
        InputError: a file is missing, or its digest is not the recorded one.
    """
    for name in parts:
        part = bundle.parts[name]
        for file, recorded in ((WEIGHTS_FILE, part.weights_sha256), (ABOUT_FILE, part.about_sha256)):
            path = models / name / file
            if not path.is_file():
                raise InputError(f"{path}: no such file, expected the network that {models / BUNDLE_FILE} names")
            found = file_sha256(path)
            if found != recorded:
                raise InputError(
                    f"{path}: found sha256 {found[:12]}..., expected {recorded[:12]}... as recorded in "
                    f"{models / BUNDLE_FILE}: the network was changed after its evaluation; run evaluate again"
                )


def read_card(models: Path) -> str | None:
    """The model card in a folder of models, if there is one."""
    path = models / CARD_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else None


def file_sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _package_version() -> str | None:
    try:
        return version("deepemo")
    except PackageNotFoundError:
        return None
