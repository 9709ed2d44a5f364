"""The recognizer: a recording in, an emotion or an honest `unknown` out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from deepemo.audio.decode import DecodeError, Recording, TooLongError
from deepemo.audio.levels import measure_levels
from deepemo.audio.silero import FRAME_SAMPLES, RATE_HZ
from deepemo.audio.voice import VoiceGate, speech_probabilities
from deepemo.errors import InputError
from deepemo.serving.answers import Heard, Recognition, Timeline, unknown
from deepemo.serving.calibrated import (
    DEFAULT_GATE,
    DEFAULT_LIMITS,
    ClipLimits,
    read_calibration,
    read_gate,
    read_limits,
)
from deepemo.serving.pieces import Piece, cut
from deepemo.serving.reasons import NO_VOICE, SILENT, TOO_LONG, TOO_SHORT, UNDECODABLE
from deepemo.serving.sources import Source, to_mono
from deepemo.serving.timeline import Window, decide, fill_pauses, join_segments, named, to_span

if TYPE_CHECKING:
    from deepemo.audio.spectrogram import FeatureSpec

Floats = npt.NDArray[np.float32]
Predict = Callable[[Floats], npt.NDArray[np.float64]]

FRAMES_A_SECOND = RATE_HZ / FRAME_SAMPLES
HOP_SECONDS = 1.0
SHORTEST_HOP_SECONDS = 0.1
MAX_SECONDS = 3600.0
# Each of which can be asked for in one go.
MOST_CHANNELS = 32
# Somebody who pauses less between two words has not stopped speaking.
LONGEST_BREATH_SECONDS = 2.0
# Windows whose features are in memory at once.
WINDOWS_AT_ONCE = 32
# Of a step of the timeline, for somebody to speak in it: the gate's own limits are for whole clips.
SPOKEN_SHARE = 0.2


class Model(Protocol):
    """What a recognizer needs of a model: `predictor.Predictor` is one."""

    name: str
    spec: FeatureSpec
    threshold: float

    def probabilities(self, features: Floats) -> npt.NDArray[np.float64]:
        """Calibrated probabilities [n, 7] of features [n, frames, bands]."""


class Recognizer:
    """Recognizes emotions in recordings; one instance serves many threads."""

    def __init__(
        self,
        model: Model,
        featurize: Callable[[Floats, int], Floats],
        *,
        gate: VoiceGate = DEFAULT_GATE,
        limits: ClipLimits = DEFAULT_LIMITS,
        predict: Predict | None = None,
    ) -> None:
        """Join the parts.

        Args:
            model: what answers.
            featurize: samples [n] and their rate to features [frames, bands]; `features.Featurizer` in training too.
            gate: hears whether there is a voice.
            limits: of what is long and loud enough to be heard.
            predict: in place of `model.probabilities`, such as one that gathers windows of many callers.
        """
        self.model = model
        self.gate = gate
        self.limits = limits
        self._featurize = featurize
        self._predict = predict or model.probabilities

    @classmethod
    def load(cls, models: Path | str = Path("models"), model: str = "ensemble") -> Self:
        """Load from a finished pipeline run.

        Args:
            models: its folder of models.
            model: `shallow`, `transfer`, or `ensemble` for the mean of both.

        Raises:
            InputError: a file is missing, or does not hold what it should.
        """
        # Before TensorFlow is: what is missing is then said at once.
        read_calibration(Path(models), model)
        gate, limits = read_gate(Path(models)), read_limits(Path(models))
        from deepemo.audio.features import Featurizer
        from deepemo.serving.predictor import Predictor

        predictor = Predictor.load(Path(models), model)
        return cls(predictor, Featurizer(predictor.spec), gate=gate, limits=limits)

    def with_predict(self, predict: Predict) -> Recognizer:
        """The same recognizer, asking this function in place of the model."""
        return Recognizer(self.model, self._featurize, gate=self.gate, limits=self.limits, predict=predict)

    def warm_up(self) -> None:
        """Run everything once, so that the first to ask does not wait for what is made on first use."""
        samples = np.zeros(self.model.spec.clip_samples, dtype=np.float32)
        speech_probabilities(samples, self.model.spec.sample_rate_hz)
        self._predict(self._featurize(samples, self.model.spec.sample_rate_hz)[None])

    def recognize(
        self,
        source: Source,
        rate_hz: int | None = None,
        *,
        timeline: bool = True,
        hop_seconds: float = HOP_SECONDS,
        min_confidence: float | None = None,
        max_seconds: float = MAX_SECONDS,
        channel: int | None = None,
    ) -> Recognition:
        """Say what emotion is heard in a recording.

        A recording that fits into a clip once the silence at its ends is cut is heard whole, as in training. A longer
        one is heard window by window, see `pieces`; its answer rests on the mean over those in which somebody speaks.

        Args:
            source: path or content of a sound file, or float samples [n] or [n, channels], full scale at 1.
            rate_hz: sample rate of samples; for files, their header tells.
            timeline: whether a recording longer than a clip gets one.
            hop_seconds: from one window to the next.
            min_confidence: probability in [0, 1] from which an emotion is answered; by default what `evaluate` chose;
                0 for always.
            max_seconds: longest recording that is read.
            channel: which one to hear, the first being 0; the last one of a recording that has fewer. By default their
                mix, or the loudest one if they cancel one another in it.

        Returns:
            The answer. What cannot be read, heard or told is answered `unknown` with a reason, not raised.

        Raises:
            InputError: an argument is impossible.
            OSError: the path cannot be read.
        """
        if not SHORTEST_HOP_SECONDS <= hop_seconds < math.inf:
            raise InputError(f"Bad hop_seconds {hop_seconds}, expected at least {SHORTEST_HOP_SECONDS}")
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise InputError(f"Bad min_confidence {min_confidence}, expected 0 to 1")
        if not 0 < max_seconds < math.inf:
            raise InputError(f"Bad max_seconds {max_seconds}, expected more than 0")
        if channel is not None and channel < 0:
            raise InputError(f"Bad channel {channel}, expected 0 or more")
        try:
            recording = to_mono(source, rate_hz, max_seconds, channel)
        except TooLongError as error:
            return unknown(TOO_LONG, model=self.model.name, detail=str(error))
        except DecodeError as error:
            return unknown(UNDECODABLE, model=self.model.name, detail=str(error))
        return self.hear(recording, timeline=timeline, hop_seconds=hop_seconds, min_confidence=min_confidence)

    def recognize_each(self, source: Source, rate_hz: int | None = None, **options: Any) -> list[Recognition]:
        """Say what emotion is heard in each channel of a recording, one after the other.

        Args:
            source: as for `recognize`; decoded once a channel, so that memory does not grow with their number.
            rate_hz: likewise.
            options: of `recognize`, without `channel`.

        Returns:
            An answer for each channel; one alone for what cannot be read, or has more than `MOST_CHANNELS`.

        Raises:
            InputError: an argument is impossible.
            OSError: the path cannot be read.
        """
        first = self.recognize(source, rate_hz, channel=0, **options)
        channels = 1 if first.heard is None else first.heard.channels
        if channels > MOST_CHANNELS:
            detail = f"{channels} channels, expected at most {MOST_CHANNELS} if each is to be heard"
            return [unknown(UNDECODABLE, model=self.model.name, detail=detail)]
        return [first, *(self.recognize(source, rate_hz, channel=number, **options) for number in range(1, channels))]

    def hear(
        self, recording: Recording, *, timeline: bool, hop_seconds: float, min_confidence: float | None = None
    ) -> Recognition:
        """Say what emotion is heard in a decoded recording of one channel; arguments as for `recognize`."""
        samples = recording.mono()
        heard = Heard(
            seconds=recording.seconds,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            channel=recording.channel,
            container=recording.container,
            rms_dbfs=measure_levels(samples).rms_dbfs,
            remarks=recording.remarks,
        )
        name = self.model.name
        if recording.seconds < self.limits.min_seconds:
            detail = f"{recording.seconds:.2f} s, expected at least {self.limits.min_seconds:g} s"
            return unknown(TOO_SHORT, model=name, heard=heard, detail=detail)
        if heard.rms_dbfs < self.limits.silent_below_dbfs:
            detail = f"{heard.rms_dbfs:.0f} dBFS, expected at least {self.limits.silent_below_dbfs:g} dBFS"
            return unknown(SILENT, model=name, heard=heard, detail=detail)

        speech = speech_probabilities(samples, recording.rate_hz)  # one a frame of 32 ms
        report = self.gate.judge(speech)
        heard = replace(heard, voice_share=report.share, voice_seconds=report.longest_seconds)
        windows = self._windows(recording, speech, hop_seconds)
        told = [window.probabilities for window in windows if window.probabilities is not None]
        if not told:
            return unknown(NO_VOICE, model=name, heard=heard)

        threshold = self.model.threshold if min_confidence is None else min_confidence
        mean = np.mean(told, axis=0)
        answer, reason = decide(mean, threshold)
        line = None
        if timeline and len(windows) > 1:
            line = self._timeline(windows, speech, recording.seconds, hop_seconds, threshold)
        return Recognition(
            answer=answer,
            reason=reason,
            probabilities=named(mean),
            heard=heard,
            timeline=line,
            model=name,
        )

    def _windows(self, recording: Recording, speech: Floats, hop_seconds: float) -> list[Window]:
        """Windows over a recording, with the model's answer to those in which somebody speaks."""
        pieces = cut(recording, self.model.spec, hop_seconds)
        spoken = [self._is_spoken(speech, piece) for piece in pieces]
        answers = iter(self._ask([piece for piece, speaks in zip(pieces, spoken, strict=True) if speaks]))
        return [
            Window(piece.start_seconds, piece.end_seconds, next(answers) if speaks else None)
            for piece, speaks in zip(pieces, spoken, strict=True)
        ]

    def _is_spoken(self, speech: Floats, piece: Piece) -> bool:
        """Whether somebody speaks in some clip's length of a piece: silence around it takes nothing away."""
        seconds = min(piece.seconds, self.model.spec.clip_seconds)
        starts = piece.start_seconds + np.arange(int(np.ceil(piece.seconds - seconds)) + 1)
        return any(self.gate.judge(_frames(speech, start, start + seconds)).is_voice for start in starts)

    def _ask(self, pieces: list[Piece]) -> list[npt.NDArray[np.float64]]:
        """Probabilities [7] of each piece, the features of a few in memory at a time."""
        answers: list[npt.NDArray[np.float64]] = []
        for first in range(0, len(pieces), WINDOWS_AT_ONCE):
            batch = pieces[first : first + WINDOWS_AT_ONCE]
            answers.extend(self._predict(np.stack([self._featurize(piece.samples, piece.rate_hz) for piece in batch])))
        return answers

    def _timeline(
        self, windows: list[Window], speech: Floats, seconds: float, hop_seconds: float, min_confidence: float
    ) -> Timeline:
        steps = max(1, int(np.ceil(round(seconds / hop_seconds, 6))))
        spoken = [
            float(np.mean(_frames(speech, step * hop_seconds, (step + 1) * hop_seconds) >= self.gate.threshold))
            >= SPOKEN_SHARE
            for step in range(steps)
        ]
        segments = join_segments(
            windows,
            fill_pauses(spoken, int(LONGEST_BREATH_SECONDS / hop_seconds)),
            hop_seconds=hop_seconds,
            seconds=seconds,
            min_confidence=min_confidence,
        )
        return Timeline(
            window_seconds=windows[0].end_seconds - windows[0].start_seconds,
            hop_seconds=hop_seconds,
            windows=tuple(to_span(window, min_confidence) for window in windows),
            segments=tuple(segments),
        )


def _frames(speech: Floats, start_seconds: float, end_seconds: float) -> Floats:
    """Frames of a stretch, at least one."""
    first = min(int(start_seconds * FRAMES_A_SECOND), len(speech) - 1)
    return speech[first : max(first + 1, int(np.ceil(end_seconds * FRAMES_A_SECOND)))]
