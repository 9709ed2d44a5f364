"""The results of a recognizer: one set of types for the library, the JSON of the command line, and the API.

Values are exact in Python and rounded in JSON (`to_dict`).
"""

from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

from deepemo.audio.io.decode import REMARKS, Remark
from deepemo.emotions import EMOTIONS

UNKNOWN = "unknown"
PROBABILITY_DIGITS = 6
SECONDS_DIGITS = 3


class Reason(StrEnum):
    """Why an answer is `unknown`."""

    UNDECODABLE = "undecodable"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    NO_VOICE = "no_voice"
    UNSURE = "unsure"

    @property
    def explanation(self) -> str:
        """The reason in words."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    Reason.UNDECODABLE: "This is not a sound file that can be read.",
    Reason.TOO_LONG: "The recording is longer than is accepted.",
    Reason.TOO_SHORT: "The recording is too short to hear how somebody feels.",
    Reason.SILENT: "The recording is silent.",
    Reason.NO_VOICE: "No human voice is heard in the recording.",
    Reason.UNSURE: "A voice is heard, but no emotion stands out enough for an answer.",
}
# The recording could not be read. With the other reasons it was read, and no emotion was recognized.
UNREADABLE = frozenset({Reason.UNDECODABLE, Reason.TOO_LONG})


def _round_all(probabilities: dict[str, float]) -> dict[str, float]:
    return {emotion: round(value, PROBABILITY_DIGITS) for emotion, value in probabilities.items()}


_Share = Annotated[float, Field(ge=0, le=1)]
_Duration = Annotated[float, Field(ge=0)]
# The seven; a model may tell apart only some of them.
Answer = Annotated[str, Field(json_schema_extra={"enum": [*EMOTIONS, UNKNOWN]})]
Seconds = Annotated[float, Field(ge=0), PlainSerializer(partial(round, ndigits=SECONDS_DIGITS), return_type=_Duration)]
Probabilities = Annotated[
    dict[str, float],
    PlainSerializer(_round_all, return_type=dict[str, float]),
    WithJsonSchema(
        {
            "type": "object",
            "description": "Calibrated probability of each emotion that the model tells apart; together 1.",
            "properties": {emotion: {"type": "number", "minimum": 0, "maximum": 1} for emotion in EMOTIONS},
        }
    ),
]


class Value(BaseModel):
    """A value that does not change once it is made."""

    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, rounded."""
        return self.model_dump(mode="json")


class RecordingRemark(Value):
    """A remark on a recording that was still recognized."""

    remark: Annotated[str, Field(json_schema_extra={"enum": list(REMARKS)})]
    """Its name."""
    explanation: str
    """The remark in words."""
    detail: str
    """What was found."""

    @classmethod
    def of(cls, remark: Remark) -> Self:
        """From a remark of the reader of recordings."""
        return cls(remark=remark.name, explanation=remark.explanation, detail=remark.detail)


class RecordingInfo(Value):
    """The recording as it was received."""

    seconds: Seconds
    """Duration."""
    rate_hz: int
    """Native sample rate."""
    channels: int
    """Number of channels before they are mixed."""
    channel: (
        Annotated[int, PlainSerializer(lambda index: index + 1, return_type=Annotated[int, Field(ge=1)])] | None
    ) = None
    """The only channel that was used; null for the mix of all. The first is 1 in JSON, and 0 in Python."""
    container: str
    """Format of the file, such as `WAV`; `samples` for an array."""
    rms_dbfs: Annotated[float, PlainSerializer(partial(round, ndigits=1), return_type=float)]
    """Level of the samples that were used; a full-scale sine has -3.01 dBFS."""
    voice_share: Annotated[_Share, PlainSerializer(partial(round, ndigits=3), return_type=_Share)] | None = None
    """Share of 32 ms frames that count as speech; null if speech was not looked for."""
    voice_seconds: Seconds | None = None
    """Longest run of such frames; null if speech was not looked for."""
    remarks: tuple[RecordingRemark, ...] = ()
    """Remarks on it, at most one of each name."""


class Span(Value):
    """A stretch of a recording with an answer of its own: a window, or a segment of joined windows."""

    start_seconds: Seconds
    """From the start of the recording."""
    end_seconds: Seconds
    """From the start of the recording."""
    answer: Answer
    """One of the emotions that the model tells apart, or `unknown`."""
    reason: Reason | None
    """Why the answer is `unknown`; null otherwise."""
    confidence: float | None = None
    """Probability of the likeliest emotion; follows from `probabilities`."""
    probabilities: Probabilities | None
    """Probability of each emotion; null if nobody speaks."""

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:
        return {**values, "confidence": _confidence(values)} if isinstance(values, dict) else values


class Timeline(Value):
    """How the answer changes over a recording that is longer than a clip."""

    window_seconds: Seconds
    """Length of the windows."""
    hop_seconds: float
    """From the start of one window to the start of the next."""
    windows: tuple[Span, ...]
    """Overlapping, one every hop."""
    segments: tuple[Span, ...]
    """Neighbouring stretches with the same answer joined; they cover the recording without a gap."""


class VoiceUse(Value):
    """Whether a recording was compared with others of the same voice."""

    recordings: Annotated[int, Field(ge=0)]
    """Number of recordings in the reference; one longer than a clip counts as its windows that do not overlap."""
    used: bool
    """Whether the reference was used."""
    reason: str | None = None
    """Why it was not used; null otherwise."""


class Recognition(Value):
    """The answer to one recording.

    >>> answer = Recognition(answer="unknown", reason=Reason.SILENT, model="shallow")
    >>> answer.explanation
    'The recording is silent.'
    """

    answer: Answer
    """One of the emotions that the model tells apart, or `unknown`."""
    reason: Reason | None = None
    """Why the answer is `unknown`; null otherwise."""
    explanation: str | None = None
    """The reason in words; follows from `reason`."""
    detail: str | None = None
    """What was found, if the reason alone does not say it."""
    confidence: float | None = None
    """Probability of the likeliest emotion; follows from `probabilities`."""
    probabilities: Probabilities | None = None
    """Probability of each emotion; null if nobody speaks or the model was not run."""
    recording: RecordingInfo | None = None
    """The recording as it was received; null if it could not be read."""
    timeline: Timeline | None = None
    """For a recording longer than a clip, if asked for."""
    model: str
    """Name of the model that answered; `known_voice` with a reference of the voice."""
    voice: VoiceUse | None = None
    """Whether a reference of the voice was used; null if none was given, or there was no speech to judge."""

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        reason = values.get("reason")
        explanation = None if reason is None else Reason(reason).explanation
        return {**values, "explanation": explanation, "confidence": _confidence(values)}


def unknown(
    reason: Reason, *, model: str, detail: str | None = None, recording: RecordingInfo | None = None
) -> Recognition:
    """An answer without probabilities."""
    return Recognition(answer=UNKNOWN, reason=reason, detail=detail, recording=recording, model=model)


def _confidence(values: dict[str, Any]) -> float | None:
    probabilities = values.get("probabilities")
    return None if probabilities is None else round(max(probabilities.values()), PROBABILITY_DIGITS)
