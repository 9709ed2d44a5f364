"""Recognize a recording in two steps: run a model on its windows with speech, then make an answer from its outputs.

Between the steps, the outputs may be compared with those of other recordings of the same voice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.decode import Recording
from deepemo.audio.samples import measure_levels
from deepemo.emotions import Emotions
from deepemo.models.family import FrontEnd
from deepemo.params import VoiceDecision
from deepemo.serving.batching import Inputs, stack
from deepemo.serving.bundle import ClipLimits
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.results import Reason, Recognition, RecordingInfo, RecordingRemark, VoiceUse, unknown
from deepemo.serving.timeline import Interval, by_emotion, decide, make_timeline
from deepemo.serving.windows import Window, cut_windows, has_speech
from deepemo.vad.gate import decide_voice, speech_probabilities

# From the inputs of n windows to a row for each; a row of NaN for a window that the model does not take for speech.
Predict = Callable[[Inputs], Float64Array]

NOT_SPEECH = "parts resemble speech, but the network of `speech` takes them for another sound"

# Windows whose inputs are in memory at once.
WINDOWS_AT_ONCE = 32


class Hearing(Protocol):
    """The part of a model that is needed to cut a recording into windows and to make inputs of them."""

    name: str
    emotions: Emotions
    front_end: FrontEnd
    threshold: float

    def prepare(self, samples: Float32Array, rate_hz: int) -> Inputs:
        """The inputs of one clip: samples [n] and their rate to one array for each front end."""


@dataclass(frozen=True)
class Heard:
    """What was heard in a recording with speech.

    Attributes:
        info: facts about the recording.
        speech: probability of speech in each frame of 32 ms, float32 [frames].
        windows: start and end in seconds of each window, in order.
        spoken: whether there is speech in each.
        rows: outputs of the model for each window with speech, float64 [windows with speech, ...].
    """

    info: RecordingInfo
    speech: Float32Array
    windows: list[tuple[float, float]]
    spoken: list[bool]
    rows: Float64Array

    @property
    def spoken_windows(self) -> list[tuple[float, float]]:
        """Start and end of each window with speech, as `rows`."""
        return [window for window, speaks in zip(self.windows, self.spoken, strict=True) if speaks]


def hear(
    recording: Recording,
    options: RecognitionOptions,
    *,
    model: Hearing,
    predict: Predict,
    gate: VoiceDecision,
    limits: ClipLimits,
) -> Heard | Recognition:
    """Check a decoded recording of one channel and run a model on it; `unknown` if there is nothing to judge.

    Args:
        recording: to process.
        options: of the recognition.
        model: says how long windows are, and makes inputs of them.
        predict: gives a row for each of its windows.
        gate: when a recording counts as speech.
        limits: of its length and level.
    """
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
    if recording.seconds < limits.min_seconds:
        detail = f"{recording.seconds:.2f} s, expected at least {limits.min_seconds:g} s"
        return unknown(Reason.TOO_SHORT, model=model.name, recording=info, detail=detail)
    if info.rms_dbfs < limits.silent_below_dbfs:
        detail = f"{info.rms_dbfs:.0f} dBFS, expected at least {limits.silent_below_dbfs:g} dBFS"
        return unknown(Reason.SILENT, model=model.name, recording=info, detail=detail)

    speech = speech_probabilities(samples, recording.rate_hz)  # [frames of 32 ms]
    voice = decide_voice(speech, gate)
    info = info.model_copy(update={"voice_share": voice.share, "voice_seconds": voice.longest_seconds})
    windows = cut_windows(recording, model.front_end, options.hop_seconds)
    spoken = [has_speech(window, speech, gate, model.front_end.clip_seconds) for window in windows]
    if not any(spoken):
        return unknown(Reason.NO_VOICE, model=model.name, recording=info)
    rows = run_on_windows([window for window, speaks in zip(windows, spoken, strict=True) if speaks], model, predict)
    heard = is_heard(rows)
    if not heard.any():
        return unknown(Reason.NO_VOICE, model=model.name, recording=info, detail=NOT_SPEECH)
    judged = iter(heard)
    spoken = [speaks and bool(next(judged)) for speaks in spoken]
    rows = rows[heard]
    return Heard(info, speech, [(window.start_seconds, window.end_seconds) for window in windows], spoken, rows)


def is_heard(rows: Float64Array) -> npt.NDArray[np.bool_]:
    """Whether the model takes each window for speech, bool [n], of its rows float64 [n, ...]; see `Predict`."""
    heard: npt.NDArray[np.bool_] = ~np.isnan(rows).any(axis=1)
    return heard


@dataclass(frozen=True)
class WindowModel:
    """What answers single windows of a stream.

    Attributes:
        model: says how long windows are, and from which confidence an emotion is answered.
        predict: calibrated probabilities of the inputs of windows.
        voice: whether a reference of the voice is used; None if there is none.
    """

    model: Hearing
    predict: Predict
    voice: VoiceUse | None = None

    def probabilities(self, windows: Sequence[Window]) -> Float64Array:
        """Calibrated probabilities float64 [n, classes] of windows, see `Predict`."""
        return run_on_windows(windows, self.model, self.predict)


def run_on_windows(windows: Sequence[Window], model: Hearing, predict: Predict) -> Float64Array:
    """A row for each window, float64 [n, ...]; the inputs of only a few are in memory at a time."""
    found = [np.zeros((0, 0))] if not windows else []
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        batch = windows[first : first + WINDOWS_AT_ONCE]
        found.append(predict(stack([model.prepare(window.samples, window.rate_hz) for window in batch])))
    return np.concatenate(found)


def answer(
    heard: Heard,
    probabilities: Sequence[Float64Array] | Float64Array,
    options: RecognitionOptions,
    *,
    model: Hearing,
    gate: VoiceDecision,
    voice: VoiceUse | None = None,
) -> Recognition:
    """The answer to a recording, from the mean over its windows with speech.

    Args:
        heard: the recording.
        probabilities: calibrated, of each window with speech, [windows with speech, classes].
        options: of the recognition.
        model: gave the probabilities; its name, emotions and threshold are used.
        gate: when frames count as speech.
        voice: whether a reference of the voice was used.
    """
    threshold = model.threshold if options.min_confidence is None else options.min_confidence
    mean = np.mean(probabilities, axis=0)
    word, reason = decide(mean, threshold, model.emotions)
    line = None
    if options.timeline and len(heard.windows) > 1:
        found = iter(probabilities)
        windows = zip(heard.windows, heard.spoken, strict=True)
        line = make_timeline(
            [Interval(start, end, next(found) if speaks else None) for (start, end), speaks in windows],
            heard.speech,
            seconds=heard.info.seconds,
            hop_seconds=options.hop_seconds,
            min_confidence=threshold,
            voice_threshold=gate.voice_threshold,
            emotions=model.emotions,
        )
    return Recognition(
        answer=word,
        reason=reason,
        probabilities=by_emotion(mean, model.emotions),
        recording=heard.info,
        timeline=line,
        model=model.name,
        voice=voice,
    )
