"""Windows over a long recording, and the segments that their answers join into."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from deepemo.arrays import Float64Array
from deepemo.emotions import EMOTIONS
from deepemo.serving.reasons import NO_VOICE, UNKNOWN, UNSURE
from deepemo.serving.results import Probabilities, Span

SMALLEST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Window:
    """A stretch of samples that the model hears as one clip; `probabilities` [7] is None if nobody speaks in it."""

    start_seconds: float
    end_seconds: float
    probabilities: Float64Array | None


def window_starts(length: int, *, window: int, hop: int) -> list[int]:
    """First samples of windows of `window` samples that cover `length` samples; the last one ends where they end."""
    if length <= window:
        return [0]
    last = length - window
    return [*range(0, last, hop), last]


def decide(probabilities: Float64Array, min_confidence: float) -> tuple[str, str | None]:
    """Answer and reason for probabilities [7]: the likeliest emotion, or unknown if it is too unlikely."""
    likeliest = int(probabilities.argmax())
    return (EMOTIONS[likeliest], None) if probabilities[likeliest] >= min_confidence else (UNKNOWN, UNSURE)


def named(probabilities: Float64Array) -> Probabilities:
    """Probabilities [7] by emotion."""
    return {emotion: float(value) for emotion, value in zip(EMOTIONS, probabilities, strict=True)}


def to_span(window: Window, min_confidence: float) -> Span:
    """A stretch with its answer; without probabilities, no voice is heard in it."""
    answer, reason = _answer(window, min_confidence)
    return Span(
        start_seconds=window.start_seconds,
        end_seconds=window.end_seconds,
        answer=answer,
        reason=reason,
        probabilities=None if window.probabilities is None else named(window.probabilities),
    )


def _answer(window: Window, min_confidence: float) -> tuple[str, str | None]:
    return (UNKNOWN, NO_VOICE) if window.probabilities is None else decide(window.probabilities, min_confidence)


def join_segments(
    windows: Sequence[Window], spoken: Sequence[bool], *, hop_seconds: float, seconds: float, min_confidence: float
) -> list[Span]:
    """Segments that cover a recording.

    The recording is cut into steps of a hop. A step's probabilities are a mean of those of the windows over its
    middle; neighbouring steps with the same answer are joined, with the mean of their probabilities.

    Args:
        windows: what the model said.
        spoken: for each step, whether somebody speaks in it.
        hop_seconds: length of a step; the last one may be shorter.
        seconds: duration of the recording.
        min_confidence: for an answer.
    """
    steps = []
    for position, speaks in enumerate(spoken):
        start = position * hop_seconds
        end = min(start + hop_seconds, seconds)
        steps.append(Window(start, end, _over((start + end) / 2, windows) if speaks else None))

    segments = []
    for _, group in groupby(steps, key=lambda step: _answer(step, min_confidence)):
        alike = list(group)
        # The mean of steps that answer alike answers as they do: each of its values is a mean of theirs.
        heard = [step.probabilities for step in alike if step.probabilities is not None]
        mean = np.mean(heard, axis=0) if heard else None
        segments.append(to_span(Window(alike[0].start_seconds, alike[-1].end_seconds, mean), min_confidence))
    return segments


def fill_pauses(spoken: Sequence[bool], longest: int) -> list[bool]:
    """Count pauses of at most `longest` steps as spoken if somebody speaks before and after them."""
    filled = list(spoken)
    heard = [step for step, speaks in enumerate(spoken) if speaks]
    for before, after in pairwise(heard):
        if after - before - 1 <= longest:
            filled[before:after] = [True] * (after - before)
    return filled


def _over(moment: float, windows: Sequence[Window]) -> Float64Array | None:
    """Mean probabilities of the windows over a moment; None if nobody speaks in any of them.

    A window counts the more the nearer its middle is: the seconds of joined clips were named more often rightly so than
    by a plain mean.
    """
    heard, weights = [], []
    # Windows are in order of their starts and as long as each other: those over a moment are neighbours.
    for window in reversed(windows[: bisect_right(windows, moment, key=lambda window: window.start_seconds)]):
        if window.end_seconds < moment:
            break
        if window.probabilities is not None:
            half = (window.end_seconds - window.start_seconds) / 2
            heard.append(window.probabilities)
            weights.append(max(SMALLEST_WEIGHT, 1.0 - abs(moment - window.start_seconds - half) / half))
    return np.average(heard, axis=0, weights=weights) if heard else None
