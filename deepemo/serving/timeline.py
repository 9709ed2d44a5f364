"""The answers over a long recording: one for each window, and segments that join equal answers."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.emotions import Emotions
from deepemo.serving.results import UNKNOWN, Reason, Span, Timeline
from deepemo.serving.windows import frames_between

SMALLEST_WEIGHT = 1e-3
# A pause of at most this length between two words does not end speech.
LONGEST_PAUSE_SECONDS = 2.0
# Share of frames with speech from which a step of the timeline counts as speech. The gate's own limits are for whole
# clips.
SPOKEN_SHARE = 0.2


@dataclass(frozen=True)
class Interval:
    """A stretch of a recording with calibrated probabilities float64 [classes]; None if there is no speech in it."""

    start_seconds: float
    end_seconds: float
    probabilities: Float64Array | None


def decide(probabilities: Float64Array, min_confidence: float, emotions: Emotions) -> tuple[str, Reason | None]:
    """Answer and reason for probabilities [classes]: the likeliest emotion, or unknown if it is too unlikely.

    >>> decide(np.array([0.3, 0.7]), 0.6, ("angry", "sad"))
    ('sad', None)
    """
    likeliest = int(probabilities.argmax())
    return (emotions[likeliest], None) if probabilities[likeliest] >= min_confidence else (UNKNOWN, Reason.UNSURE)


def by_emotion(probabilities: Float64Array, emotions: Emotions) -> dict[str, float]:
    """Probabilities [classes] by the names of the emotions."""
    return {emotion: float(value) for emotion, value in zip(emotions, probabilities, strict=True)}


def make_timeline(
    windows: Sequence[Interval],
    speech: Float32Array,
    *,
    seconds: float,
    hop_seconds: float,
    min_confidence: float,
    voice_threshold: float,
    emotions: Emotions,
) -> Timeline:
    """The timeline of a recording.

    Args:
        windows: in order, of equal length.
        speech: probability of speech in each frame of 32 ms, float32 [frames].
        seconds: duration of the recording.
        hop_seconds: from the start of one window to the start of the next.
        min_confidence: probability from which an emotion is answered.
        voice_threshold: probability from which a frame counts as speech.
        emotions: the classes of the probabilities.
    """
    steps = max(1, int(np.ceil(round(seconds / hop_seconds, 6))))
    spoken = [
        float(np.mean(frames_between(speech, step * hop_seconds, (step + 1) * hop_seconds) >= voice_threshold))
        >= SPOKEN_SHARE
        for step in range(steps)
    ]
    segments = join_segments(
        windows,
        fill_pauses(spoken, int(LONGEST_PAUSE_SECONDS / hop_seconds)),
        hop_seconds=hop_seconds,
        seconds=seconds,
        min_confidence=min_confidence,
        emotions=emotions,
    )
    return Timeline(
        window_seconds=windows[0].end_seconds - windows[0].start_seconds,
        hop_seconds=hop_seconds,
        windows=tuple(to_span(window, min_confidence, emotions) for window in windows),
        segments=tuple(segments),
    )


def join_segments(
    windows: Sequence[Interval],
    spoken: Sequence[bool],
    *,
    hop_seconds: float,
    seconds: float,
    min_confidence: float,
    emotions: Emotions,
) -> list[Span]:
    """Segments that cover a recording.

    The recording is cut into steps of a hop. A step's probabilities are a weighted mean over the windows that contain
    its middle. Neighbouring steps with the same answer are joined, with the mean of their probabilities.

    Args:
        windows: in order, of equal length.
        spoken: for each step, whether there is speech in it.
        hop_seconds: length of a step; the last one may be shorter.
        seconds: duration of the recording.
        min_confidence: probability from which an emotion is answered.
        emotions: the classes of the probabilities.
    """
    steps = []
    for position, speaks in enumerate(spoken):
        start = position * hop_seconds
        end = min(start + hop_seconds, seconds)
        steps.append(Interval(start, end, _mean_at((start + end) / 2, windows) if speaks else None))

    segments = []
    for _, group in groupby(steps, key=lambda step: _answer(step, min_confidence, emotions)):
        equal = list(group)
        # The mean has the same answer: an emotion that is likeliest, or too unlikely, in every step is so in the mean.
        known = [step.probabilities for step in equal if step.probabilities is not None]
        mean = np.mean(known, axis=0) if known else None
        whole = Interval(equal[0].start_seconds, equal[-1].end_seconds, mean)
        segments.append(to_span(whole, min_confidence, emotions))
    return segments


def fill_pauses(spoken: Sequence[bool], longest: int) -> list[bool]:
    """Count pauses of at most `longest` steps as speech if there is speech before and after them.

    >>> fill_pauses([True, False, True, False, False], 1)
    [True, True, True, False, False]
    """
    filled = list(spoken)
    with_speech = [step for step, speaks in enumerate(spoken) if speaks]
    for before, after in pairwise(with_speech):
        if after - before - 1 <= longest:
            filled[before:after] = [True] * (after - before)
    return filled


def to_span(interval: Interval, min_confidence: float, emotions: Emotions) -> Span:
    """A stretch with its answer."""
    answer, reason = _answer(interval, min_confidence, emotions)
    return Span(
        start_seconds=interval.start_seconds,
        end_seconds=interval.end_seconds,
        answer=answer,
        reason=reason,
        probabilities=None if interval.probabilities is None else by_emotion(interval.probabilities, emotions),
    )


def _answer(interval: Interval, min_confidence: float, emotions: Emotions) -> tuple[str, Reason | None]:
    if interval.probabilities is None:
        return UNKNOWN, Reason.NO_VOICE
    return decide(interval.probabilities, min_confidence, emotions)


def _mean_at(moment: float, windows: Sequence[Interval]) -> Float64Array | None:
    """Mean probabilities [classes] of the windows over a moment; None if there is no speech in any of them.

    A window counts more the nearer its middle is to the moment. With these weights, more seconds of joined clips were
    recognized correctly than with a plain mean.
    """
    known, weights = [], []
    # Windows are in order of their starts and of equal length, so those over a moment are neighbours.
    for window in reversed(windows[: bisect_right(windows, moment, key=lambda window: window.start_seconds)]):
        if window.end_seconds < moment:
            break
        if window.probabilities is not None:
            half = (window.end_seconds - window.start_seconds) / 2
            known.append(window.probabilities)
            weights.append(max(SMALLEST_WEIGHT, 1.0 - abs(moment - window.start_seconds - half) / half))
    return np.average(known, axis=0, weights=weights) if known else None
