"""Errors of the API as problem details (RFC 9457), with a reason code that programs can rely on."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from deepemo.serving.results import Reason

MEDIA_TYPE = "application/problem+json"
# The client went away: nobody reads this status, but it is counted. The number is that of nginx.
CLIENT_GONE = 499
TYPE_PREFIX = "urn:deepemo:problem:"

# By reason: the status, and the title that is the same each time.
PROBLEMS = {
    Reason.UNDECODABLE: (HTTPStatus.UNPROCESSABLE_ENTITY, "The upload is not a sound file that can be read"),
    Reason.TOO_LONG: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The recording is longer than is accepted"),
    "too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The upload is larger than is accepted"),
    "too_slow": (HTTPStatus.REQUEST_TIMEOUT, "The upload did not arrive in time"),
    "bad_upload": (HTTPStatus.BAD_REQUEST, "The upload is not the form that is expected"),
    "not_a_form": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The request is not multipart/form-data"),
    "bad_parameter": (HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is not possible"),
    "bad_voice": (HTTPStatus.UNPROCESSABLE_ENTITY, "The reference of the voice cannot be read"),
    "no_reference": (HTTPStatus.UNPROCESSABLE_ENTITY, "No reference of a voice can be made"),
    "no_card": (HTTPStatus.NOT_FOUND, "This model has no card"),
    "no_key": (HTTPStatus.UNAUTHORIZED, "The API key is missing or wrong"),
    "cross_site": (HTTPStatus.FORBIDDEN, "Pages of other sites may not use this server"),
    "wrong_host": (HTTPStatus.MISDIRECTED_REQUEST, "This server does not answer under that name"),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "The server has too much to do; ask again later"),
    "too_much_work": (HTTPStatus.SERVICE_UNAVAILABLE, "The work on the recording took too long"),
    "unhealthy": (HTTPStatus.SERVICE_UNAVAILABLE, "The server must be started again"),
    "not_ready": (HTTPStatus.SERVICE_UNAVAILABLE, "The server is starting or stopping"),
    "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong in the server"),
}


class ProblemError(Exception):
    """A request is refused."""

    def __init__(self, reason: str, detail: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        """Refuse for one of `PROBLEMS`; the detail says what was found and what was expected."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})

    def to_response(self) -> JSONResponse:
        """The answer to send."""
        status, title = PROBLEMS[self.reason]
        return problem_response(status, self.reason, title, detail=self.detail, headers=self.headers)


def problem_response(
    status: int,
    reason: str,
    title: str,
    *,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document as a response."""
    content: dict[str, Any] = {
        "type": TYPE_PREFIX + reason,
        "title": title,
        "status": int(status),
        "reason": reason,
    }
    if detail:
        content["detail"] = detail
    return JSONResponse(content, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Answer every error of an app with a problem document."""

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> JSONResponse:
        return error.to_response()

    @app.exception_handler(RequestValidationError)
    async def _bad_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
        details = (f"{found['loc'][-1]}: {found['msg']}" for found in error.errors())
        return ProblemError("bad_parameter", "; ".join(details)).to_response()

    @app.exception_handler(HTTPException)
    async def _by_status(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        reason = status.phrase.lower().replace(" ", "_")
        return problem_response(status, reason, status.phrase, headers=error.headers)

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=CLIENT_GONE)
