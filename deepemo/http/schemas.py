"""Responses of the API, in addition to the results of the library."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from deepemo.emotions import EMOTIONS, Emotions
from deepemo.http.picture import Picture
from deepemo.serving.results import Reason, Recognition, RecordingInfo, Value
from deepemo.serving.voice import VoiceJson

_SHARES = {
    "angry": 0.022, "disgust": 0.009, "fear": 0.031, "happy": 0.842, "neutral": 0.051, "sad": 0.007, "surprise": 0.038,
}  # fmt: skip
_RECORDING: JsonDict = {
    "seconds": 2.8,
    "rate_hz": 48000,
    "channels": 1,
    "channel": None,
    "container": "WAV",
    "rms_dbfs": -24.1,
    "voice_share": 0.81,
    "voice_seconds": 1.92,
    "remarks": [],
}
_RECOGNITION: JsonDict = {
    "answer": "unknown",
    "reason": None,
    "explanation": None,
    "detail": None,
    "confidence": None,
    "probabilities": None,
    "recording": _RECORDING,
    "timeline": None,
    "model": "known_voice",
    "voice": {"recordings": 10, "used": True, "reason": None},
    "picture": None,
}


def example_of(emotions: Emotions) -> JsonDict:
    """An answer of a model that tells these emotions apart."""
    likely = {emotion: _SHARES[emotion] for emotion in emotions}
    total = sum(likely.values())
    probabilities = {emotion: round(share / total, 3) for emotion, share in likely.items()}
    answer = max(probabilities, key=lambda emotion: probabilities[emotion])
    return {**_RECOGNITION, "answer": answer, "confidence": probabilities[answer], "probabilities": {**probabilities}}


def example_of_each(emotions: Emotions) -> JsonDict:
    """Answers to the two channels of a recording, of a model that tells these emotions apart."""
    spoken = {**_RECORDING, "channels": 2, "channel": 1}
    silent = {**spoken, "channel": 2, "rms_dbfs": -82.5, "voice_share": None, "voice_seconds": None}
    other = {**_RECOGNITION, "voice": None, "model": "ensemble"}
    reason = {"reason": Reason.SILENT, "explanation": Reason.SILENT.explanation}
    detail = {"detail": "-83 dBFS, expected at least -75 dBFS"}
    first = {**example_of(emotions), "recording": spoken, "voice": None, "model": "ensemble"}
    return {"recognitions": [first, {**other, **reason, **detail, "recording": silent}]}


_PROBLEM: JsonDict = {
    "type": "urn:deepemo:problem:undecodable",
    "title": "The upload is not a sound file that can be read",
    "status": 422,
    "reason": "undecodable",
    "detail": "recording: not a sound file: Format not recognised.",
}


_VOICE: JsonDict = {
    "format": "deepemo-voice-1",
    "recordings": 10,
    "deviation": 0.71,
    "weights_sha256": "0" * 64,
    "mean": "AACAPwAAAD8=",
}


class RecognitionResponse(Recognition):
    """The answer to one recording that could be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [example_of(EMOTIONS)]})

    reason: Literal[Reason.TOO_SHORT, Reason.SILENT, Reason.NO_VOICE, Reason.UNSURE] | None
    """Why the answer is `unknown`; null otherwise."""
    recording: RecordingInfo
    """The recording as it was received."""
    picture: Picture | None
    """Waveform and spectrogram, if asked for."""

    @classmethod
    def of(cls, recognition: Recognition, picture: Picture | None) -> Self:
        """A recognition with its picture."""
        return cls.model_validate({**dict(recognition), "picture": picture})


class ChannelsResponse(Value):
    """The answers to each channel of a recording, asked for by `channel=each`."""

    model_config = ConfigDict(json_schema_extra={"examples": [example_of_each(EMOTIONS)]})

    recognitions: Annotated[tuple[RecognitionResponse, ...], Field(min_length=1)]
    """One for each channel, in their order, with its number in `recording.channel`; a mono file has one."""

    @classmethod
    def of(cls, answers: Iterable[tuple[Recognition, Picture | None]]) -> Self:
        """Recognitions with their pictures."""
        return cls(recognitions=tuple(RecognitionResponse.of(*answer) for answer in answers))


class ProblemResponse(BaseModel):
    """Problem details, RFC 9457; `reason` is stable, `detail` is for people."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PROBLEM]})

    type: str
    title: str
    status: int
    reason: str
    detail: str | None = None


class CorpusResponse(BaseModel):
    """A corpus that the model was trained on."""

    name: str
    title: str
    language: str
    licence: str


class VoiceResponse(VoiceJson):
    """A reference of a voice, which the client keeps and sends with further recordings of the voice.

    It describes how somebody sounds, and can be used to tell this voice from others. The server does not keep it.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_VOICE]})


class ServerLimits(BaseModel):
    """What this server accepts."""

    max_upload_bytes: int = Field(description="Largest size of all recordings of a request together")
    max_seconds: float
    min_seconds: float = Field(description="A shorter recording is answered `unknown`, `too_short`")
    voice_recordings: int = Field(description="Most recordings in a request for a reference; 0 if the model takes none")
    silent_below_dbfs: float = Field(description="A recording with a lower RMS is answered `unknown`, `silent`")


class ModelResponse(BaseModel):
    """The model that answers, and where it comes from."""

    model: str
    version: str | None
    revision: str | None = Field(description="Revision of the code of the pipeline run, as in the model card")
    emotions: list[str]
    parts: list[dict[str, Any]] = Field(description="The networks: settings, weights' sha256, clips learned from")
    features: dict[str, Any] = Field(description="How the model's input is computed from samples")
    origin: Literal["heard", "other"] = Field(
        description="Origin of the recordings that it is set to answer: the corpora that it learned from, or any other"
    )
    calibration: dict[str, Any] = Field(
        description="For that origin: temperature, and the probability from which an answer is given"
    )
    calibrations: dict[str, Any] = Field(description="For each origin; null where the run could not fit one")
    gate: dict[str, Any] = Field(
        description="How it is decided whether somebody speaks, and how often that is wrong, with the second opinion "
        "of `speech` (which not every predictor has) and without"
    )
    corpora: list[CorpusResponse]
    clips: dict[str, Any] = Field(description="Fingerprints of the run's clips: of all contents, and by role")
    params: dict[str, Any] = Field(description="Params of the pipeline run")
    versions: dict[str, str] = Field(description="Versions of packages in the pipeline run")
    figures: dict[str, Any] = Field(
        description="On speakers heard, speakers never heard and corpora never heard (`left_out_corpora`, or why they "
        "are not known), and those of chance and of the most frequent emotion"
    )
    expectation: str = Field(description="How often it is right on a recording of your own, in words")
    voice: dict[str, Any] | None = Field(
        description="How recordings are answered with a reference of the voice, when one is not used, and figures by "
        "the number of recordings in it; null if the model takes no references"
    )
    limits: list[str] = Field(description="What it cannot do and must not be used for")
    accepts: ServerLimits
    has_card: bool = Field(description="Whether `/v1/model/card` holds a model card")


class HealthResponse(BaseModel):
    """Whether the server is alive, or ready."""

    status: Literal["ok"]
