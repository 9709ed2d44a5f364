"""What stands before every route: names the server answers to, the key, and headers that browsers obey."""

import hmac

from fastapi import Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepemo.http.problems import ProblemError

# The page runs its own two files and talks to its own server; recordings play from memory.
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


class Guards:
    """Middleware: refuses requests for other hosts, and adds the headers to every answer."""

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
    """A Host header without its port, in lower case: `[::1]:8000` to `[::1]`."""
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdecimal() else header).lower()


class ApiKey(HTTPBearer):
    """Dependency that wants `Authorization: Bearer <key>`."""

    def __init__(self, key: str) -> None:
        super().__init__(scheme_name="ApiKey", description="Wanted where the server was given a key", auto_error=False)
        self._key = key.encode()

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        """Let a request in.

        Raises:
            ProblemError: it shows no key, or a wrong one.
        """
        shown = await super().__call__(request)
        given = shown.credentials.encode("latin-1") if shown else b""  # headers are decoded so
        if not hmac.compare_digest(given, self._key):
            raise ProblemError(
                "no_key",
                "expected the header Authorization: Bearer <key>",
                headers={"WWW-Authenticate": 'Bearer realm="deepemo"'},
            )
