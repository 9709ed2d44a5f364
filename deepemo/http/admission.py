"""Where requests wait: so many at once, so many bytes, and the others are turned away at the door."""

import asyncio
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect

from deepemo.audio.io.decode import Recording, read_mono
from deepemo.errors import DecodeError, TooLongError
from deepemo.http.metrics import Observations
from deepemo.http.picture import Picture, draw
from deepemo.http.problems import ProblemError
from deepemo.http.settings import Settings
from deepemo.serving.batching import Batcher, one_thread_a_product
from deepemo.serving.reasons import TOO_LONG, UNDECODABLE
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.results import Recognition


class Place:
    """A request's place at the desk, and the bytes it holds."""

    def __init__(self, desk: "Desk") -> None:
        self.held = 0
        self._desk = desk

    def hold(self, count: int) -> None:
        """Take bytes.

        Raises:
            ProblemError: the server holds as many as it may.
        """
        self._desk.take(count)
        self.held += count


class Desk:
    """Admits requests, and has their recordings recognized in threads, off the event loop."""

    def __init__(self, recognizer: Recognizer, settings: Settings, observations: Observations) -> None:
        """Start the threads."""
        one_thread_a_product()
        self._settings = settings
        self._observations = observations
        self._batcher = Batcher(
            recognizer.model.probabilities, batch_windows=settings.batch_windows, on_batch=observations.batch
        )
        self._recognizer = recognizer.with_predict(self._batcher)
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="recognize")
        self._in_flight = 0
        self._held = 0
        self._usual_seconds = 0.1

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for one request, given back at the end whatever happens.

        Raises:
            ProblemError: all are taken.
        """
        self.check_free()
        self._in_flight += 1
        self._observations.in_flight.set(self._in_flight)
        place = Place(self)
        try:
            yield place
        finally:
            self._in_flight -= 1
            self._observations.in_flight.set(self._in_flight)
            self.take(-place.held)

    def check_free(self) -> None:
        """Check that a place is free.

        Raises:
            ProblemError: all are taken.
        """
        if self._in_flight >= self._settings.workers + self._settings.waiting:
            raise self._busy(f"{self._in_flight} recordings are being received or worked on")

    def take(self, count: int) -> None:
        """Count bytes in; negative ones out."""
        if count > 0 and self._held + count > self._settings.held_bytes:
            raise self._busy(f"{self._held} bytes of uploads are in memory")
        self._held += count
        self._observations.held_bytes.set(self._held)

    async def recognize(
        self,
        content: bytes,
        *,
        timeline: bool,
        hop_seconds: float,
        min_confidence: float | None,
        picture: bool,
        channel: int | None,
        gone: Awaitable[None],
    ) -> tuple[Recognition, Picture | None]:
        """Recognize the content of a sound file; draw it too if wanted.

        Args:
            content: of the file.
            timeline: as for `Recognizer.recognize`.
            hop_seconds: likewise.
            min_confidence: likewise.
            picture: whether to draw it.
            channel: which one to hear, as for `Recognizer.recognize`.
            gone: comes true when nobody waits for the answer any more; work not yet begun is dropped then.

        Raises:
            ProblemError: it cannot be read, or is too long.
            ClientDisconnect: it was dropped.
        """
        work = self._threads.submit(
            self._work,
            content,
            timeline=timeline,
            hop_seconds=hop_seconds,
            min_confidence=min_confidence,
            picture=picture,
            channel=channel,
        )
        answer = asyncio.wrap_future(work)
        watch = asyncio.ensure_future(gone)
        both: set[asyncio.Future[Any]] = {answer, watch}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and work.cancel():
                raise ClientDisconnect
            return await answer
        finally:
            watch.cancel()

    def close(self) -> None:
        """Finish what was begun, then end the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._batcher.close()

    def _work(
        self,
        content: bytes,
        *,
        timeline: bool,
        hop_seconds: float,
        min_confidence: float | None,
        picture: bool,
        channel: int | None,
    ) -> tuple[Recognition, Picture | None]:
        began = time.perf_counter()
        recording = self._read(content, channel)
        recognition = self._recognizer.hear(
            recording, timeline=timeline, hop_seconds=hop_seconds, min_confidence=min_confidence
        )
        drawn = draw(recording.mono(), recording.rate_hz) if picture and len(recording.samples) else None
        seconds = time.perf_counter() - began
        self._usual_seconds += 0.1 * (seconds - self._usual_seconds)
        self._observations.answered(recognition, seconds)
        return recognition, drawn

    def _read(self, content: bytes, channel: int | None) -> Recording:
        try:
            return read_mono(content, max_seconds=self._settings.max_seconds, channel=channel)
        except TooLongError as error:
            self._observations.unreadable(TOO_LONG)
            raise ProblemError(TOO_LONG, str(error)) from error
        except DecodeError as error:
            self._observations.unreadable(UNDECODABLE)
            raise ProblemError(UNDECODABLE, str(error)) from error

    def _busy(self, detail: str) -> ProblemError:
        self._observations.turned_away.inc()
        seconds = max(1, round(self._in_flight * self._usual_seconds / self._settings.workers))
        return ProblemError("busy", detail, headers={"Retry-After": str(seconds)})
