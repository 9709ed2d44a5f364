"""How a predictor's probabilities become a confidence, for recordings of the corpora it learned from and of any others.

These classes are parts of the bundle, which `evaluate` writes. Like the bundle, they need no TensorFlow.
"""

from enum import StrEnum
from typing import Any, Self

from deepemo.errors import InputError
from deepemo.evaluation.confidence import Confidence, Record
from deepemo.evaluation.other_origin import OtherOrigin


class Origin(StrEnum):
    """Where recordings come from: the corpora that the models learned from, or anywhere else."""

    HEARD = "heard"
    OTHER = "other"

    @classmethod
    def of(cls, name: str) -> Self:
        """The origin of a name.

        Raises:
            InputError: there is no such origin.
        """
        if name not in [origin.value for origin in cls]:
            raise InputError(f"Bad origin {name!r}, expected one of {[origin.value for origin in cls]}")
        return cls(name)


class PredictorRecord(Record):
    """A predictor: the networks whose weighted mean it is, and how its probabilities become a confidence.

    Attributes:
        parts: names of the networks.
        weights: of each; together 1.
        calibration: fitted on validation clips, which are of the corpora that it learned from.
        other_origin: fitted on corpora left out of training; None if no corpus was left out, or not for this predictor.
        calibrated_sha256: digest of the networks and weights that both calibrations were fitted on, see
            `deepemo.serving.bundle.calibration_digest`.
    """

    parts: list[str]
    weights: list[float]
    calibration: Confidence
    calibrated_sha256: str
    other_origin: OtherOrigin | None = None

    @property
    def default_origin(self) -> Origin:
        """Other origin, which users' recordings have, if there is a confidence for it; otherwise heard."""
        return Origin.HEARD if self.other_origin is None else Origin.OTHER

    def calibration_for(self, origin: Origin | None) -> Confidence | OtherOrigin:
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


def when_sure(found: OtherOrigin | None, origin: Origin) -> str:
    """How often answers are right, and how many recordings are answered, with the confidence for an origin."""
    if found is None:
        return ""
    answers = (found.tested_overall or found.left_out) if origin is Origin.OTHER else found.by_validation
    if answers.accuracy is None:
        return ""
    return (
        f" It is sure enough to answer for {answers.coverage:.0%} of them, and {answers.accuracy:.0%} of these answers "
        "are right."
    )


class VoiceRecord(Record):
    """How recordings of known voices are answered, see `deepemo.models.voice`.

    Attributes:
        part: the network that takes references; its probabilities with a reference replace those for a clip alone.
        parts: all networks of the weighted mean, including `part`.
        weights: of each; together 1.
        calibration: of the mean, fitted on validation clips, each with all others of its voice as reference.
        calibrated_sha256: see `deepemo.serving.bundle.calibration_digest`.
        least_recordings: a reference of fewer recordings is not used.
        least_deviation: smallest RMS distance of a reference's recordings from their mean; below it they are too
            similar.
        figures: by test role, and on corpora left out of training; then by the number of recordings in the reference,
            "0", "3", "10" and "all".
    """

    part: str
    parts: list[str]
    weights: list[float]
    calibration: Confidence
    calibrated_sha256: str
    least_recordings: int
    least_deviation: float
    figures: dict[str, Any]
