"""What is done for every request: check its host and its API key, add security headers, count it."""

import hmac
import time
from collections.abc import MutableMapping
from typing import Any

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepemo.http.metrics import ServerMetrics
from deepemo.http.problems import ProblemError

# The page loads its own files and talks to its own server alone; recordings play from memory.
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
    """Middleware that refuses requests for other hosts, and adds security headers to every answer."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if its host is right."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/v1") else "no-cache")
            await send(message)

        host = host_name(Headers(scope=scope).get("host", ""))
        if self._hosts and host not in self._hosts:
            refusal = ProblemError("wrong_host", f"found {host[:80]!r}, expected one of {sorted(self._hosts)}")
            await refusal.to_response()(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def host_name(header: str) -> str:
    """A Host header without its port, in lower case.

    >>> host_name("[::1]:8000"), host_name("LOCALHOST")
    ('[::1]', 'localhost')
    """
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdecimal() else header).lower()


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
        status = 0  # if the client disconnects before an answer begins

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            method = scope["method"] if scope["method"] in self.METHODS else "other"
            self._metrics.count_request(method, _route(scope), status, time.perf_counter() - began)


def _route(scope: MutableMapping[str, Any]) -> str:
    return getattr(scope.get("route"), "path", None) or "none"


class ApiKey(HTTPBearer):
    """Dependency that requires `Authorization: Bearer <key>`."""

    def __init__(self, key: str) -> None:
        super().__init__(scheme_name="ApiKey", description="Wanted where the server was given a key", auto_error=False)
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
