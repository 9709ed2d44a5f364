"""Streams over WebSockets: sound as it arrives, an answer at each hop, and one for the whole recording at the end."""

import asyncio
import hmac
import json
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, Self, TypeVar

from fastapi import APIRouter, WebSocket
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.websockets import WebSocketDisconnect

from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import DecodeError, InputError, TooLongError, first_problem
from deepemo.http.admission import Admission
from deepemo.http.metrics import ServerMetrics
from deepemo.http.problems import PROBLEMS, TYPE_PREFIX, ProblemError
from deepemo.http.schemas import RecognitionResponse
from deepemo.http.server import Settings
from deepemo.http.uploads import read_reference
from deepemo.http.work import Work
from deepemo.serving.containment import CancelledError
from deepemo.serving.hearing import WINDOWS_AT_ONCE
from deepemo.serving.live import MOST_CHANNELS, LiveAnswer, LiveStream
from deepemo.serving.options import HOP_SECONDS, Channel, RecognitionOptions
from deepemo.serving.pcm import PcmFormat, PcmReader
from deepemo.serving.results import Reason, Recognition
from deepemo.serving.streamed import PcmSound, StreamedSound, StreamFormat, WebmSound
from deepemo.serving.webm import WebmDecoder

_LOG = logging.getLogger(__name__)
_Returned = TypeVar("_Returned")

# Codes of RFC 6455, 7.4.1, and 1013 of their registry at IANA: done, refused by a rule, failed here, come again later.
DONE, REFUSED, FAILED, LATER = 1000, 1008, 1011, 1013
_LATER = {"busy", "not_ready"}


class StreamStart(BaseModel):
    """The first message of a client, JSON as text: what it will send, and how it is to be answered."""

    model_config = ConfigDict(extra="forbid")

    format: StreamFormat
    rate_hz: int | None = Field(default=None, ge=LOWEST_RATE_HZ, le=HIGHEST_RATE_HZ, description="Of PCM")
    channels: int | None = Field(default=None, ge=1, le=MOST_CHANNELS, description="Of PCM; by default one")
    hop_seconds: float = Field(default=HOP_SECONDS, ge=0.25, le=60)
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    timeline: bool = True
    channel: Channel = Channel.MIX
    voice: dict[str, Any] | None = Field(default=None, description="Reference of the voice, as POST /v1/voice makes it")
    key: str | None = Field(default=None, description="The API key, which browsers cannot send as a header here")

    @model_validator(mode="after")
    def _says_what_it_must(self) -> Self:
        if self.format is StreamFormat.WEBM and (self.rate_hz, self.channels) != (None, None):
            raise ValueError("rate_hz and channels are told by WebM itself, expected neither")
        if self.format is not StreamFormat.WEBM and self.rate_hz is None:
            raise ValueError(f"{self.format} needs its rate_hz")
        return self

    def options(self, max_seconds: float) -> RecognitionOptions:
        """Options of the recognition."""
        return RecognitionOptions(
            timeline=self.timeline,
            hop_seconds=self.hop_seconds,
            min_confidence=self.min_confidence,
            max_seconds=max_seconds,
            channel=self.channel.number,
        )


