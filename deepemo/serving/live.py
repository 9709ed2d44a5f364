"""Recognize emotions while somebody speaks: an answer at each hop, and one for the whole recording at the end.

Windows start at the same times as those over a long recording (`windows.cut_windows`), so that each gets the same
answer as at the end. Until the first window is full, the answer is for all sound so far. At a hop, the last few seconds
decide whether somebody speaks in a window; at the end, all of the sound does.
"""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
import soxr
from pydantic import Field

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.blocks import FULL_RATE_HZ
from deepemo.audio.io.decode import Recording, choose_channel
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import InputError, TooLongError
from deepemo.serving.hearing import WINDOWS_AT_ONCE, is_heard
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Recognition, Span, Value, VoiceUse
from deepemo.serving.sources import check_samples
from deepemo.serving.timeline import Interval, to_span
from deepemo.serving.voice import VoiceReference
from deepemo.serving.windows import SENTENCE_SECONDS, Window, has_speech
from deepemo.vad.gate import speech_probabilities

CONTAINER = "PCM"
MOST_CHANNELS = 2
# Sound in which speech is looked for. It begins before the window, to set the level and to let the network settle.
CONTEXT_SECONDS = 6.0


class LiveAnswer(Value):
    """The answer at one hop."""

    window: Span
    """The last window, or all sound so far while no window is full; `no_voice` if nobody speaks in it."""
    is_full: bool
    """Whether the window has its full length, and so counts for the answer so far."""
    so_far: Span
    """The answer from the start up to here, as the mean over the full windows with speech."""
    heard_seconds: Annotated[float, Field(ge=0)]
    """Length of the sound received."""


class _Due(NamedTuple):
    """A window that can be answered, in samples of the model's rate."""

    start: int
    end: int
    is_full: bool


