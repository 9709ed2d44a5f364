"""The voice gate: whether somebody speaks in a recording, decided from Silero's probabilities of speech."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array
from deepemo.audio.samples import at_level, resample
from deepemo.params import VoiceDecision
from deepemo.vad.silero import FRAME_SAMPLES, RATE_HZ, load_network

FRAME_SECONDS = FRAME_SAMPLES / RATE_HZ

# Every recording is scaled to this RMS, so that a quiet or distant voice counts as much as a near one.
ANALYSIS_DBFS = -22.0

# Silero gives screams and high shouts a low probability. Every recording is therefore analysed a second time, slower
# and lower in pitch by this factor, with its probabilities multiplied by this weight. docs/voice-gate.md has
# measurements.
SLOWDOWN = 1.5
SLOWED_WEIGHT = 0.5


@dataclass(frozen=True)
class VoiceReport:
    """How much speech a recording holds.

    Attributes:
        share: share of the 32 ms frames that count as speech.
        longest_seconds: duration of the longest run of such frames.
        is_voice: whether both values reach the limits of the decision.
    """

    share: float
    longest_seconds: float
    is_voice: bool


def detect_voice(samples: Float32Array, rate_hz: int, decision: VoiceDecision) -> VoiceReport:
    """Decide whether somebody speaks in a recording.

    Args:
        samples: float32 [n] mono, at any level.
        rate_hz: their sample rate.
        decision: the limits.

    Example:
        >>> decision = VoiceDecision(voice_threshold=0.25, min_voice_share=0.02, min_voice_seconds=0.48)
        >>> detect_voice(np.zeros(16_000, dtype=np.float32), 16_000, decision)
        VoiceReport(share=0.0, longest_seconds=0.0, is_voice=False)
    """
    return decide_voice(speech_probabilities(samples, rate_hz), decision)


def decide_voice(probabilities: Float32Array, decision: VoiceDecision) -> VoiceReport:
    """Apply the limits to the probabilities of speech of all frames.

    Args:
        probabilities: float32 [frames] in [0, 1], at least one.
        decision: the limits.

    Example:
        >>> decision = VoiceDecision(voice_threshold=0.5, min_voice_share=0.5, min_voice_seconds=0.06)
        >>> decide_voice(np.array([0.1, 0.9, 0.8, 0.2], dtype=np.float32), decision)
        VoiceReport(share=0.5, longest_seconds=0.064, is_voice=True)
    """
    is_speech = probabilities >= decision.voice_threshold
    share = float(is_speech.mean())
    longest_seconds = longest_run(is_speech) * FRAME_SECONDS
    return VoiceReport(
        share=share,
        longest_seconds=longest_seconds,
        is_voice=share >= decision.min_voice_share and longest_seconds >= decision.min_voice_seconds,
    )


def speech_probabilities(samples: Float32Array, rate_hz: int) -> Float32Array:
    """Probability of speech in each 32 ms frame: the higher one of the recording and of its slowed copy.

    Args:
        samples: float32 [n] mono, at any level.
        rate_hz: their sample rate.

    Returns:
        float32 [frames] in [0, 1], at least one; the last frame is padded with silence.
    """
    levelled = at_level(resample(samples, rate_hz, RATE_HZ), ANALYSIS_DBFS)
    as_recorded = _frame_probabilities(levelled)
    slowed = _frame_probabilities(resample(levelled, RATE_HZ, round(RATE_HZ * SLOWDOWN)))
    # The middle of each frame, as a position among the frames of the slowed copy.
    middles = (np.arange(len(as_recorded)) + 0.5) * SLOWDOWN - 0.5
    aligned = np.interp(middles, np.arange(len(slowed)), slowed).astype(np.float32)
    return np.maximum(as_recorded, np.float32(SLOWED_WEIGHT) * aligned)


def _frame_probabilities(samples: Float32Array) -> Float32Array:
    frames = max(1, -(-len(samples) // FRAME_SAMPLES))
    padded = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
    padded[: len(samples)] = samples
    return load_network()(padded)


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of true values in bool [n]; 0 if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0
