"""Admission control: how many requests are served and how many bytes are held at once; others are refused with 503."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect

from deepemo.audio.io.decode import Recording
from deepemo.errors import DecodeError, InputError, TooLongError
from deepemo.http.metrics import ServerMetrics
from deepemo.http.picture import Picture, draw
from deepemo.http.problems import ProblemError
from deepemo.http.server import Settings
from deepemo.http.work import Work
from deepemo.serving.batching import Batcher
from deepemo.serving.containment import CancelledError
from deepemo.serving.decoders import Decoders, DecodingLimits
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason, Recognition
from deepemo.serving.sources import check_samples
from deepemo.serving.voice import VoiceReference
from deepemo.threads import one_thread_a_product

Done = TypeVar("Done")

# Time for work that was cancelled to notice it when the server stops.
CLOSE_SECONDS = 5.0


class Upload:
    """The bytes that a request holds while it is received and worked on."""

    def __init__(self, admission: "Admission") -> None:
        self.held = 0
        self._admission = admission

    def hold(self, count: int) -> None:
        """Count bytes as held by this request.

        Raises:
            ProblemError: the server holds as many as it may.
        """
        self._admission.hold(count)
        self.held += count


class Admission:
    """Admits requests, and recognizes their recordings in threads, off the event loop.

    Attributes:
        batched: the recognizer; all requests share its batches.
    """

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: ServerMetrics) -> None:
        """Start the threads."""
        one_thread_a_product()
        self._settings = settings
        self._metrics = metrics
        self._batcher = Batcher(
            recognizer.model.probabilities, batch_windows=settings.batch_windows, on_batch=metrics.count_batch
        )
        hear_voice: Batcher | None = None
        if recognizer.voice is not None:
            hear_voice = Batcher(
                recognizer.voice.hear, batch_windows=settings.batch_windows, on_batch=metrics.count_batch
            )
        self._hear = hear_voice
        self.batched = recognizer.with_predict(self._batcher, hear_voice)
        self._threads = ThreadPoolExecutor(settings.at_once, thread_name_prefix="recognize")
        limits = DecodingLimits(
            max_seconds=settings.max_seconds,
            max_channels=settings.max_channels,
            seconds=settings.decode_seconds,
            content_bytes=settings.max_upload_bytes,
        )
        self._decoders = Decoders(settings.at_once, limits, on_death=metrics.decoder_deaths.inc)
        self._decoders.start(settings.ready_decoders)
        self._works: set[Work] = set()
        self._receiving = 0
        self._working = 0
        self._held = 0
        self._usual_seconds = 0.1

    @property
    def is_alive(self) -> bool:
        """Whether the threads that run the model are alive."""
        return self._batcher.is_alive and (self._hear is None or self._hear.is_alive)

    @contextmanager
    def upload(self) -> Iterator[Upload]:
        """An upload that is arriving. It takes no slot, so that slow clients do not block others.

        Raises:
            ProblemError: no slot would be free for it.
        """
        self.check_free()
        self._count(receiving=1)
        try:
            with self.holding() as upload:
                yield upload
        finally:
            self._count(receiving=-1)

    @contextmanager
    def holding(self) -> Iterator[Upload]:
        """Count the bytes held inside the block, and release them at its end."""
        upload = Upload(self)
        try:
            yield upload
        finally:
            self.hold(-upload.held)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """A slot for one recording that has arrived, freed at the end of the block.

        Raises:
            ProblemError: no slot is free.
        """
        self.check_free()
        self._count(working=1)
        try:
            yield
        finally:
            self._count(working=-1)

    def check_free(self) -> None:
        """Check that a slot is free.

        Raises:
            ProblemError: there is none.
        """
        if self._working >= self._settings.at_once + self._settings.waiting:
            raise self._busy(f"{self._working} recordings are being worked on or wait")

    def hold(self, count: int) -> None:
        """Add to the bytes that all requests hold; a negative count takes bytes off.

        Raises:
            ProblemError: they would be more than are allowed.
        """
        if count > 0 and self._held + count > self._settings.held_bytes:
            raise self._busy(f"{self._held} bytes of uploads are in memory")
        self._held += count
        self._metrics.held_bytes.set(self._held)

    async def recognize(
        self,
        content: bytes,
        options: RecognitionOptions,
        *,
        picture: bool,
        voice: VoiceReference | None,
        disconnected: Awaitable[None],
    ) -> tuple[Recognition, Picture | None]:
        """Recognize the content of a sound file, and draw it if wanted.

        Args:
            content: of the file.
            options: of the recognition.
            picture: whether to draw the recording.
            voice: reference of the voice, if the client sent one.
            disconnected: is done once the client has disconnected; the work is dropped then.

        Raises:
            ProblemError: the recording cannot be read, is too long, or takes too long, or the reference is not of this
                model.
            ClientDisconnect: the work was dropped.
        """
        return await self._do(lambda work: self._recognize(work, content, options, picture, voice), disconnected)

    async def recognize_each(
        self, content: bytes, options: RecognitionOptions, *, picture: bool, disconnected: Awaitable[None]
    ) -> list[tuple[Recognition, Picture | None]]:
        """The same as `recognize`, for each channel of a recording; all of them are one piece of work.

        Args:
            content: of the file; it is decoded once for each channel, so that memory does not grow with their number.
            options: for each channel; `channel` is not used.
            picture: whether to draw each.
            disconnected: is done once the client has disconnected; the work is dropped then.

        Raises:
            ProblemError: one of the channels cannot be read, or they are too long or take too long together.
            ClientDisconnect: the work was dropped.
        """
        return await self._do(lambda work: self._recognize_each(work, content, options, picture), disconnected)

    async def make_reference(
        self, contents: Sequence[bytes], options: RecognitionOptions, *, disconnected: Awaitable[None]
    ) -> VoiceReference:
        """Make a reference of the contents of sound files of one voice.

        Raises:
            ProblemError: one of them cannot be read or is too long, the work takes too long, none has speech, or the
                model takes no references.
            ClientDisconnect: the work was dropped.
        """
        return await self._do(lambda work: self._make_reference(work, contents, options), disconnected)

    async def _do(self, job: Callable[[Work], Done], disconnected: Awaitable[None]) -> Done:
        """Do work in a thread, for as long as the client waits for it."""
        work = Work(self._settings.work_seconds)
        self._works.add(work)
        begun = self._threads.submit(self._run, work, job)
        watch = asyncio.ensure_future(disconnected)
        try:
            return await self._answer(work, begun, watch)
        except CancelledError as error:
            raise ClientDisconnect from error
        finally:
            work.gone.set()
            watch.cancel()
            self._works.discard(work)

    async def _answer(self, work: Work, begun: Future[Done], watch: asyncio.Future[None]) -> Done:
        answer = asyncio.wrap_future(begun)
        both: set[asyncio.Future[Any]] = {answer, watch}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            work.gone.set()
            if begun.cancel():
                raise CancelledError
        return await answer

    def read(self, content: bytes, options: RecognitionOptions, gone: Callable[[], bool]) -> Recording:
        """Decode the content of a sound file to one channel; blocks the caller's thread.

        Args:
            content: of the file.
            options: `channel` is used.
            gone: whether nobody waits for it any more; called now and then.

        Raises:
            ProblemError: it cannot be read, or is too long.
            CancelledError: `gone` returned True, or the server stops.
        """
        try:
            recording = self._decoders.read_mono(content, channel=options.channel, gone=gone)
            check_samples(recording.samples, "recording")
            return recording
        except TooLongError as error:
            self._metrics.count_unreadable(Reason.TOO_LONG)
            raise ProblemError(Reason.TOO_LONG, str(error)) from error
        except DecodeError as error:
            self._metrics.count_unreadable(Reason.UNDECODABLE)
            raise ProblemError(Reason.UNDECODABLE, str(error)) from error

    def recognizer_for(self, work: Work) -> Recognizer:
        """The recognizer, with batches that requests share, and a check of the work before each."""
        hear = None if self._hear is None else work.checking(self._hear)
        return self.batched.with_predict(work.checking(self._batcher), hear)

    def close(self) -> None:
        """Drop all work, and end threads and decoders; blocks for as long as the model runs on a batch."""
        for work in list(self._works):
            work.gone.set()
        self._decoders.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()
        if self._hear is not None:
            self._hear.close()

    def _run(self, work: Work, job: Callable[[Work], Done]) -> Done:
        began = time.perf_counter()
        self._metrics.queue_seconds.observe(began - work.submitted)
        work.begin()
        work.check()
        done = job(work)
        self._usual_seconds += 0.1 * (time.perf_counter() - began - self._usual_seconds)
        return done

    def _recognize(
        self,
        work: Work,
        content: bytes,
        options: RecognitionOptions,
        picture: bool,
        voice: VoiceReference | None,
        each: bool = False,
    ) -> tuple[Recognition, Picture | None]:
        began = time.perf_counter()
        work.check()
        recording = self.read(content, options, work.gone.is_set)
        work.check()
        if each:
            self._check_together(recording)
        try:
            recognition = self.recognizer_for(work).recognize_decoded(recording, options, voice)
        except InputError as error:
            raise ProblemError("bad_voice", str(error)) from error
        drawn = draw(recording.mono(), recording.rate_hz) if picture and len(recording.samples) else None
        self._metrics.count_answer(recognition, time.perf_counter() - began)
        return recognition, drawn

    def _recognize_each(
        self, work: Work, content: bytes, options: RecognitionOptions, picture: bool
    ) -> list[tuple[Recognition, Picture | None]]:
        def answer(channel: int) -> tuple[Recognition, Picture | None]:
            return self._recognize(work, content, replace(options, channel=channel), picture, None, each=True)

        first = answer(0)
        info = first[0].recording
        return [first, *map(answer, range(1, 1 if info is None else info.channels))]

    def _check_together(self, recording: Recording) -> None:
        """Refuse a recording whose channels together are longer than those of the longest recording in stereo."""
        together, most = recording.channels * recording.seconds, 2 * self._settings.max_seconds
        if together > most:
            self._metrics.count_unreadable(Reason.TOO_LONG)
            found = f"{recording.channels} channels of {recording.seconds:g} s, {together:g} s together"
            raise ProblemError(Reason.TOO_LONG, f"recording: {found}, expected at most {most:g} s if each is answered")

    def _make_reference(self, work: Work, contents: Sequence[bytes], options: RecognitionOptions) -> VoiceReference:
        def recordings() -> Iterator[Recording]:
            for content in contents:
                work.check()  # recordings without speech do not reach the model, where the work is checked too
                yield self.read(content, options, work.gone.is_set)

        try:
            return self.recognizer_for(work).reference_of(recordings(), options)
        except InputError as error:
            raise ProblemError("no_reference", str(error)) from error

    def _count(self, *, receiving: int = 0, working: int = 0) -> None:
        self._receiving += receiving
        self._working += working
        # A recording that is worked on still counts as received.
        self._metrics.in_flight.set(self._receiving)
        self._metrics.working.set(self._working)

    def _busy(self, detail: str) -> ProblemError:
        self._metrics.turned_away.inc()
        seconds = max(1, round(self._working * self._usual_seconds / self._settings.at_once))
        return ProblemError("busy", detail, headers={"Retry-After": str(seconds)})
