"""Cut a recording into what the model hears as one clip each: all of it, or windows over it."""

from typing import NamedTuple

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import Recording
from deepemo.audio.samples import resample
from deepemo.models.family import FrontEnd
from deepemo.serving.timeline import window_starts

# About what one acted sentence takes, silence padding the rest of the clip as it did in training. Of the seconds of
# joined clips, windows of this length named 62.0 % rightly and windows of 3.5 s, a clip's, 55.6 % (511 seconds; the
# length was chosen on others). docs/serving.md has more.
SENTENCE_SECONDS = 2.5
# What is longer than a clip and no longer than this is likely one slow sentence, which windows of a clip's length hold
# better: of 93 such clips they named 69 % rightly, the shorter ones 63 %.
LONGEST_SENTENCE_SECONDS = 5.0


class Piece(NamedTuple):
    """Samples float32 [n] that the model hears as one clip, and where they start in the recording."""

    start_seconds: float
    samples: Float32Array
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate_hz

    @property
    def end_seconds(self) -> float:
        """Where they end."""
        return self.start_seconds + self.seconds


def cut(recording: Recording, front_end: FrontEnd, hop_seconds: float) -> list[Piece]:
    """Cut a recording.

    Args:
        recording: of one channel.
        front_end: the model's, which says how long a clip is and what does not count for its length.
        hop_seconds: from the start of one window to the next.

    Returns:
        One piece, as it came, if the recording fits into a clip once the silence at its ends is cut; else windows of
        equal length, in order, that cover it.
    """
    rate_hz = front_end.sample_rate_hz
    clip_samples = round(front_end.clip_seconds * rate_hz)
    samples = resample(recording.mono(), recording.rate_hz, rate_hz)
    trimmed = front_end.trim(samples)
    if len(trimmed) <= clip_samples:
        return [Piece(0.0, recording.mono(), recording.rate_hz)]
    window = clip_samples
    if len(trimmed) > LONGEST_SENTENCE_SECONDS * rate_hz:
        window = min(window, round(SENTENCE_SECONDS * rate_hz))
    starts = window_starts(len(samples), window=window, hop=round(hop_seconds * rate_hz))
    return [Piece(start / rate_hz, samples[start : start + window], rate_hz) for start in starts]
