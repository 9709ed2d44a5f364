"""The HTTP API and the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response, params
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.cors import CORSMiddleware

from deepemo.emotions import how_many
from deepemo.http.admission import CLOSE_SECONDS, Admission
from deepemo.http.documentation import FILE, FILES, MOST_RECORDINGS, REFUSED, VOICE, description_of, form_of, problems
from deepemo.http.metrics import ServerMetrics
from deepemo.http.middleware import AnswerFailures, ApiKey, CloseAfterRefusal, CountRequests, HostGuard
from deepemo.http.problems import ProblemError, install_handlers
from deepemo.http.schemas import ChannelsResponse, HealthResponse, ModelResponse, RecognitionResponse, VoiceResponse
from deepemo.http.server import Settings
from deepemo.http.streams import Streams, stream_router
from deepemo.http.uploads import FormLimits, Received, check_announced, read_reference, receive
from deepemo.serving.bundle import ClipLimits
from deepemo.serving.options import HOP_SECONDS, Channel, Channels, RecognitionOptions
from deepemo.serving.recognizer import Recognizer

PAGE = Path(__file__).with_name("page")
DESCRIPTION = """
Which of {emotions} emotions is heard in a recording of speech, or `unknown` with a reason.

Errors are problem details (RFC 9457) whose `reason` programs can rely on. Recordings stay in memory while they are
worked on and are not kept.
"""


def create_app(
    recognizer: Recognizer, about: dict[str, Any], *, card: str | None = None, settings: Settings | None = None
) -> FastAPI:
    """Make the application.

    Args:
        recognizer: to use.
        about: description of its model, see `deepemo.serving.about.describe`.
        card: its model card in Markdown, if there is one.
        settings: limits and key; by default those of `Settings`.
    """
    settings = settings or Settings()
    server_metrics = ServerMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        admission = Admission(recognizer, settings, server_metrics)
        streams = Streams(settings, server_metrics)
        app.state.admission, app.state.streams = admission, streams
        try:
            yield
        finally:
            app.state.admission = None
            # A thread inside the model cannot be interrupted; `server.run` ends the process in the end.
            with suppress(TimeoutError):
                closing = asyncio.gather(asyncio.to_thread(admission.close), asyncio.to_thread(streams.close))
                await asyncio.wait_for(closing, CLOSE_SECONDS)

    app = FastAPI(
        title="DeepEmo",
        version=about.get("version") or "unknown",
        description=DESCRIPTION.format(emotions=how_many(recognizer.model.emotions)),
        lifespan=lifespan,
        # Both pages load scripts from other hosts; docs/serving.md and /openapi.json have the same content.
        docs_url=None,
        redoc_url=None,
    )
    app.openapi = partial(description_of, app, recognizer.model.emotions)  # type: ignore[method-assign]
    app.state.admission = None
    install_handlers(app)
    # From the innermost to the outermost.
    app.add_middleware(AnswerFailures)
    if settings.origins:
        headers = ["Authorization"]
        app.add_middleware(CORSMiddleware, allow_origins=settings.origins, allow_methods=["*"], allow_headers=headers)
    app.add_middleware(HostGuard, hosts=settings.hosts, origins=settings.origins)
    app.add_middleware(CountRequests, metrics=server_metrics)
    app.add_middleware(CloseAfterRefusal)
    guarded = [Depends(ApiKey(settings.api_key))] if settings.api_key is not None else []
    app.include_router(_recognitions(settings, guarded))
    app.include_router(stream_router(settings, server_metrics))
    app.include_router(_model(about, card, settings=settings, limits=recognizer.limits, guarded=guarded))
    app.include_router(_operation(server_metrics, guarded))
    app.include_router(_page())
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return app


def is_healthy(app: FastAPI) -> bool:
    """Whether an application can answer recordings, now or once it has started."""
    admission = app.state.admission
    return not isinstance(admission, Admission) or admission.is_alive


def _admission(request: Request) -> Admission:
    admission = request.app.state.admission
    if not isinstance(admission, Admission):
        raise ProblemError("not_ready", headers={"Retry-After": "1"})
    return admission


def _recognitions(settings: Settings, guarded: list[params.Depends]) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["recognition"], dependencies=guarded)

    @router.post(
        "/recognitions",
        response_model=RecognitionResponse | ChannelsResponse,
        summary="Recognize the emotion in a recording",
        openapi_extra=form_of(file=FILE, voice=VOICE),
        responses=problems(
            **REFUSED,
            s422="Not a sound file (`undecodable`), an impossible parameter (`bad_parameter`), or no reference of this "
            "model's (`bad_voice`)",
        ),
    )
    async def recognize(
        request: Request,
        admission: Annotated[Admission, Depends(_admission)],
        timeline: Annotated[bool, Query(description="Whether a recording longer than a clip gets a timeline")] = True,
        hop_seconds: Annotated[
            float, Query(ge=0.25, le=60, description="Seconds from one window of the timeline to the next")
        ] = HOP_SECONDS,
        min_confidence: Annotated[
            float | None,
            Query(
                ge=0,
                le=1,
                description="Probability from which an emotion is answered; 0: always. By default what the "
                "pipeline's evaluation chose, see `/v1/model`",
            ),
        ] = None,
        picture: Annotated[bool, Query(description="Whether to draw waveform and spectrogram")] = False,
        channel: Annotated[
            Channels,
            Query(
                description="What is heard of several channels: their mix, the first or second alone, or each by "
                "itself; with `each`, the answer is a list in `recognitions`"
            ),
        ] = Channels.MIX,
    ) -> RecognitionResponse | ChannelsResponse:
        """Send a sound file as the part `file` of a form.

        With a reference of the speaker's voice in the part `voice`, the recording is compared with others of that
        voice. If the reference would do harm, it is not used, and the field `voice` says why.

        The answer is an emotion, or `unknown` with a reason: `too_short`, `silent`, `no_voice`, `unsure`.
        The answer to a damaged recording is for the part that could be read, with the remark `partial`.

        For a call with one speaker per channel, `channel=each` answers each channel as it would alone. All channels
        together may be as long as the longest recording in stereo. If one cannot be read, the whole request is refused.
        """
        options = RecognitionOptions(
            timeline=timeline,
            hop_seconds=hop_seconds,
            min_confidence=min_confidence,
            max_seconds=settings.max_seconds,
            channel=channel.number,
        )
        expected = FormLimits(most_files=1, takes_voice=True, max_bytes=settings.max_upload_bytes)
        async with _uploaded(request, admission, expected, settings) as form:
            voice = read_reference(form.voice)
            if voice is not None and channel is Channels.EACH:
                raise ProblemError("bad_parameter", "channel: each is of several speakers, expected no part 'voice'")
            gone = _disconnected(request)
            if channel is Channels.EACH:
                answers = await admission.recognize_each(form.files[0], options, picture=picture, disconnected=gone)
                return ChannelsResponse.of(answers)
            recognition, drawn = await admission.recognize(
                form.files[0], options, picture=picture, voice=voice, disconnected=gone
            )
        return RecognitionResponse.of(recognition, drawn)

    @router.post(
        "/voice",
        response_model=VoiceResponse,
        summary="Make a reference of a voice",
        openapi_extra=form_of(file=FILES),
        responses=problems(
            **REFUSED,
            s422="Not a sound file (`undecodable`), speech in none of them, or a model without references "
            "(`no_reference`)",
        ),
    )
    async def make_reference(
        request: Request,
        admission: Annotated[Admission, Depends(_admission)],
        channel: Annotated[
            Channel, Query(description="Which of several channels is heard: their mix, or the first or second alone")
        ] = Channel.MIX,
    ) -> Response:
        """Send recordings of one speaker, with any emotions, as parts `file` of a form.

        The answer is a reference of the voice, which the client keeps and sends with further recordings. The server
        does not keep it. References of the same model can be joined, see docs/knowing-the-voice.md.
        """
        options = RecognitionOptions(max_seconds=settings.max_seconds, channel=channel.number)
        expected = FormLimits(most_files=MOST_RECORDINGS, takes_voice=False, max_bytes=settings.max_upload_bytes)
        async with _uploaded(request, admission, expected, settings) as form:
            made = await admission.make_reference(form.files, options, disconnected=_disconnected(request))
        return Response(made.to_json(), media_type="application/json")

    return router


@asynccontextmanager
async def _uploaded(
    request: Request, admission: Admission, expected: FormLimits, settings: Settings
) -> AsyncIterator[Received]:
    """What a request sent, and a slot to work on it."""
    boundary = check_announced(request, expected)
    with admission.upload() as upload:
        form = await receive(
            request,
            boundary,
            expected=expected,
            seconds=settings.upload_seconds,
            min_bytes_per_second=settings.min_bytes_per_second,
            hold=upload.hold,
        )
        with admission.slot():
            yield form


async def _disconnected(request: Request) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.25)


def _model(
    about: dict[str, Any], card: str | None, *, settings: Settings, limits: ClipLimits, guarded: list[params.Depends]
) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["model"], dependencies=guarded)
    described = {
        **about,
        "accepts": {
            "max_upload_bytes": settings.max_upload_bytes,
            "max_seconds": settings.max_seconds,
            "voice_recordings": MOST_RECORDINGS if about.get("voice") else 0,
            "min_seconds": limits.min_seconds,
            "silent_below_dbfs": limits.silent_below_dbfs,
        },
        "has_card": card is not None,
    }

    @router.get(
        "/model",
        response_model=ModelResponse,
        summary="The model that answers, and where it comes from",
        responses=problems(s401="The API key is missing or wrong"),
    )
    async def model() -> dict[str, Any]:
        """Networks, data, figures, revision and limits: what answers are based on."""
        return described

    @router.get(
        "/model/card",
        response_class=PlainTextResponse,
        summary="The model card",
        responses={
            200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
            **problems(s401="The API key is missing or wrong", s404="There is none"),
        },
    )
    async def read_card() -> Response:
        """The model card in Markdown, as the pipeline's evaluation wrote it."""
        if card is None:
            raise ProblemError("no_card")
        return PlainTextResponse(card, media_type="text/markdown; charset=utf-8")

    return router


def _operation(server_metrics: ServerMetrics, guarded: list[params.Depends]) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get(
        "/healthz",
        response_model=HealthResponse,
        summary="Whether the server is alive",
        responses=problems(s503="It can no longer answer recordings, and must be started again"),
    )
    async def healthz(request: Request) -> dict[str, str]:
        if not is_healthy(request.app):
            raise ProblemError("unhealthy", "the thread that runs the model has died")
        return {"status": "ok"}

    @router.get(
        "/readyz",
        response_model=HealthResponse,
        summary="Whether the server takes recordings",
        responses=problems(s503="Starting, stopping, or too much to do"),
    )
    async def readyz(admission: Annotated[Admission, Depends(_admission)]) -> dict[str, str]:
        admission.check_free()
        return {"status": "ok"}

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="Counters for Prometheus",
        dependencies=guarded,
        responses=problems(s401="The API key is missing or wrong"),
    )
    async def metrics() -> Response:
        return Response(server_metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return router


def _page() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return FileResponse(PAGE / "icon.svg", media_type="image/svg+xml")

    return router
