"""The recognizer: from a recording to one of seven emotions, or to `unknown` with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.decode import Recording, choose_channel, read_mono
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.audio.samples import measure_levels
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.models.family import FrontEnd
from deepemo.params import VoiceDecision
from deepemo.serving.batching import Inputs, stack
from deepemo.serving.bundle import ClipLimits, read_bundle
from deepemo.serving.confidence import Origin
from deepemo.serving.options import HOP_SECONDS, MAX_SECONDS, RecognitionOptions
from deepemo.serving.results import Reason, Recognition, RecordingInfo, RecordingRemark, unknown
from deepemo.serving.timeline import Interval, by_emotion, decide, make_timeline
from deepemo.serving.windows import Window, cut_windows, has_speech
from deepemo.vad.gate import decide_voice, speech_probabilities

Source = str | Path | bytes | npt.NDArray[Any]
Predict = Callable[[Inputs], Float64Array]

MOST_CHANNELS = 32
# Windows whose inputs are in memory at once.
WINDOWS_AT_ONCE = 32


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
        self,
        model: Model,
        *,
        gate: VoiceDecision,
        limits: ClipLimits,
        predict: Predict | None = None,
        expectation: str = "",
    ) -> None:
        """Make a recognizer from its parts.

        Args:
            model: the predictor that is run.
            gate: when a recording counts as speech.
            limits: of the length and level of recordings.
            predict: used in place of `model.probabilities`, such as a function that batches windows of many callers.
            expectation: how often it is right on recordings of somebody's own, in words.
        """
        self.model = model
        self.gate = gate
        self.limits = limits
        self.expectation = expectation
        self._predict = predict or model.probabilities

    @classmethod
    def load(
        cls, models: Path | str = Path("models"), model: str | None = None, origin: Origin | str | None = None
    ) -> Self:
        """Load from the folder of models of a finished pipeline run.

        Args:
            models: the folder.
            model: name of a predictor; by default the one that validation chose.
            origin: `heard` for recordings of the corpora that it learned from, `other` for any others; it decides
                probabilities, and from which one on an emotion is answered. By default `other`, or `heard` where the
                run left no corpus out of training.

        Raises:
            InputError: a file is missing, does not hold what it should, or is not the one that was evaluated; or there
                is no such origin, or no confidence for it.
        """
        bundle = read_bundle(Path(models))
        # Before TensorFlow is imported, so that an unknown name is reported at once.
        chosen = None if origin is None else Origin.of(origin)
        bundle.predictor(model)[1].calibration_for(chosen)
        from deepemo.serving.predictor import Predictor

        predictor = Predictor.load(Path(models), model, bundle, chosen)
        expectation = bundle.expectation(predictor.name, chosen)
        return cls(predictor, gate=bundle.voice_decision, limits=bundle.limits, expectation=expectation)

    def with_predict(self, predict: Predict) -> Recognizer:
        """The same recognizer with this function in place of the model."""
        return Recognizer(self.model, gate=self.gate, limits=self.limits, predict=predict, expectation=self.expectation)

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
        """Recognize the emotion in a recording.

        A recording that fits into a clip once the silence at its ends is cut off is one input of the model, as in
        training. A longer one is cut into windows; its answer rests on the mean over the windows with speech.

        Args:
            source: path or content of a sound file, or float samples [n] or [n, channels], full scale at 1.
            rate_hz: sample rate of samples; files have it in their header.
            timeline: whether a recording longer than a clip gets a timeline.
            hop_seconds: from the start of one window to the start of the next, at least 0.1.
            min_confidence: probability in [0, 1] from which an emotion is answered; 0 for always, None for what
                `evaluate` chose.
            max_seconds: longest recording that is read.
            channel: which channel to use, the first being 0; None for the mix of all. See `RecognitionOptions`.

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
        return self.recognize_with(options, source, rate_hz)

    def recognize_with(self, options: RecognitionOptions, source: Source, rate_hz: int | None = None) -> Recognition:
        """The same as `recognize`, with all options in one value."""
        try:
            recording = _read(source, rate_hz, options)
        except TooLongError as error:
            return unknown(Reason.TOO_LONG, model=self.model.name, detail=str(error))
        except DecodeError as error:
            return unknown(Reason.UNDECODABLE, model=self.model.name, detail=str(error))
        return self.recognize_decoded(recording, options)

    def recognize_each(
        self, source: Source, rate_hz: int | None = None, options: RecognitionOptions | None = None
    ) -> list[Recognition]:
        """Recognize the emotion in each channel of a recording, one after the other.

        Args:
            source: as for `recognize`. It is decoded once for each channel, so that memory does not grow with their
                number.
            rate_hz: sample rate of samples.
            options: for each channel; `channel` is not used.

        Returns:
            An answer for each channel; one answer alone for a recording that cannot be read, or has more than
            `MOST_CHANNELS` channels.

        Raises:
            InputError: an argument is impossible.
            OSError: the path cannot be read.
        """
        options = options or RecognitionOptions()
        first = self.recognize_with(replace(options, channel=0), source, rate_hz)
        channels = 1 if first.recording is None else first.recording.channels
        if channels > MOST_CHANNELS:
            detail = f"{channels} channels, expected at most {MOST_CHANNELS} if each is to be heard"
            return [unknown(Reason.UNDECODABLE, model=self.model.name, detail=detail)]
        others = (replace(options, channel=number) for number in range(1, channels))
        return [first, *(self.recognize_with(each, source, rate_hz) for each in others)]

    def recognize_decoded(self, recording: Recording, options: RecognitionOptions) -> Recognition:
        """Recognize the emotion in a decoded recording of one channel."""
        samples = recording.mono()
        info = RecordingInfo(
            seconds=recording.seconds,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            channel=recording.channel,
            container=recording.container,
            rms_dbfs=measure_levels(samples).rms_dbfs,
            remarks=tuple(RecordingRemark.of(remark) for remark in recording.remarks),
        )
        name = self.model.name
        if recording.seconds < self.limits.min_seconds:
            detail = f"{recording.seconds:.2f} s, expected at least {self.limits.min_seconds:g} s"
            return unknown(Reason.TOO_SHORT, model=name, recording=info, detail=detail)
        if info.rms_dbfs < self.limits.silent_below_dbfs:
            detail = f"{info.rms_dbfs:.0f} dBFS, expected at least {self.limits.silent_below_dbfs:g} dBFS"
            return unknown(Reason.SILENT, model=name, recording=info, detail=detail)

        speech = speech_probabilities(samples, recording.rate_hz)  # [frames of 32 ms]
        voice = decide_voice(speech, self.gate)
        info = info.model_copy(update={"voice_share": voice.share, "voice_seconds": voice.longest_seconds})
        windows = self._run_on_windows(recording, speech, options.hop_seconds)
        known = [window.probabilities for window in windows if window.probabilities is not None]
        if not known:
            return unknown(Reason.NO_VOICE, model=name, recording=info)

        threshold = self.threshold(options)
        mean = np.mean(known, axis=0)
        answer, reason = decide(mean, threshold)
        line = None
        if options.timeline and len(windows) > 1:
            line = make_timeline(
                windows,
                speech,
                seconds=recording.seconds,
                hop_seconds=options.hop_seconds,
                min_confidence=threshold,
                voice_threshold=self.gate.voice_threshold,
            )
        return Recognition(
            answer=answer,
            reason=reason,
            probabilities=by_emotion(mean),
            recording=info,
            timeline=line,
            model=name,
        )

    def threshold(self, options: RecognitionOptions) -> float:
        """Probability from which an emotion is answered."""
        return self.model.threshold if options.min_confidence is None else options.min_confidence

    def _run_on_windows(self, recording: Recording, speech: Float32Array, hop_seconds: float) -> list[Interval]:
        """Windows over a recording, with the model's probabilities for those with speech."""
        front_end = self.model.front_end
        windows = cut_windows(recording, front_end, hop_seconds)
        spoken = [has_speech(window, speech, self.gate, front_end.clip_seconds) for window in windows]
        found = iter(self.predict_windows([window for window, speaks in zip(windows, spoken, strict=True) if speaks]))
        return [
            Interval(window.start_seconds, window.end_seconds, next(found) if speaks else None)
            for window, speaks in zip(windows, spoken, strict=True)
        ]

    def predict_windows(self, windows: list[Window]) -> list[Float64Array]:
        """Probabilities [7] for each window; the inputs of only a few are in memory at a time."""
        found: list[Float64Array] = []
        for first in range(0, len(windows), WINDOWS_AT_ONCE):
            batch = windows[first : first + WINDOWS_AT_ONCE]
            inputs = stack([self.model.prepare(window.samples, window.rate_hz) for window in batch])
            found.extend(self._predict(inputs))
        return found


