"""Recognize recordings of one voice, each compared with the others, and make references of voices.

A reference counts clips: a recording no longer than a clip is one, and a longer one counts as its windows that do not
overlap. Windows without speech are not part of it. A clip is never part of the reference that it is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.params import VoiceDecision
from deepemo.serving.batching import Inputs
from deepemo.serving.hearing import Heard, Hearing, answer
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.results import Recognition, VoiceUse
from deepemo.serving.voice import VoiceReference

TAKES_NONE = "This model takes no reference of a voice."
NOBODY_ELSE = "No speech is heard in other recordings of this voice."


class Known(Hearing, Protocol):
    """Answers recordings of known voices, such as `known_voice.KnownVoice`."""

    weights_sha256: str

    def hear(self, inputs: Inputs) -> Float64Array:
        """A row for each of n clips, float64 [n, components + classes]; a reference changes only the components."""

    def probabilities(self, rows: Float64Array, offsets: Float32Array) -> Float64Array:
        """Calibrated probabilities [n, classes] of rows of `hear` and offsets [n, components] or [components]."""

    def problem(self, reference: VoiceReference) -> str | None:
        """Why a reference cannot be used; None if it can."""


@dataclass(frozen=True)
class Sums:
    """Sums over the components of some clips, so that clips can be removed from a reference again.

    Attributes:
        clips: how many they are.
        total: sum of their components, float64 [components].
        squares: sum of the squares, float64 [components].
    """

    clips: int
    total: Float64Array
    squares: Float64Array

    @classmethod
    def of(cls, components: Float32Array) -> Sums:
        """The sums of clips, float32 [n, components]."""
        values = components.astype(np.float64)
        return cls(len(values), values.sum(axis=0), np.square(values).sum(axis=0))

    def __add__(self, other: Sums) -> Sums:
        """The sums of the clips of both."""
        return Sums(self.clips + other.clips, self.total + other.total, self.squares + other.squares)

    def __sub__(self, other: Sums) -> Sums:
        """The sums without the clips of `other`, which must be among these."""
        return Sums(self.clips - other.clips, self.total - other.total, self.squares - other.squares)

    def reference(self, weights_sha256: str) -> VoiceReference:
        """The reference that the clips, at least one, make."""
        mean = self.total / self.clips
        variance = np.maximum(self.squares - self.total * mean, 0.0) / max(1, self.clips - 1)
        deviation = float(np.sqrt(variance.mean())) if self.clips > 1 else 0.0
        return VoiceReference(mean.astype(np.float32), self.clips, deviation, weights_sha256)


def apart(windows: Sequence[tuple[float, float]]) -> list[int]:
    """Positions of windows that do not overlap: the first, then the next that does not overlap the last one chosen.

    Args:
        windows: start and end in seconds, in order.

    >>> apart([(0.0, 2.5), (1.0, 3.5), (2.0, 4.5), (3.0, 5.5)])
    [0, 3]
    """
    chosen: list[int] = []
    for position, (start, _) in enumerate(windows):
        if not chosen or start >= windows[chosen[-1]][1]:
            chosen.append(position)
    return chosen


def beside(windows: Sequence[tuple[float, float]], window: int) -> list[int]:
    """Positions of windows that overlap neither the given window nor one another.

    >>> beside([(0.0, 2.5), (1.0, 3.5), (2.0, 4.5), (3.0, 5.5), (4.0, 6.5), (5.0, 7.5)], 2)
    [5]
    """
    start, end = windows[window]
    before = [position for position in range(window) if windows[position][1] <= start]
    after = [position for position in range(window + 1, len(windows)) if windows[position][0] >= end]
    return [side[chosen] for side in (before, after) for chosen in apart([windows[position] for position in side])]


def components_in(rows: Float64Array, known: Hearing) -> Float32Array:
    """Components float32 [n, components] in rows of `Known.hear`."""
    return rows[:, : -len(known.emotions)].astype(np.float32)


def make_reference(heard: Sequence[Heard], known: Known) -> VoiceReference | None:
    """The reference of recordings; None if there are none."""
    components = [_clips(one, known) for one in heard]
    return VoiceReference.of(np.concatenate(components), known.weights_sha256) if components else None


def answer_with(
    reference: VoiceReference, heard: Heard, known: Known, options: RecognitionOptions, gate: VoiceDecision
) -> Recognition:
    """The answer to a recording with a usable reference of its voice.

    Raises:
        InputError: the reference has another number of components than the network.
    """
    use = VoiceUse(recordings=reference.recordings, used=True)
    probabilities = known.probabilities(heard.rows, reference.offset())
    return answer(heard, probabilities, options, model=known, gate=gate, voice=use)


def answer_together(
    heard: Sequence[Heard | None], known: Known, options: RecognitionOptions, gate: VoiceDecision
) -> list[Recognition | VoiceUse]:
    """Answers to recordings of one voice, each with the others as reference.

    If the others make no usable reference, each window of a long recording is compared with the others and with those
    of its own windows that do not overlap it.

    Args:
        heard: the recordings; None for one without speech.
        known: answers them.
        options: of the recognition.
        gate: when frames count as speech.

    Returns:
        The answer to each recording; for one without a usable reference, and for None, the reason.
    """
    sums = [None if one is None else Sums.of(_clips(one, known)) for one in heard]
    spoken = [one for one in sums if one is not None]
    everything = sum(spoken[1:], spoken[0]) if spoken else None
    found: list[Recognition | VoiceUse] = []
    for one, own in zip(heard, sums, strict=True):
        if one is None or own is None or everything is None:
            found.append(VoiceUse(recordings=0, used=False, reason=NOBODY_ELSE))
            continue
        others = everything - own
        refused = _refused(others, known)
        if refused is None:
            found.append(answer_with(others.reference(known.weights_sha256), one, known, options, gate))
        else:
            found.append(_answer_beside(others, one, known, options, gate) or refused)
    return found


def _answer_beside(
    others: Sums, heard: Heard, known: Known, options: RecognitionOptions, gate: VoiceDecision
) -> Recognition | VoiceUse | None:
    """The answer to a long recording, each window with its own reference, or why there is none; None if it is short."""
    windows, components = heard.spoken_windows, components_in(heard.rows, known)
    if len(apart(windows)) < 2:
        return None
    references = []
    for window in range(len(windows)):
        sums = others + Sums.of(components[beside(windows, window)])
        if (refused := _refused(sums, known)) is not None:
            return refused
        references.append(sums.reference(known.weights_sha256))
    probabilities = known.probabilities(heard.rows, np.stack([reference.offset() for reference in references]))
    use = VoiceUse(recordings=min(reference.recordings for reference in references), used=True)
    return answer(heard, probabilities, options, model=known, gate=gate, voice=use)


def _clips(heard: Heard, known: Known) -> Float32Array:
    """Clips of a recording for a reference: components of windows with speech that do not overlap, float32 [n, c]."""
    return components_in(heard.rows, known)[apart(heard.spoken_windows)]


def _refused(sums: Sums, known: Known) -> VoiceUse | None:
    """Why the reference of these clips is not used."""
    if sums.clips == 0:
        return VoiceUse(recordings=0, used=False, reason=NOBODY_ELSE)
    problem = known.problem(sums.reference(known.weights_sha256))
    return None if problem is None else VoiceUse(recordings=sums.clips, used=False, reason=problem)
