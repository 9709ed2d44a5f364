"""The recognizer: a recording in, an emotion or an honest `unknown` out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.decode import Recording
from deepemo.audio.samples import measure_levels
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.models.family import FrontEnd
from deepemo.params import VoiceDecision
from deepemo.serving.batching import Inputs, stack
from deepemo.serving.bundle import ClipLimits, read_bundle
from deepemo.serving.reasons import NO_VOICE, SILENT, TOO_LONG, TOO_SHORT, UNDECODABLE
from deepemo.serving.results import Heard, Recognition, Timeline, unknown
from deepemo.serving.sources import Source, to_mono
from deepemo.serving.timeline import Window, decide, fill_pauses, join_segments, named, to_span
from deepemo.serving.windows import Piece, cut
from deepemo.vad.gate import decide_voice, speech_probabilities
from deepemo.vad.silero import FRAME_SAMPLES, RATE_HZ

Predict = Callable[[Inputs], Float64Array]

FRAMES_A_SECOND = RATE_HZ / FRAME_SAMPLES
HOP_SECONDS = 1.0
SHORTEST_HOP_SECONDS = 0.1
MAX_SECONDS = 3600.0
# Each of which can be asked for in one go.
MOST_CHANNELS = 32
# Somebody who pauses less between two words has not stopped speaking.
LONGEST_BREATH_SECONDS = 2.0
# Windows whose inputs are in memory at once.
WINDOWS_AT_ONCE = 32
# Of a step of the timeline, for somebody to speak in it: the gate's own limits are for whole clips.
SPOKEN_SHARE = 0.2


class Model(Protocol):
    """What a recognizer needs of a model: `predictor.Predictor` is one."""

    name: str
    front_end: FrontEnd
    threshold: float

    def prepare(self, samples: Float32Array, rate_hz: int) -> Inputs:
        """The inputs of one clip: samples [n] and their rate to one array for each front end."""

    def probabilities(self, inputs: Inputs) -> Float64Array:
        """Calibrated probabilities [n, 7] of the inputs of n clips."""


class Recognizer:
    """Recognizes emotions in recordings; one instance serves many threads."""

    def __init__(
        self, model: Model, *, gate: VoiceDecision, limits: ClipLimits, predict: Predict | None = None
    ) -> None:
        """Join the parts.

        Args:
            model: what answers.
            gate: when a recording counts as speech.
            limits: of the length and level of recordings.
            predict: in place of `model.probabilities`, such as one that batches the windows of many callers.
        """
        self.model = model
        self.gate = gate
        self.limits = limits
        self._predict = predict or model.probabilities

    @classmethod
    def load(cls, models: Path | str = Path("models"), model: str | None = None) -> Self:
        """Load from the folder of models of a finished pipeline run.

        Args:
            models: the folder.
            model: name of a predictor; by default the one that validation chose.

        Raises:
            InputError: a file is missing, does not hold what it should, or is not the one that was evaluated.
        """
        bundle = read_bundle(Path(models))
        # Before TensorFlow is imported, so that an unknown name is reported at once.
        bundle.predictor(model)
        from deepemo.serving.predictor import Predictor

        predictor = Predictor.load(Path(models), model, bundle)
        return cls(predictor, gate=bundle.voice_decision, limits=bundle.limits)

    def with_predict(self, predict: Predict) -> Recognizer:
        """The same recognizer with this function in place of the model."""
        return Recognizer(self.model, gate=self.gate, limits=self.limits, predict=predict)

    def warm_up(self) -> None:
        """Run everything once, so that the first caller does not wait for what is built on first use."""
        front_end = self.model.front_end
        rate_hz = front_end.sample_rate_hz
        samples = np.zeros(round(front_end.clip_seconds * rate_hz), dtype=np.float32)
        speech_probabilities(samples, rate_hz)
        self._predict(stack([self.model.prepare(samples, rate_hz)]))

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
        report = decide_voice(speech, self.gate)
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

    def _windows(self, recording: Recording, speech: Float32Array, hop_seconds: float) -> list[Window]:
        """Windows over a recording, with the model's answer to those in which somebody speaks."""
        pieces = cut(recording, self.model.front_end, hop_seconds)
        spoken = [self._is_spoken(speech, piece) for piece in pieces]
        answers = iter(self._ask([piece for piece, speaks in zip(pieces, spoken, strict=True) if speaks]))
        return [
            Window(piece.start_seconds, piece.end_seconds, next(answers) if speaks else None)
            for piece, speaks in zip(pieces, spoken, strict=True)
        ]

    def _is_spoken(self, speech: Float32Array, piece: Piece) -> bool:
        """Whether somebody speaks in some clip's length of a piece: silence around it takes nothing away."""
        seconds = min(piece.seconds, self.model.front_end.clip_seconds)
        starts = piece.start_seconds + np.arange(int(np.ceil(piece.seconds - seconds)) + 1)
        return any(decide_voice(_frames(speech, start, start + seconds), self.gate).is_voice for start in starts)

    def _ask(self, pieces: list[Piece]) -> list[Float64Array]:
        """Probabilities [7] of each piece, the inputs of a few in memory at a time."""
        answers: list[Float64Array] = []
        for first in range(0, len(pieces), WINDOWS_AT_ONCE):
            batch = pieces[first : first + WINDOWS_AT_ONCE]
            answers.extend(self._predict(stack([self.model.prepare(piece.samples, piece.rate_hz) for piece in batch])))
        return answers

    def _timeline(
        self, windows: list[Window], speech: Float32Array, seconds: float, hop_seconds: float, min_confidence: float
    ) -> Timeline:
        steps = max(1, int(np.ceil(round(seconds / hop_seconds, 6))))
        spoken = [
            float(np.mean(_frames(speech, step * hop_seconds, (step + 1) * hop_seconds) >= self.gate.voice_threshold))
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


def _frames(speech: Float32Array, start_seconds: float, end_seconds: float) -> Float32Array:
    """Frames of a stretch, at least one."""
    first = min(int(start_seconds * FRAMES_A_SECOND), len(speech) - 1)
    return speech[first : max(first + 1, int(np.ceil(end_seconds * FRAMES_A_SECOND)))]
