"""Admission control: how many requests are served and how many bytes are held at once; others are refused with 503."""

import asyncio
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect

from deepemo.audio.io.decode import Recording, read_mono
from deepemo.errors import DecodeError, TooLongError
from deepemo.http.metrics import ServerMetrics
from deepemo.http.picture import Picture, draw
from deepemo.http.problems import ProblemError
from deepemo.http.server import Settings
from deepemo.serving.batching import Batcher, one_thread_a_product
from deepemo.serving.options import RecognitionOptions
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Reason, Recognition


class Slot:
    """The slot of an admitted request, and the bytes that it holds."""

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
    """Admits requests, and recognizes their recordings in threads, off the event loop."""

    def __init__(self, recognizer: Recognizer, settings: Settings, metrics: ServerMetrics) -> None:
        """Start the threads."""
        one_thread_a_product()
        self._settings = settings
        self._metrics = metrics
        self._batcher = Batcher(
            recognizer.model.probabilities, batch_windows=settings.batch_windows, on_batch=metrics.count_batch
        )
        self._recognizer = recognizer.with_predict(self._batcher)
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="recognize")
        self._in_flight = 0
        self._held = 0
        self._usual_seconds = 0.1

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A slot for one request, freed at the end of the block.

        Raises:
            ProblemError: no slot is free.
        """
        self.check_free()
        self._in_flight += 1
        self._metrics.in_flight.set(self._in_flight)
        slot = Slot(self)
        try:
            yield slot
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.set(self._in_flight)
            self.hold(-slot.held)

    def check_free(self) -> None:
        """Check that a slot is free.

        Raises:
            ProblemError: there is none.
        """
        if self._in_flight >= self._settings.workers + self._settings.waiting:
            raise self._busy(f"{self._in_flight} recordings are being received or worked on")

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
        self, content: bytes, options: RecognitionOptions, *, picture: bool, disconnected: Awaitable[None]
    ) -> tuple[Recognition, Picture | None]:
        """Recognize the content of a sound file, and draw it if wanted.

        Args:
            content: of the file.
            options: of the recognition.
            picture: whether to draw the recording.
            disconnected: is done once the client has disconnected; work that has not begun is dropped then.

        Raises:
            ProblemError: the recording cannot be read, or is too long.
            ClientDisconnect: the work was dropped.
        """
        work = self._threads.submit(self._work, content, options, picture)
        answer = asyncio.wrap_future(work)
        watch = asyncio.ensure_future(disconnected)
        both: set[asyncio.Future[Any]] = {answer, watch}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and work.cancel():
                raise ClientDisconnect
            return await answer
        finally:
            watch.cancel()

    def close(self) -> None:
        """Finish what has begun, then end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()

    def _work(self, content: bytes, options: RecognitionOptions, picture: bool) -> tuple[Recognition, Picture | None]:
        began = time.perf_counter()
        recording = self._read(content, options)
        recognition = self._recognizer.recognize_decoded(recording, options)
        drawn = draw(recording.mono(), recording.rate_hz) if picture and len(recording.samples) else None
        seconds = time.perf_counter() - began
        self._usual_seconds += 0.1 * (seconds - self._usual_seconds)
        self._metrics.count_answer(recognition, seconds)
        return recognition, drawn

    def _read(self, content: bytes, options: RecognitionOptions) -> Recording:
        try:
            return read_mono(content, max_seconds=options.max_seconds, channel=options.channel)
        except TooLongError as error:
            self._metrics.count_unreadable(Reason.TOO_LONG)
            raise ProblemError(Reason.TOO_LONG, str(error)) from error
        except DecodeError as error:
            self._metrics.count_unreadable(Reason.UNDECODABLE)
            raise ProblemError(Reason.UNDECODABLE, str(error)) from error

    def _busy(self, detail: str) -> ProblemError:
        self._metrics.turned_away.inc()
        seconds = max(1, round(self._in_flight * self._usual_seconds / self._settings.workers))
        return ProblemError("busy", detail, headers={"Retry-After": str(seconds)})