def _read(source: Source, rate_hz: int | None, options: RecognitionOptions) -> Recording:
    """Decode a file, or check samples, and choose a channel.

    Raises:
        DecodeError: it is no sound file, or a sample is not a finite number.
        TooLongError: it is longer than the options allow.
        InputError: samples have no rate, or are no such array.
        OSError: the path cannot be read.
    """
    max_seconds = options.max_seconds
    if isinstance(source, str | Path):
        return read_mono(Path(source), max_seconds=max_seconds, channel=options.channel)
    if isinstance(source, bytes):
        return read_mono(source, max_seconds=max_seconds, channel=options.channel)
    samples = np.asarray(source)
    if rate_hz is None:
        raise InputError("samples need their rate_hz")
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise InputError(f"Bad rate_hz {rate_hz}, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}")
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected floats [n] or [n, channels]")
    if samples.ndim == 2 and samples.shape[1] == 0:
        raise InputError(f"Bad samples {samples.dtype} {list(samples.shape)}, expected at least one channel")
    if not np.isfinite(samples).all():
        raise DecodeError("samples: some are NaN or infinite, expected numbers")
    if len(samples) > max_seconds * rate_hz:
        raise TooLongError(f"samples: {len(samples) / rate_hz:g} s, expected at most {max_seconds:g} s")
    columns = samples[:, np.newaxis] if samples.ndim == 1 else samples
    recording = Recording(columns.astype(np.float32), rate_hz, "samples", columns.shape[1])
    return choose_channel(recording, options.channel)
