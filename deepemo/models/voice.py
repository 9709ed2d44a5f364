"""Knowing the voice: what a speaker's recordings have in common is subtracted from each of them.

Emotions are changes of a voice. A reference is the mean of some recordings of one speaker, whatever emotions they
express; no labels are needed. The mean of only a few recordings depends on their emotions as much as on the speaker. It
is therefore shrunk towards the mean of all training clips, which is 0: the mean of k recordings is multiplied by
k / (k + `SHRINKAGE_RECORDINGS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deepemo.arrays import Float32Array, Float64Array, Int64Array
from deepemo.mapped import blocks, mapped

if TYPE_CHECKING:
    import pandas as pd

SHRINKAGE_RECORDINGS = 3.0
# The mean of fewer recordings depends more on what they express than on who speaks.
LEAST_RECORDINGS = 3


def offset(mean: Float32Array, recordings: int) -> Float32Array:
    """The offset of a voice, which is subtracted from the components of its clips.

    Args:
        mean: mean of the components of some recordings of the voice, float32 [components].
        recordings: number of these recordings.

    Returns:
        float32 [components]; 0 if there are no recordings.

    Example:
        >>> offset(np.array([4.0, -8.0], np.float32), recordings=9).tolist()
        [3.0, -6.0]
    """
    share = recordings / (recordings + SHRINKAGE_RECORDINGS)
    return (mean * np.float32(share)).astype(np.float32)


def deviation(components: Float32Array) -> float:
    """How much the recordings of a voice differ: the root mean square of their components' deviations.

    Args:
        components: of at least two recordings, float32 [n, components].

    Example:
        >>> deviation(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32))
        1.0
    """
    return float(np.sqrt(np.var(components, axis=0, ddof=1, dtype=np.float64).mean()))


def deviations(
    components: Float32Array, voices: Sequence[str], recordings: int, random: np.random.Generator
) -> Float64Array:
    """Deviations of references that have a given number of recordings, see `deviation`.

    One reference is drawn for each clip. Voices with fewer recordings are left out.

    Args:
        components: of the clips, float32 [n, components].
        voices: the voice of each clip, [n].
        recordings: number of recordings in each reference.
        random: draws the recordings.
    """
    found = []
    for own in _by_voice(voices):
        if len(own) < recordings:
            continue
        found += [deviation(components[random.choice(own, recordings, replace=False)]) for _ in own]
    return np.array(found)


def _by_voice(voices: Sequence[str]) -> list[Int64Array]:
    """Positions of the clips of each voice, in the order of the voices' names."""
    _, voice, counts = np.unique(np.asarray(voices), return_inverse=True, return_counts=True)
    return np.split(np.argsort(voice, kind="stable"), np.cumsum(counts)[:-1])


def voices_of(clips: pd.DataFrame) -> list[str]:
    """The voice of each clip: its corpus and speaker, because several corpora may use the same name for a speaker."""
    return [f"{corpus}/{speaker}" for corpus, speaker in zip(clips["corpus"], clips["speaker"], strict=True)]


class Voices:
    """Offsets of clips from other recordings of the same voice, for training and for judging what a reference gains.

    A clip is never part of its own reference. The sums of all voices are in a file, see `deepemo.mapped`.

    Attributes:
        components: of the clips, float32 [n, components].
    """

    def __init__(self, components: Float32Array, voices: Sequence[str]) -> None:
        """Group clips.

        Args:
            components: of the clips, float32 [n, components].
            voices: the voice of each clip, [n]; see `voices_of`.

        Raises:
            InputError: the disk is full.
        """
        self.components = components
        names, self._voice = np.unique(np.asarray(voices), return_inverse=True)
        self._order = np.argsort(self._voice, kind="stable")  # clips of each voice side by side
        self._counts = np.bincount(self._voice, minlength=len(names))
        self._starts = np.cumsum(self._counts) - self._counts
        self._place = np.empty(len(self._order), np.int64)  # position of each clip among those of its voice
        self._place[self._order] = np.arange(len(self._order)) - np.repeat(self._starts, self._counts)
        self._sums: Float64Array = mapped((len(names), components.shape[1]), np.float64)
        for rows in blocks(len(components)):
            np.add.at(self._sums, self._voice[rows], components[rows])

    def offsets(
        self, clips: Int64Array, recordings: int | None, random: np.random.Generator, *, width: int | None = None
    ) -> Float32Array:
        """Offsets of some clips, each from a number of other clips of its voice, or from all others if there are fewer.

        If the clips are given in blocks, one after the other and with the same generator, the offsets are the same as
        for all clips at once.

        Args:
            clips: positions [m].
            recordings: number of other clips that are drawn for each; None for all others.
            random: draws the other clips.
            width: number of components that are wanted, the first of all; None for all.

        Returns:
            float32 [m, width].
        """
        voice = self._voice[clips]
        others = self._counts[voice] - 1
        components = self.components[:, :width]
        total = self._sums[voice, :width] - components[clips]
        taken = others.copy()
        if recordings is not None:
            few = np.flatnonzero(others > recordings)
            for row in few:
                drawn = random.choice(others[row], recordings, replace=False, shuffle=False)
                drawn += drawn >= self._place[clips[row]]  # skips the clip itself
                members = self._order[self._starts[voice[row]] + drawn]
                total[row] = components[members].sum(axis=0)
            taken[few] = recordings
        mean = total / np.maximum(taken, 1)[:, np.newaxis]
        share = taken / (taken + SHRINKAGE_RECORDINGS)
        return (mean * share[:, np.newaxis]).astype(np.float32)
