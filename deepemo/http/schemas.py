"""The API's answers as schemas, for OpenAPI and for clients."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from deepemo.serving.reasons import UNKNOWN

Answer = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "unknown"]
Reason = Literal["too_short", "silent", "no_voice", "unsure"]
Remark = Literal["partial", "opposite_polarity", "fewer_channels"]

_RECOGNITION: JsonDict = {
    "answer": "happy",
    "reason": None,
    "explanation": None,
    "detail": None,
    "confidence": 0.842,
    "probabilities": {
        "angry": 0.022,
        "disgust": 0.009,
        "fear": 0.031,
        "happy": 0.842,
        "neutral": 0.051,
        "sad": 0.007,
        "surprise": 0.038,
    },
    "recording": {
        "seconds": 2.8,
        "rate_hz": 48000,
        "channels": 1,
        "channel": None,
        "container": "WAV",
        "rms_dbfs": -24.1,
        "voice_share": 0.81,
        "voice_seconds": 1.92,
        "remarks": [],
    },
    "timeline": None,
    "model": "ensemble",
    "picture": None,
}
_PROBLEM: JsonDict = {
    "type": "urn:deepemo:problem:undecodable",
    "title": "The upload is not a sound file that can be read",
    "status": 422,
    "reason": "undecodable",
    "detail": "recording: not a sound file: Format not recognised.",
}


class Probabilities(BaseModel):
    """Calibrated probability of each emotion; together 1."""

    angry: float = Field(ge=0, le=1)
    disgust: float = Field(ge=0, le=1)
    fear: float = Field(ge=0, le=1)
    happy: float = Field(ge=0, le=1)
    neutral: float = Field(ge=0, le=1)
    sad: float = Field(ge=0, le=1)
    surprise: float = Field(ge=0, le=1)


class RemarkSchema(BaseModel):
    """What is to be said of a recording that was heard all the same."""

    remark: Remark
    explanation: str = Field(description="The remark in words")
    detail: str = Field(description="What was found")


class HeardSchema(BaseModel):
    """The recording as it came."""

    seconds: float = Field(ge=0)
    rate_hz: int
    channels: int
    channel: int | None = Field(ge=1, description="Which one alone was heard, the first being 1; null for their mix")
    container: str
    rms_dbfs: float
    voice_share: float | None = Field(ge=0, le=1, description="Share of 32 ms frames that count as speech")
    voice_seconds: float | None = Field(ge=0, description="Longest run of such frames")
    remarks: list[RemarkSchema]


class SpanSchema(BaseModel):
    """A stretch of the recording with an answer of its own."""

    start_seconds: float
    end_seconds: float
    answer: Answer
    reason: Reason | None
    confidence: float | None
    probabilities: Probabilities | None


class TimelineSchema(BaseModel):
    """How the answer changes over a recording longer than a clip."""

    window_seconds: float
    hop_seconds: float
    windows: list[SpanSchema] = Field(description="Overlapping, one a hop")
    segments: list[SpanSchema] = Field(description="Neighbouring stretches with the same answer joined")


class PictureSchema(BaseModel):
    """The recording drawn in columns of equal width."""

    seconds: float
    columns: int
    bands: int
    min_hz: float
    max_hz: float
    low: list[int] = Field(description="Lowest sample in each column, in thousandths of full scale")
    high: list[int] = Field(description="Highest sample in each column, likewise")
    levels: str = Field(description="Base64 of a byte a band, low bands first, column by column: mel spectrogram")


class RecognitionSchema(BaseModel):
    """The answer to one recording."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RECOGNITION]})

    answer: Answer
    reason: Reason | None = Field(description=f"Why the answer is `{UNKNOWN}`; null otherwise")
    explanation: str | None = Field(description="The reason in words")
    detail: str | None
    confidence: float | None = Field(description="Probability of the likeliest emotion")
    probabilities: Probabilities | None
    recording: HeardSchema
    timeline: TimelineSchema | None
    model: str
    picture: PictureSchema | None


class ProblemSchema(BaseModel):
    """Problem details, RFC 9457; `reason` is stable, `detail` is for people."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROBLEM]})

    type: str
    title: str
    status: int
    reason: str
    detail: str | None = None


class CorpusSchema(BaseModel):
    """A corpus that the model learned from."""

    name: str
    title: str
    language: str
    licence: str


class ServerLimits(BaseModel):
    """What this server accepts."""

    max_upload_bytes: int
    max_seconds: float
    min_seconds: float = Field(description="What is shorter is answered `unknown`, `too_short`")
    silent_below_dbfs: float = Field(description="What is quieter, by its RMS, is answered `unknown`, `silent`")


class ModelSchema(BaseModel):
    """What answers, and where it comes from."""

    model: str
    version: str | None
    revision: str | None = Field(description="Revision of the code of the pipeline run, as in the model card")
    emotions: list[str]
    parts: list[dict[str, Any]] = Field(description="The networks: settings, weights' sha256, clips learned from")
    features: dict[str, Any] = Field(description="From samples to the model's input")
    calibration: dict[str, Any] = Field(description="Temperature, and the probability from which an answer is given")
    gate: dict[str, Any] = Field(
        description="The second model, which hears whether somebody speaks, and how often it errs"
    )
    corpora: list[CorpusSchema]
    clips: dict[str, Any] = Field(description="Fingerprints of the run's clips: of all contents, and by role")
    params: dict[str, Any] = Field(description="Of the pipeline run")
    versions: dict[str, str] = Field(description="Of the packages of the pipeline run")
    figures: dict[str, Any] = Field(description="By test role, beside those of chance and of the most frequent emotion")
    limits: list[str] = Field(description="What it cannot do and must not be used for")
    accepts: ServerLimits
    has_card: bool = Field(description="Whether `/v1/model/card` holds a model card")


class Health(BaseModel):
    """Whether the server is alive, or ready."""

    status: Literal["ok"]
