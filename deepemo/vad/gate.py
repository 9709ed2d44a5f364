"""The second model: whether a human voice speaks in a recording, by Silero VAD."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepemo.audio.decode import resample
from deepemo.audio.levels import at_level
from deepemo.vad.silero import FRAME_SAMPLES, RATE_HZ, load_network

FRAME_SECONDS = FRAME_SAMPLES / RATE_HZ

# Every recording is heard at this RMS, so that a far or quiet voice counts as much as a near one.
HEARING_DBFS = -22.0

# Silero does not hear a scream or a high shout as speech. So every recording is heard a second time, this much slower
# and therefore lower, and what is heard then counts by this factor. What all three are worth: docs/voice-gate.md.
SLOWER = 1.5
SLOWER_TRUST = 0.5


@dataclass(frozen=True)
class VoiceReport:
    """How much speech was heard.

    Attributes:
        share: share of the 32 ms frames that count as speech.
        longest_seconds: longest run of such frames.
        is_voice: whether that is enough to say that somebody speaks.
    """

    share: float
    longest_seconds: float
    is_voice: bool


@dataclass(frozen=True, kw_only=True)
class VoiceGate:
    """Decides whether somebody speaks; safe to share between threads and to send to processes.

    Attributes:
        threshold: probability from which a frame counts as speech.
        min_share: share of the frames that must.
        min_seconds: longest run of such frames that must be reached.
    """

    threshold: float
    min_share: float
    min_seconds: float

    def __call__(self, samples: npt.NDArray[np.float32], rate_hz: int) -> VoiceReport:
        """Report on float32 [frames] mono at any rate."""
        return self.judge(speech_probabilities(samples, rate_hz))

    def judge(self, probabilities: npt.NDArray[np.float32]) -> VoiceReport:
        """Report on the probabilities of speech, float32 [frames]."""
        spoken = probabilities >= self.threshold
        share = float(spoken.mean())
        longest_seconds = longest_run(spoken) * FRAME_SECONDS
        return VoiceReport(
            share=share,
            longest_seconds=longest_seconds,
            is_voice=share >= self.min_share and longest_seconds >= self.min_seconds,
        )


def speech_probabilities(samples: npt.NDArray[np.float32], rate_hz: int) -> npt.NDArray[np.float32]:
    """Probability of speech in each 32 ms frame, heard as recorded and slower.

    Args:
        samples: float32 [n] mono, at any level.
        rate_hz: their rate.

    Returns:
        float32 [frames] in [0, 1], one at least; the last frame is padded with silence.
    """
    heard = at_level(resample(samples, rate_hz, RATE_HZ), HEARING_DBFS)
    as_recorded = _hear(heard)
    slower = _hear(resample(heard, RATE_HZ, round(RATE_HZ * SLOWER)))
    middles = (np.arange(len(as_recorded)) + 0.5) * SLOWER - 0.5
    in_step = np.interp(middles, np.arange(len(slower)), slower).astype(np.float32)
    return np.maximum(as_recorded, np.float32(SLOWER_TRUST) * in_step)


def _hear(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    frames = max(1, -(-len(samples) // FRAME_SAMPLES))
    padded = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
    padded[: len(samples)] = samples
    return load_network()(padded)


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of true values in bool [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0
