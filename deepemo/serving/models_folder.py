"""Read the folder of models of a finished run, and check that its bundle is consistent and its networks are unchanged.

This module imports no TensorFlow, so that missing files are reported at once.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from deepemo.emotions import recorded_emotions
from deepemo.errors import InputError, first_problem
from deepemo.files import file_sha256, read_json
from deepemo.models.family import ABOUT_FILE, WEIGHTS_FILE
from deepemo.serving.bundle import BUNDLE_FILE, CARD_FILE, Bundle, calibration_digest
from deepemo.serving.confidence import PredictorRecord, VoiceRecord

EXPECTED = "the record of a finished pipeline run; `dvc repro` makes one"


def read_bundle(models: Path) -> Bundle:
    """Read the bundle of a folder of models.

    Raises:
        InputError: there is no bundle, or it is not one of this version of the software.
    """
    path = models / BUNDLE_FILE
    content = read_json(path, expected=EXPECTED)
    try:
        bundle = Bundle.model_validate(content)
    except ValidationError as error:
        problem = first_problem(error, whole="the whole file")
        raise InputError(f"{path}: {problem}, expected {EXPECTED}") from error
    recorded_emotions(list(bundle.emotions), source=str(path))
    means: dict[str, PredictorRecord | VoiceRecord] = {
        f"predictors.{key}": bundle.predictors[key] for key in bundle.predictors
    }
    if bundle.voice is not None:
        means["voice"] = bundle.voice
    unequal = [key for key, record in means.items() if len(record.parts) != len(record.weights)]
    if unequal:
        raise InputError(f"{path}: found other numbers of parts and weights in {unequal}, expected equal")
    named = {part for record in means.values() for part in record.parts}
    unknown = (named if bundle.voice is None else named | {bundle.voice.part}) - set(bundle.parts)
    if unknown or bundle.default not in bundle.predictors:
        raise InputError(f"{path}: found no record of {sorted(unknown) or bundle.default}, expected {EXPECTED}")
    for key, record in means.items():
        other = record.other_origin if isinstance(record, PredictorRecord) else None
        found = calibration_digest(bundle.parts, record.parts, record.weights, record.calibration, other)
        if found != record.calibrated_sha256:
            raise InputError(
                f"{path}: {key}: found a calibration with the digest {found[:12]}..., expected "
                f"{record.calibrated_sha256[:12]}...: it was not fitted on these networks; run evaluate again"
            )
    return bundle


def check_parts(models: Path, bundle: Bundle, parts: Iterable[str]) -> None:
    """Check that networks are the ones that were evaluated.

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