class LiveStream:
    """One stream of sound; only one thread at a time may call its methods."""

    def __init__(
        self,
        recognizer: Recognizer,
        options: RecognitionOptions,
        *,
        rate_hz: int,
        channels: int = 1,
        keeps: bool = True,
        voice: VoiceReference | None = None,
    ) -> None:
        """Start a stream.

        Args:
            recognizer: to use.
            options: of the recognition; `max_seconds` is the longest stream, see `blocks.FULL_RATE_HZ`.
            rate_hz: of the samples that will come.
            channels: of the samples. Answers at hops are for their mix; the options name the channel of the answer at
                the end.
            keeps: whether all samples are kept, for `finish`.
            voice: reference of the voice. Hops and the end are answered with it, if it is used; see `voice_use`.

        Raises:
            InputError: the rate or the number of channels is impossible.
        """
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            raise InputError(f"Bad rate_hz {rate_hz}, expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}")
        if not 1 <= channels <= MOST_CHANNELS:
            raise InputError(f"Bad channels {channels}, expected 1 to {MOST_CHANNELS}")
        self._windows = recognizer.on_windows(voice)
        model = self._windows.model
        front_end = model.front_end
        self._recognizer = recognizer
        self._options = options
        self._voice = voice
        self._threshold = model.threshold if options.min_confidence is None else options.min_confidence
        self._emotions = model.emotions
        self._rate_hz = rate_hz
        self._channels = channels
        self._model_hz = front_end.sample_rate_hz
        self._resampler = soxr.ResampleStream(rate_hz, self._model_hz, 1) if rate_hz != self._model_hz else None
        self._window = round(min(front_end.clip_seconds, SENTENCE_SECONDS) * self._model_hz)
        self._hop = round(options.hop_seconds * self._model_hz)
        self._most_frames = options.max_seconds * min(rate_hz, FULL_RATE_HZ)
        self._kept: list[Float32Array] | None = [] if keeps else None  # all that came, [frames, channels] each
        self._frames = 0
        self._recent: list[Float32Array] = []  # at the model's rate, from `_recent_start` to `_recent_end`
        self._recent_start = self._recent_end = 0
        self._next = self._after(None)
        self._known = np.zeros(len(self._emotions))  # sum of the probabilities of full windows with speech
        self._count = 0

    @property
    def voice_use(self) -> VoiceUse | None:
        """Whether the reference of the voice is used; None if there is none."""
        return self._windows.voice

    @property
    def seconds(self) -> float:
        """Length of the sound received."""
        return self._frames / self._rate_hz

    def add(self, samples: Float32Array) -> None:
        """Add sound, float32 [frames, channels] with full scale at 1.

        Raises:
            DecodeError: a sample is not a number of a possible size.
            TooLongError: the stream is longer than it may be.
        """
        check_samples(samples, "stream")
        if self._frames + len(samples) > self._most_frames:
            most = f"{self._most_frames / self._rate_hz:g} s, the most that is accepted at {self._rate_hz} Hz"
            raise TooLongError(f"stream: longer than {most}")
        if self._kept is not None:
            self._kept.append(samples)
        self._frames += len(samples)
        mono = samples.mean(axis=1)
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono)
        self._recent.append(mono)
        self._recent_end += len(mono)

    def answers(self) -> Iterator[LiveAnswer]:
        """Answers for all hops that are complete and not yet answered.

        Raises:
            InputError: the reference of the voice has another number of components than the network.
        """
        while due := self._due():
            recent = np.concatenate(self._recent)
            windows = [self._cut(one, recent) for one in due]
            spoken = [window for window in windows if window is not None]
            rows = self._windows.probabilities(spoken)
            found = iter(zip(rows, is_heard(rows), strict=True))
            for one, window in zip(due, windows, strict=True):
                probabilities, heard = (None, False) if window is None else next(found)
                yield self._answer(one, probabilities if heard else None)
            keep = max(0, self._next.start - round(CONTEXT_SECONDS * self._model_hz))
            keep = min(keep, self._recent_end)  # windows may be so far apart that the next one's start has not arrived
            # A copy, so that the samples before it are freed.
            self._recent = [recent[keep - self._recent_start :].copy()]
            self._recent_start = keep

    def finish(self) -> Recognition:
        """The recognition of all sound received, as for a file with the same samples.

        Raises:
            RuntimeError: the samples were not kept.
        """
        if self._kept is None:
            raise RuntimeError("the samples of this stream are not kept")
        samples = np.concatenate([np.zeros((0, self._channels), np.float32), *self._kept])
        self._kept = [samples]
        recording = Recording(samples, self._rate_hz, CONTAINER, self._channels)
        chosen = choose_channel(recording, self._options.channel)
        return self._recognizer.recognize_decoded(chosen, self._options, self._voice)

    def _due(self) -> list[_Due]:
        """The next windows that have arrived completely; at most a few."""
        found: list[_Due] = []
        while self._next.end <= self._recent_end and len(found) < WINDOWS_AT_ONCE:
            found.append(self._next)
            self._next = self._after(self._next)
        return found

    def _after(self, last: _Due | None) -> _Due:
        if last is not None and last.is_full:
            return _Due(last.start + self._hop, last.end + self._hop, True)
        end = self._hop if last is None else last.end + self._hop
        while end < self._recognizer.limits.min_seconds * self._model_hz:
            end += self._hop
        return _Due(0, end, False) if end < self._window else _Due(0, self._window, True)

    def _cut(self, due: _Due, recent: Float32Array) -> Window | None:
        """The window, cut from the samples from `_recent_start` on; None if nobody speaks in it."""
        first = max(self._recent_start, due.end - round(CONTEXT_SECONDS * self._model_hz), 0)
        context = recent[first - self._recent_start : due.end - self._recent_start]
        samples = context[due.start - first :]
        window = Window((due.start - first) / self._model_hz, samples, self._model_hz)
        speech = speech_probabilities(context, self._model_hz)
        clip_seconds = self._windows.model.front_end.clip_seconds
        return window if has_speech(window, speech, self._recognizer.gate, clip_seconds) else None

    def _answer(self, due: _Due, probabilities: Float64Array | None) -> LiveAnswer:
        start, end = due.start / self._model_hz, due.end / self._model_hz
        if probabilities is not None and due.is_full:
            self._known += probabilities
            self._count += 1
        mean = self._known / self._count if self._count else None if due.is_full else probabilities
        return LiveAnswer(
            window=to_span(Interval(start, end, probabilities), self._threshold, self._emotions),
            is_full=due.is_full,
            so_far=to_span(Interval(0.0, end, mean), self._threshold, self._emotions),
            heard_seconds=round(self.seconds, 3),
        )
