"""Knowing the voice: what a speaker's recordings have in common, taken off each of them.

Emotions are changes of a voice. A reference is the mean embedding of some recordings of one speaker, whatever they
express; no labels are needed. The mean of a few recordings says as much of what they express as of who speaks, so it is
shrunk towards the mean of all speakers: of k recordings it counts for k / (k + `SHRINKAGE_RECORDINGS`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

# Takes positions of training clips [n] and a source of randomness, and gives inputs float32 [n, width].
DrawInputs = Callable[[np.ndarray, np.random.Generator], np.ndarray]

SHRINKAGE_RECORDINGS = 3.0


@dataclass(frozen=True)
class VoiceReference:
    """What is known of a voice.

    Attributes:
        mean: of the embeddings of its recordings, float32 [width].
        recordings: how many they are; of none, the mean does not count.
    """

    mean: np.ndarray
    recordings: int

    @classmethod
    def of(cls, embeddings: np.ndarray) -> Self:
        """Reference of one speaker's embeddings float32 [n, width]."""
        count = len(embeddings)
        return cls(embeddings.mean(axis=0) if count else np.zeros(embeddings.shape[1], np.float32), count)

    def relative(self, embeddings: np.ndarray, general: np.ndarray) -> np.ndarray:
        """Embeddings float32 [..., width] less the shrunk mean of this voice.

        Args:
            embeddings: of recordings of this voice; one that is part of a small reference seems calmer than it is.
            general: mean of all training clips, float32 [width].
        """
        share = np.float32(self.recordings / (self.recordings + SHRINKAGE_RECORDINGS))
        return embeddings - (share * self.mean + (1 - share) * general)


class VoiceRelative:
    """Embeddings relative to other recordings of the same speaker: in training, and to judge what a reference gains.

    A clip is never part of its own reference.
    """

    def __init__(self, embeddings: np.ndarray, speakers: Sequence[str], *, general: np.ndarray) -> None:
        """Group clips by their speakers.

        Args:
            embeddings: float32 [n, width].
            speakers: of each.
            general: mean of all training clips, float32 [width].
        """
        self._embeddings = embeddings
        self._general = general
        _, self._voice = np.unique(np.asarray(speakers), return_inverse=True)
        self._clips = [np.flatnonzero(self._voice == voice) for voice in range(self._voice.max() + 1)]
        self._sums = np.stack([embeddings[clips].sum(axis=0, dtype=np.float64) for clips in self._clips])

    def reference(self, clip: int, recordings: int | None, random: np.random.Generator) -> VoiceReference:
        """Reference for a clip: so many other recordings of its speaker, drawn; all of them if None or if fewer."""
        own = self._clips[self._voice[clip]]
        others = len(own) - 1
        if recordings is None or recordings >= others:
            total = self._sums[self._voice[clip]] - self._embeddings[clip]
            return VoiceReference((total / max(others, 1)).astype(np.float32), others)
        drawn = random.choice(others, recordings, replace=False)
        drawn += drawn >= np.searchsorted(own, clip)  # skips the clip itself
        return VoiceReference.of(self._embeddings[own[drawn]])

    def relative(
        self, clips: Sequence[int] | np.ndarray, recordings: Sequence[int | None], random: np.random.Generator
    ) -> np.ndarray:
        """Embeddings of some clips, each relative to a reference of so many recordings: float32 [clips, width]."""
        return np.stack(
            [
                self.reference(clip, count, random).relative(self._embeddings[clip], self._general)
                for clip, count in zip(clips, recordings, strict=True)
            ]
        )

    def draw(self, recordings: Sequence[int | None]) -> DrawInputs:
        """For training: each clip relative to a reference of a size drawn from these."""

        def draw(members: np.ndarray, random: np.random.Generator) -> np.ndarray:
            sizes = random.integers(len(recordings), size=len(members))
            return self.relative(members, [recordings[size] for size in sizes], random)

        return draw
