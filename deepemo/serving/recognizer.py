"""The recognizer: from a recording to an emotion, or to `unknown` with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from deepemo.arrays import Float64Array
from deepemo.audio.io.decode import Recording
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.files import MODELS
from deepemo.params import VoiceDecision
from deepemo.serving.about import expectation
from deepemo.serving.batching import Inputs, stack
from deepemo.serving.bundle import ClipLimits
from deepemo.serving.confidence import Origin
from deepemo.serving.hearing import Heard, Hearing, Predict, WindowModel, answer, hear
from deepemo.serving.models_folder import read_bundle
from deepemo.serving.options import HOP_SECONDS, MAX_SECONDS, RecognitionOptions
from deepemo.serving.results import Reason, Recognition, VoiceUse, unknown
from deepemo.serving.sources import Source, read
from deepemo.serving.voice import VoiceReference
from deepemo.serving.voices import TAKES_NONE, Known, answer_together, answer_with, components_in, make_reference
from deepemo.vad.gate import speech_probabilities

MOST_CHANNELS = 32


class Model(Hearing, Protocol):
    """What a recognizer needs from a model, such as `predictor.Predictor`."""

    def probabilities(self, inputs: Inputs) -> Float64Array:
        """Calibrated probabilities [n, classes] of the inputs of n clips."""


class Recognizer:
    """Recognizes emotions in recordings; one instance serves many threads."""

    def __init__(
        self,
        model: Model,
        *,
        gate: VoiceDecision,
        limits: ClipLimits,
        predict: Predict | None = None,
        expectation: str = "",
        voice: Known | None = None,
        hear_voice: Predict | None = None,
    ) -> None:
        """Make a recognizer from its parts.

        Args:
            model: the predictor that is run.
            gate: when a recording counts as speech.
            limits: of the length and level of recordings.
            predict: used in place of `model.probabilities`, such as a function that batches windows of many callers.
            expectation: how often it is right on users' own recordings, in words.
            voice: answers recordings of known voices; None if the model takes no references.
            hear_voice: used in place of `voice.hear`.
        """
        self.model = model
        self.gate = gate
        self.limits = limits
        self.expectation = expectation
        self.voice = voice
        self._predict = predict or model.probabilities
        self._hear = hear_voice

    @classmethod
    def load(cls, models: Path | str = MODELS, model: str | None = None, origin: Origin | str | None = None) -> Self:
        """Load from the folder of models of a finished pipeline run.

        Args:
            models: the folder.
            model: name of a predictor; by default the one that validation chose.
            origin: `heard` for recordings of the corpora that it learned from, `other` for any others. It decides the
                calibration of probabilities and the threshold for an answer. By default `other`, or `heard` if the run
                left no corpus out of training.

        Raises:
            InputError: a file is missing, invalid, or not the one that was evaluated; or there is no such origin, or
                no confidence for it.
        """
        bundle = read_bundle(Path(models))
        # Before TensorFlow is imported, so that an unknown name is reported at once.
        chosen = None if origin is None else Origin.of(origin)
        bundle.predictor(model)[1].calibration_for(chosen)
        from deepemo.serving.known_voice import KnownVoice
        from deepemo.serving.predictor import Predictor

        predictor = Predictor.load(Path(models), model, bundle, chosen)
        words = expectation(bundle, predictor.name, chosen)
        voice, record = None, bundle.voice_for(predictor.name)
        if record is not None:
            loaded = dict(zip(bundle.predictors[predictor.name].parts, predictor.models, strict=True))
            voice = KnownVoice.load(Path(models), bundle, record, loaded)
        return cls(predictor, gate=bundle.gate.decision, limits=bundle.limits, expectation=words, voice=voice)

    def with_predict(self, predict: Predict, hear_voice: Predict | None = None) -> Recognizer:
        """A copy that calls `predict` in place of the model, and `hear_voice` in place of `voice.hear`."""
        return Recognizer(
            self.model,
            gate=self.gate,
            limits=self.limits,
            predict=predict,
            expectation=self.expectation,
            voice=self.voice,
            hear_voice=hear_voice,
        )

    def warm_up(self) -> None:
        """Run everything once, so that the first caller does not wait for what is built on first use."""
        front_end = self.model.front_end
        rate_hz = front_end.sample_rate_hz
        samples = np.zeros(round(front_end.clip_seconds * rate_hz), dtype=np.float32)
        speech_probabilities(samples, rate_hz)
        self._predict(stack([self.model.prepare(samples, rate_hz)]))
        if self.voice is not None:
            rows = (self._hear or self.voice.hear)(stack([self.voice.prepare(samples, rate_hz)]))
            self.voice.probabilities(rows, components_in(rows, self.voice)[0])

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
        voice: VoiceReference | None = None,
    ) -> Recognition:
        """Recognize the emotion in a recording.

        A recording that fits into a clip after the silence at its ends is cut off is one input of the model, as in
        training. A longer one is cut into windows, and its answer is from the mean over the windows with speech.

        Args:
            source: path or content of a sound file, or float samples [n] or [n, channels], full scale at 1.
            rate_hz: sample rate of samples; files have it in their header.
            timeline: whether a recording longer than a clip gets a timeline.
            hop_seconds: from the start of one window to the start of the next, at least 0.1.
            min_confidence: probability in [0, 1] from which an emotion is answered; 0 answers always, None takes the
                threshold that `evaluate` chose.
            max_seconds: longest recording that is read.
            channel: which channel to use, counted from 0; None for the mix of all. See `RecognitionOptions`.
            voice: reference of the voice, made from other recordings of it. The field `voice` of the answer says
                whether it was used, and if not, why.

        Returns:
            The answer. A recording that cannot be read, or in which no emotion is recognized, is answered `unknown`
            with a reason, and raises nothing.

        Raises:
            InputError: an argument is impossible.
            OSError: the path cannot be read.
        """
        options = RecognitionOptions(
            timeline=timeline,
            hop_seconds=hop_seconds,
            min_confidence=min_confidence,
            max_seconds=max_seconds,
            channel=channel,
        )
        return self.recognize_with(options, source, rate_hz, voice)

    def recognize_with(
        self,
        options: RecognitionOptions,
        source: Source,
        rate_hz: int | None = None,
        voice: VoiceReference | None = None,
    ) -> Recognition:
        """The same as `recognize`, with all options in one value."""
        try:
            recording = read(source, rate_hz, options)
        except (TooLongError, DecodeError) as error:
            return self._unreadable(error)
        return self.recognize_decoded(recording, options, voice)

    def recognize_each(
        self,
        source: Source,
        rate_hz: int | None = None,
        options: RecognitionOptions | None = None,
        voice: VoiceReference | None = None,
    ) -> list[Recognition]:
        """Recognize the emotion in each channel of a recording, one after the other.

        Args:
            source: as for `recognize`. It is decoded once for each channel, so that memory does not grow with their
                number.
            rate_hz: sample rate of samples.
            options: for each channel; `channel` is not used.
            voice: reference of the voice, for each channel.

        Returns:
            An answer for each channel; a single answer for a recording that cannot be read, or has more than
            `MOST_CHANNELS` channels.

        Raises:
            InputError: an argument is impossible.
            OSError: the path cannot be read.
        """
        options = options or RecognitionOptions()
        first = self.recognize_with(replace(options, channel=0), source, rate_hz, voice)
        channels = 1 if first.recording is None else first.recording.channels
        if channels > MOST_CHANNELS:
            detail = f"{channels} channels, expected at most {MOST_CHANNELS} if each is to be heard"
            return [unknown(Reason.UNDECODABLE, model=self.model.name, detail=detail)]
        others = (replace(options, channel=number) for number in range(1, channels))
        return [first, *(self.recognize_with(each, source, rate_hz, voice) for each in others)]

    def recognize_decoded(
        self, recording: Recording, options: RecognitionOptions, voice: VoiceReference | None = None
    ) -> Recognition:
        """Recognize the emotion in a decoded recording of one channel, with or without a reference of its voice."""
        known, use = self._known(voice)
        if voice is None or known is None:
            return self._answer_alone(recording, options, use)
        found = self._hear_voice(recording, options, known)
        return found if isinstance(found, Recognition) else answer_with(voice, found, known, options, self.gate)

    def on_windows(self, voice: VoiceReference | None = None) -> WindowModel:
        """What answers the windows of a stream, whose voice may be known."""
        known, use = self._known(voice)
        if voice is None or known is None:
            return WindowModel(self.model, self._predict, use)
        hear_window, offset = self._hear or known.hear, voice.offset()
        return WindowModel(known, lambda inputs: known.probabilities(hear_window(inputs), offset), use)

    def _known(self, voice: VoiceReference | None) -> tuple[Known | None, VoiceUse | None]:
        """What answers with a reference, if it is used; and whether it is used, if there is one."""
        if voice is None:
            return None, None
        problem = TAKES_NONE if self.voice is None else self.voice.problem(voice)
        use = VoiceUse(recordings=voice.recordings, used=problem is None, reason=problem)
        return (self.voice if problem is None else None), use

    def _answer_alone(self, recording: Recording, options: RecognitionOptions, use: VoiceUse | None) -> Recognition:
        heard = hear(recording, options, model=self.model, predict=self._predict, gate=self.gate, limits=self.limits)
        if isinstance(heard, Recognition):
            return heard
        return answer(heard, heard.rows, options, model=self.model, gate=self.gate, voice=use)

    def recognize_voice(
        self, recordings: Sequence[Source], rate_hz: int | None = None, options: RecognitionOptions | None = None
    ) -> list[Recognition]:
        """Recognize the emotion in recordings of one voice, each compared with the others.

        The reference of each recording is the mean of the others. If they make no usable reference, each window of a
        long recording is compared with them and with the windows of this recording that do not overlap it. If there is
        still no usable reference, the recording is answered alone, and the field `voice` of its answer says why.

        Args:
            recordings: all of one person, with any emotions; each as for `recognize`.
            rate_hz: sample rate of samples.
            options: for each.

        Returns:
            An answer for each, in their order.

        Raises:
            InputError: an argument is impossible.
            OSError: a path cannot be read.
        """
        options = options or RecognitionOptions()
        heard = [self.hear_voice(source, options, rate_hz) for source in recordings]
        return [
            found if isinstance(found, Recognition) else self.recognize_alone(source, options, found, rate_hz)
            for source, found in zip(recordings, self.answer_together(heard, options), strict=True)
        ]

    def make_reference(
        self, recordings: Sequence[Source], rate_hz: int | None = None, options: RecognitionOptions | None = None
    ) -> VoiceReference:
        """Make a reference of a voice, which can be kept and given to `recognize`.

        Args:
            recordings: all of one person, as for `recognize`. Those without speech are left out.
            rate_hz: sample rate of samples.
            options: `channel` and `max_seconds` are used.

        Raises:
            InputError: the model takes no references, a recording cannot be read, or none has speech.
            OSError: a path cannot be read.
        """
        options = options or RecognitionOptions()
        decoded = (read(source, rate_hz, options) for source in recordings)
        return self.reference_of(decoded, options)

    def reference_of(self, recordings: Iterable[Recording], options: RecognitionOptions) -> VoiceReference:
        """The same as `make_reference`, for decoded recordings of one channel; one is in memory at a time."""
        if self.voice is None:
            raise InputError(TAKES_NONE)
        heard = [self._hear_voice(recording, options, self.voice) for recording in recordings]
        reference = make_reference([one for one in heard if isinstance(one, Heard)], self.voice)
        if reference is None:
            reasons = sorted({str(one.reason) for one in heard if isinstance(one, Recognition)})
            raise InputError(
                f"No speech is heard in {len(heard)} recordings ({', '.join(reasons)}), expected it in some"
            )
        return reference

    def hear_voice(
        self, source: Source, options: RecognitionOptions, rate_hz: int | None = None
    ) -> Heard | Recognition | None:
        """Run the networks for `answer_together`; the answer if there is nothing to judge, None without references."""
        if self.voice is None:
            return None
        try:
            recording = read(source, rate_hz, options)
        except (TooLongError, DecodeError) as error:
            return self._unreadable(error)
        return self._hear_voice(recording, options, self.voice)

    def answer_together(
        self, heard: Sequence[Heard | Recognition | None], options: RecognitionOptions
    ) -> list[Recognition | VoiceUse]:
        """Answers to recordings of one voice, from `hear_voice`; for those to be answered alone, the reason."""
        if self.voice is None:
            return [VoiceUse(recordings=0, used=False, reason=TAKES_NONE) for _ in heard]
        spoken = [one if isinstance(one, Heard) else None for one in heard]
        found = answer_together(spoken, self.voice, options, self.gate)
        return [one if isinstance(one, Recognition) else own for one, own in zip(heard, found, strict=True)]

    def recognize_alone(
        self, source: Source, options: RecognitionOptions, use: VoiceUse, rate_hz: int | None = None
    ) -> Recognition:
        """Recognize a recording without a reference; `use` says why there is none."""
        try:
            return self._answer_alone(read(source, rate_hz, options), options, use)
        except (TooLongError, DecodeError) as error:
            return self._unreadable(error)

    def _hear_voice(self, recording: Recording, options: RecognitionOptions, known: Known) -> Heard | Recognition:
        predict = self._hear or known.hear
        return hear(recording, options, model=known, predict=predict, gate=self.gate, limits=self.limits)

    def _unreadable(self, error: DecodeError | TooLongError) -> Recognition:
        reason = Reason.TOO_LONG if isinstance(error, TooLongError) else Reason.UNDECODABLE
        return unknown(reason, model=self.model.name, detail=str(error))
