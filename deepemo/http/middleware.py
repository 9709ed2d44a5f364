"""Steps for every request: check its host, origin and API key, add security headers, count it, and end it properly."""

import asyncio
import hmac
import logging
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepemo.http.metrics import ServerMetrics
from deepemo.http.problems import ProblemError

_LOG = logging.getLogger(__name__)
API_PREFIX = "/v1"
# Time for which the rest of a body is read after its request was refused.
LINGER_SECONDS = 1.0

# The page loads only its own files and talks only to its own server; recordings play from memory.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), interest-cohort=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class HostGuard:
    """Middleware that refuses requests for other hosts or from pages of other sites, and adds security headers."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...], origins: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its host and its origin are right."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/v1") else "no-cache")
            await send(message)

        refusal = self.refusal(scope)
        if refusal is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason})
            return
        if refusal is not None:
            await refusal.to_response()(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def refusal(self, scope: Scope) -> ProblemError | None:
        """Why a request is refused; None if it is allowed."""
        headers = Headers(scope=scope)
        host = host_name(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            return ProblemError("wrong_host", f"found {host[:80]!r}, expected one of {sorted(self._hosts)}")
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            # Other sites may link to the page and its files, but cannot read the responses.
            is_link = headers.get("sec-fetch-mode") == "navigate"
            if is_link or not scope["path"].startswith(API_PREFIX):
                return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins:
            return None
        if site is not None:
            # Browsers set `Sec-Fetch-Site` themselves; behind a proxy, `Origin` may differ from the `Host` sent here.
            own = site in ("none", "same-origin")
        else:
            own = origin is None or origin.lower().partition("://")[2] == headers.get("host", "").lower()
        found = f"{origin or ''} {site or ''}".strip()[:80]
        return None if own else ProblemError("cross_site", f"found {found!r}, expected this server's own page")


def host_name(header: str) -> str:
    """A Host header without its port, in lower case.

    >>> host_name("[::1]:8000"), host_name("LOCALHOST")
    ('[::1]', 'localhost')
    """
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdecimal() else header).lower()


class CloseAfterRefusal:
    """The outermost middleware: it closes the connection of a request that is answered before its whole body was read.

    The rest of the body is read and dropped for a moment, because a client whose connection is closed while it sends
    may not see the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and watch how much of it is read."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
            return
        complete = False

        async def watch() -> Message:
            nonlocal complete
            message = await receive()
            complete = complete or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def drop_rest() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    while not complete:
                        await watch()

        closes = False

        async def send_closing(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start" and not complete:
                closes = True
                MutableHeaders(scope=message)["Connection"] = "close"
            if closes and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await drop_rest()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, watch, send_closing)


class AnswerFailures:
    """The innermost middleware: it answers unexpected errors with a problem document, and logs each once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], _route(scope))
            if begun:
                # The client must not take half an answer for a whole one.
                raise
            await ProblemError("internal").to_response()(scope, receive, send)


class CountRequests:
    """Middleware that counts every request by the route that answered it, never by the address in the request."""

    METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        seconds: float | None = None
        status = 0  # if the client disconnects before an answer begins

        async def watch(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                seconds = time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            method = scope["method"] if scope["method"] in self.METHODS else "other"
            taken = time.perf_counter() - began if seconds is None else seconds
            self._metrics.count_request(method, _route(scope), status, taken)


def _route(scope: MutableMapping[str, Any]) -> str:
    return getattr(scope.get("route"), "path", None) or "none"


class ApiKey(HTTPBearer):
    """Dependency that requires `Authorization: Bearer <key>`."""

    def __init__(self, key: str) -> None:
        super().__init__(scheme_name="ApiKey", description="Required if the server has a key", auto_error=False)
        self._key = key.encode()

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Check the key of a request.

        Raises:
            ProblemError: the request has no key, or a wrong one.
        """
        shown = await super().__call__(request)
        given = shown.credentials.encode("latin-1") if shown else b""  # as headers are decoded
        if not hmac.compare_digest(given, self._key):
            raise ProblemError(
                "no_key",
                "expected the header Authorization: Bearer <key>",
                headers={"WWW-Authenticate": 'Bearer realm="deepemo"'},
            )
