"""Cut a recording into the clips that the model is run on: all of it, or windows over it."""

from typing import NamedTuple

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import Recording
from deepemo.audio.samples import resample
from deepemo.models.family import FrontEnd
from deepemo.params import VoiceDecision
from deepemo.vad.gate import decide_voice
from deepemo.vad.silero import FRAME_SAMPLES, RATE_HZ

FRAMES_PER_SECOND = RATE_HZ / FRAME_SAMPLES
# About the length of one acted sentence. Silence pads the rest of the clip, as in training. With windows of this
# length, 62.0 % of 511 seconds of joined clips were recognized correctly; with windows of 3.5 s, the length of a clip,
# 55.6 %. The length was chosen on other clips. More in docs/serving.md.
SENTENCE_SECONDS = 2.5
# A recording that is longer than a clip and no longer than this is probably one slow sentence. Windows of a clip's
# length suit it better: with them 69 % of 93 such clips were recognized correctly, with the shorter windows 63 %.
LONGEST_SENTENCE_SECONDS = 5.0


class Window(NamedTuple):
    """Samples float32 [n] that the model takes as one clip, and where they start in the recording."""

    start_seconds: float
    samples: Float32Array
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.samples) / self.rate_hz

    @property
    def end_seconds(self) -> float:
        """Where it ends in the recording."""
        return self.start_seconds + self.seconds


def window_starts(length: int, *, window: int, hop: int) -> list[int]:
    """First samples of windows that cover `length` samples. The last window ends at the last of these samples.

    >>> window_starts(10, window=4, hop=3)
    [0, 3, 6]
    >>> window_starts(11, window=4, hop=3)
    [0, 3, 6, 7]
    """
    if length <= window:
        return [0]
    last = length - window
    return [*range(0, last, hop), last]


def cut_windows(recording: Recording, front_end: FrontEnd, hop_seconds: float) -> list[Window]:
    """Cut a recording into windows.

    Args:
        recording: of one channel.
        front_end: of the model; gives the length of a clip, and trims what does not count towards it.
        hop_seconds: from the start of one window to the start of the next.

    Returns:
        One window with the unchanged recording, if it fits into a clip after the silence at its ends is cut off.
        Otherwise windows of equal length, in order, that cover the recording.
    """
    rate_hz = front_end.sample_rate_hz
    clip_samples = round(front_end.clip_seconds * rate_hz)
    samples = resample(recording.mono(), recording.rate_hz, rate_hz)
    trimmed = front_end.trim(samples)
    if len(trimmed) <= clip_samples:
        return [Window(0.0, recording.mono(), recording.rate_hz)]
    window = clip_samples
    if len(trimmed) > LONGEST_SENTENCE_SECONDS * rate_hz:
        window = min(window, round(SENTENCE_SECONDS * rate_hz))
    starts = window_starts(len(samples), window=window, hop=round(hop_seconds * rate_hz))
    return [Window(start / rate_hz, samples[start : start + window], rate_hz) for start in starts]


def frames_between(speech: Float32Array, start_seconds: float, end_seconds: float) -> Float32Array:
    """Frames of a stretch, at least one.

    Args:
        speech: probability of speech in each frame of 32 ms, float32 [frames].
        start_seconds: start of the stretch.
        end_seconds: end of the stretch.
    """
    first = min(int(start_seconds * FRAMES_PER_SECOND), len(speech) - 1)
    return speech[first : max(first + 1, int(np.ceil(end_seconds * FRAMES_PER_SECOND)))]


def has_speech(window: Window, speech: Float32Array, gate: VoiceDecision, clip_seconds: float) -> bool:
    """Whether there is speech in a part of a window; silence around that part does not matter.

    The parts are as long as a clip, and start a second apart. A window that is shorter than a clip has one part.

    Args:
        window: of the recording.
        speech: probability of speech in each frame of the recording, float32 [frames].
        gate: when frames count as speech.
        clip_seconds: length of a clip.
    """
    seconds = min(window.seconds, clip_seconds)
    starts = window.start_seconds + np.arange(int(np.ceil(window.seconds - seconds)) + 1)
    return any(decide_voice(frames_between(speech, start, start + seconds), gate).is_voice for start in starts)
