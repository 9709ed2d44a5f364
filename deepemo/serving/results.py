"""What a recognizer answers, as plain values."""

from dataclasses import dataclass
from typing import Any

from deepemo.audio.io.decode import Remark
from deepemo.serving.reasons import UNKNOWN, WORDS

PROBABILITY_DIGITS = 6
SECONDS_DIGITS = 3

Probabilities = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The recording as it came.

    Attributes:
        seconds: duration.
        rate_hz: native sample rate.
        channels: number of channels before mixing down.
        channel: which one alone was heard, the first being 0; None for their mix.
        container: name of its container, such as `WAV`; `samples` if it came as an array.
        rms_dbfs: level of what was heard; a full-scale sine has -3.01 dBFS.
        voice_share: share of the 32 ms frames that count as speech; None if nobody listened for it.
        voice_seconds: longest run of such frames; None likewise.
        remarks: what is to be said of it, at most one of a kind.
    """

    seconds: float
    rate_hz: int
    channels: int
    container: str
    rms_dbfs: float
    voice_share: float | None = None
    voice_seconds: float | None = None
    channel: int | None = None
    remarks: tuple[Remark, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "seconds": round(self.seconds, SECONDS_DIGITS),
            "rate_hz": self.rate_hz,
            "channels": self.channels,
            "channel": None if self.channel is None else self.channel + 1,
            "container": self.container,
            "rms_dbfs": round(self.rms_dbfs, 1),
            "voice_share": None if self.voice_share is None else round(self.voice_share, 3),
            "voice_seconds": None if self.voice_seconds is None else round(self.voice_seconds, SECONDS_DIGITS),
            "remarks": [
                {"remark": remark.name, "explanation": remark.explanation, "detail": remark.detail}
                for remark in self.remarks
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of a recording with an answer of its own: a window, or a segment of joined answers.

    Attributes:
        start_seconds: from the start of the recording.
        end_seconds: likewise.
        answer: one of the seven emotions, or `unknown`.
        reason: why it is unknown, else None.
        probabilities: by emotion; None if no voice was heard in it.
    """

    start_seconds: float
    end_seconds: float
    answer: str
    reason: str | None
    probabilities: Probabilities | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "start_seconds": round(self.start_seconds, SECONDS_DIGITS),
            "end_seconds": round(self.end_seconds, SECONDS_DIGITS),
            "answer": self.answer,
            "reason": self.reason,
            "confidence": _confidence(self.probabilities),
            "probabilities": _rounded(self.probabilities),
        }


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """How the answer changes over a recording longer than a clip.

    Attributes:
        window_seconds: length of the windows.
        hop_seconds: from the start of one window to the next.
        windows: one a hop, overlapping.
        segments: neighbouring stretches with the same answer joined; they cover the recording without a gap.
    """

    window_seconds: float
    hop_seconds: float
    windows: tuple[Span, ...]
    segments: tuple[Span, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "window_seconds": round(self.window_seconds, SECONDS_DIGITS),
            "hop_seconds": self.hop_seconds,
            "windows": [window.to_dict() for window in self.windows],
            "segments": [segment.to_dict() for segment in self.segments],
        }


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """The answer to one recording.

    Attributes:
        answer: one of the seven emotions, or `unknown`.
        reason: why it is unknown, one of `reasons.REASONS`; else None.
        detail: what was found, where the reason alone does not say it.
        probabilities: calibrated, by emotion; None if nothing could be asked of the model.
        heard: the recording as it came; None if it could not be read.
        timeline: for a recording longer than a clip, if asked for.
        model: which model answered.
    """

    answer: str
    reason: str | None = None
    detail: str | None = None
    probabilities: Probabilities | None = None
    heard: Heard | None = None
    timeline: Timeline | None = None
    model: str

    @property
    def confidence(self) -> float | None:
        """Probability of the likeliest emotion."""
        return _confidence(self.probabilities)

    @property
    def explanation(self) -> str | None:
        """The reason in words; None for an emotion."""
        return None if self.reason is None else WORDS[self.reason]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "answer": self.answer,
            "reason": self.reason,
            "explanation": self.explanation,
            "detail": self.detail,
            "confidence": self.confidence,
            "probabilities": _rounded(self.probabilities),
            "recording": None if self.heard is None else self.heard.to_dict(),
            "timeline": None if self.timeline is None else self.timeline.to_dict(),
            "model": self.model,
        }


def unknown(reason: str, *, model: str, detail: str | None = None, heard: Heard | None = None) -> Recognition:
    """An answer without probabilities."""
    return Recognition(answer=UNKNOWN, reason=reason, detail=detail, heard=heard, model=model)


def _confidence(probabilities: Probabilities | None) -> float | None:
    return None if probabilities is None else round(max(probabilities.values()), PROBABILITY_DIGITS)


def _rounded(probabilities: Probabilities | None) -> Probabilities | None:
    if probabilities is None:
        return None
    return {emotion: round(value, PROBABILITY_DIGITS) for emotion, value in probabilities.items()}