class Streams:
    """The streams of a server: how many there are, and the threads that work on them."""

    def __init__(self, settings: Settings, metrics: ServerMetrics) -> None:
        """Start with no stream."""
        self._settings = settings
        self._metrics = metrics
        self._of_address: Counter[str] = Counter()
        # One thread for each stream at its hops, so that no stream waits for another one's decoder, and windows due at
        # the same time share a batch. A whole recognition is more work, so few are made at once.
        self._hops = ThreadPoolExecutor(settings.streams or 1, thread_name_prefix="hop")
        self._wholes = ThreadPoolExecutor(settings.at_once, thread_name_prefix="whole")

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """A place for one stream, freed at the end of the block.

        Raises:
            ProblemError: no place is free.
        """
        for where, count, most in (
            ("", self._of_address.total(), self._settings.streams),
            (" of one address", self._of_address[address], self._settings.streams_per_address),
        ):
            if count >= most:
                self._metrics.turned_away.inc()
                raise ProblemError("busy", f"{count} streams{where} already, expected at most {most}")
        self._of_address[address] += 1
        self._metrics.streams.set(self._of_address.total())
        try:
            yield
        finally:
            self._of_address[address] -= 1
            self._metrics.streams.set(self._of_address.total())

    async def at_hop(self, work: Callable[[], _Returned]) -> _Returned:
        """Do the work on a piece of a stream in a thread."""
        submitted = time.perf_counter()

        def begun() -> _Returned:
            self._metrics.live_queue_seconds.observe(time.perf_counter() - submitted)
            return work()

        return await asyncio.get_running_loop().run_in_executor(self._hops, begun)

    async def at_end(self, work: Callable[[], _Returned]) -> _Returned:
        """Do the work on a whole stream in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._wholes, work)

    def close(self) -> None:
        """End the threads after their current work."""
        for threads in (self._hops, self._wholes):
            threads.shutdown(wait=True, cancel_futures=True)


class _Session:
    """One stream and its client."""

    def __init__(self, socket: WebSocket, settings: Settings, metrics: ServerMetrics) -> None:
        self._socket = socket
        self._settings = settings
        self._metrics = metrics
        self._until = time.monotonic() + 2 * settings.max_seconds + settings.upload_seconds

    async def run(self, admission: Admission, streams: Streams) -> None:
        """Talk with the client until the stream ends.

        Raises:
            ProblemError: the stream is refused.
        """
        settings = self._settings
        start = self._start(await self._receive(settings.header_seconds))
        work = Work(settings.work_seconds)
        with admission.holding() as upload, self._sound(start, admission, work) as sound:
            await self._send(
                {
                    "type": "ready",
                    "max_seconds": settings.max_seconds,
                    "hop_seconds": start.hop_seconds,
                    "voice": None if sound.voice_use is None else sound.voice_use.to_dict(),
                }
            )
            while True:
                message = await self._receive(settings.idle_seconds)
                arrived = time.perf_counter()
                content = message.get("bytes")
                if content is not None and start.format is StreamFormat.WEBM:
                    # WebM is kept as it arrives. PCM needs no such limit, because its duration is limited.
                    if upload.held + len(content) > settings.max_upload_bytes:
                        raise ProblemError("too_large", f"more than {settings.max_upload_bytes} bytes of WebM")
                    upload.hold(len(content))
                answers = sound.end() if content is None else sound.hear(content)
                # A few at a time, because sending finds out whether the client has gone.
                some, is_over = partial(_take, answers), False
                while not is_over:
                    found = await streams.at_hop(some)
                    is_over = len(found) < WINDOWS_AT_ONCE
                    for answer in found:
                        await self._send({"type": "answer", **answer.to_dict()})
                        self._metrics.live_seconds.observe(time.perf_counter() - arrived)
                if content is None:
                    break
            recognition = await self._unless_gone(streams.at_end(partial(_recognition, sound, work)), work)
        self._metrics.count_answer(recognition, time.perf_counter() - arrived)
        whole = RecognitionResponse.of(recognition, None).to_dict()
        await self._send({"type": "recognition", **whole})
        await self._socket.close(DONE)

    async def _unless_gone(self, recognition: Awaitable[_Returned], work: Work) -> _Returned:
        """The result of work on the whole stream, which ends early if the client goes.

        Messages that the client still sends are dropped.

        Raises:
            CancelledError: the client has gone.
        """

        async def watch() -> None:
            while (await self._socket.receive())["type"] != "websocket.disconnect":
                pass
            work.gone.set()

        watching = asyncio.ensure_future(watch())
        try:
            return await recognition
        finally:
            watching.cancel()

    @contextmanager
    def _sound(self, start: StreamStart, admission: Admission, work: Work) -> Iterator[StreamedSound]:
        """The sound of the stream. At the end of the block it is closed, and any work on it is dropped."""
        settings = self._settings
        options = start.options(settings.max_seconds)
        voice = read_reference(None if start.voice is None else json.dumps(start.voice))
        recognizer = admission.recognizer_for(work)
        sound: StreamedSound
        if start.rate_hz is not None:
            channels = start.channels or 1
            live = LiveStream(recognizer, options, rate_hz=start.rate_hz, channels=channels, voice=voice)
            sound = PcmSound(live, PcmReader(PcmFormat(start.format), channels=channels))
        else:
            decoder = WebmDecoder(
                max_seconds=settings.max_seconds,
                seconds=settings.decode_seconds,
                on_death=self._metrics.decoder_deaths.inc,
            )
            sound = WebmSound(
                recognizer,
                options,
                decoder,
                read=lambda content: admission.read(content, options, work.gone.is_set),
                voice=voice,
            )
        try:
            yield sound
        finally:
            work.gone.set()
            sound.close()

    async def refuse(self, problem: ProblemError) -> None:
        """Tell the client why the stream ends, if it still listens."""
        status, title = PROBLEMS[problem.reason]
        content = {
            "type": "problem",
            "problem": TYPE_PREFIX + problem.reason,
            "title": title,
            "status": int(status),
            "reason": problem.reason,
            "detail": problem.detail,
        }
        code = LATER if problem.reason in _LATER else FAILED if problem.reason == "internal" else REFUSED
        with suppress(ProblemError, RuntimeError, WebSocketDisconnect):
            await self._send(content)
            await self._socket.close(code, problem.reason)

    def _start(self, message: dict[str, Any]) -> StreamStart:
        try:
            start = StreamStart.model_validate_json(message.get("text") or "")
        except ValidationError as error:
            raise ProblemError("bad_parameter", first_problem(error, whole="the first message")) from error
        if self._settings.api_key is not None:
            scheme, given = get_authorization_scheme_param(self._socket.headers.get("authorization"))
            in_header = given.encode("latin-1") if scheme.lower() == "bearer" else b""
            shown = in_header if start.key is None else start.key.encode()
            if not hmac.compare_digest(shown, self._settings.api_key.encode()):
                raise ProblemError("no_key", "expected the field key, or the header Authorization: Bearer <key>")
        return start

    async def _receive(self, seconds: float) -> dict[str, Any]:
        """The next message: its `text` or its `bytes`.

        Raises:
            ProblemError: none arrives in time.
            WebSocketDisconnect: the client has gone.
        """
        try:
            async with asyncio.timeout(min(seconds, self._until - time.monotonic())):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise ProblemError("too_slow", f"nothing came for {seconds:g} s, or the stream took too long") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", DONE))
        return {name: message[name] for name in ("text", "bytes") if message.get(name) is not None}

    async def _send(self, content: dict[str, Any]) -> None:
        """Send JSON.

        Raises:
            ProblemError: the client does not read.
        """
        try:
            async with asyncio.timeout(self._settings.write_seconds):
                await self._socket.send_text(json.dumps(content))
        except TimeoutError as error:
            raise ProblemError("too_slow", "the client does not read its answers") from error


def _take(answers: Iterator[LiveAnswer]) -> list[LiveAnswer]:
    """The next answers, as many as the model gives at once; fewer at the end."""
    return list(islice(answers, WINDOWS_AT_ONCE))


def _recognition(sound: StreamedSound, work: Work) -> Recognition:
    """The recognition of a whole stream, in a limited time."""
    work.begin()
    work.check()
    return sound.recognition()


def stream_router(settings: Settings, metrics: ServerMetrics) -> APIRouter:
    """The route of streams."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        session = _Session(socket, settings, metrics)
        admission, streams = socket.app.state.admission, socket.app.state.streams
        try:
            if admission is None:
                raise ProblemError("not_ready")
            with streams.place(socket.client.host if socket.client else ""):
                await session.run(admission, streams)
        except WebSocketDisconnect:
            pass
        except CancelledError:
            await session.refuse(ProblemError("not_ready"))
        except ProblemError as problem:
            await session.refuse(problem)
        except TooLongError as error:
            metrics.count_unreadable(Reason.TOO_LONG)
            await session.refuse(ProblemError(Reason.TOO_LONG, str(error)))
        except DecodeError as error:
            metrics.count_unreadable(Reason.UNDECODABLE)
            await session.refuse(ProblemError(Reason.UNDECODABLE, str(error)))
        except InputError as error:
            await session.refuse(ProblemError("bad_voice", str(error)))
        except Exception:
            _LOG.exception("a stream failed")
            await session.refuse(ProblemError("internal"))

    return router
