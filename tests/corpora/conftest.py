"""A server on loopback that misbehaves as told, and records its requests."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from deepemo.corpora.download.http import Patience


@dataclass
class Page:
    """One address: its content, and the faults of its first answers, in turn. Later answers are correct."""

    content: bytes
    faults: list[Callable[["Handler", "Page"], None]] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"one"'
    content_type: str = "application/octet-stream"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        # A client writes a letter outside ASCII as its bytes: %C3%A9.
        page = self.server.pages.get(self.path) or self.server.pages.get(unquote(self.path))
        with self.server.lock:
            self.server.asked.append((self.path, self.headers.get("Range")))
            fault = page.faults.pop(0) if page and page.faults else None
        if page is None:
            self.answer(404, b"no such file")
        elif fault:
            fault(self, page)
        else:
            self.behave(page)

    def behave(self, page: Page) -> None:
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, page.etag)
        headers = {"Content-Type": page.content_type, **({"ETag": page.etag} if page.etag else {})}
        if not (asked and page.ranges and same):
            self.answer(200, page.content, headers)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(page.content):
            self.answer(416, b"")
            return
        headers["Content-Range"] = f"bytes {start}-{len(page.content) - 1}/{len(page.content)}"
        self.answer(206, page.content[start:], headers)

    def answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, declared: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if declared is None else declared))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if declared is not None and declared != len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.lock = threading.Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def put(self, path: str, content: bytes, *faults: Callable[[Handler, Page], None], **properties: Any) -> str:
        """Serve a file, its first answers with faults; its address."""
        self.pages[path] = Page(content, list(faults), **properties)
        return self.url(path)

    def counts(self) -> Counter[str]:
        return Counter(path for path, _ in self.asked)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about clients that went away."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def impatient() -> Patience:
    return Patience(
        attempts=4,
        backoff_seconds=0.01,
        longest_wait_seconds=0.05,
        connect_seconds=1,
        silence_seconds=0.3,
        min_bytes_per_second=10_000,
        rate_window_seconds=0.2,
    )


@pytest.fixture
def unhurried(impatient: Patience) -> Patience:
    """As soon with the next attempt, but a busy machine is not taken for a silent server."""
    return replace(impatient, connect_seconds=30, silence_seconds=30, rate_window_seconds=30)


class Faults:
    """Ways to misbehave, each for one answer."""

    @staticmethod
    def status(code: int, **headers: str) -> Callable[[Handler, Page], None]:
        """Answer with a status and without the file."""
        return lambda handler, page: handler.answer(
            code, b"sorry", {k.replace("_", "-"): v for k, v in headers.items()}
        )

    @staticmethod
    def cut_after(size_bytes: int) -> Callable[[Handler, Page], None]:
        """Declare the whole size and end the connection early."""
        return lambda handler, page: handler.answer(
            200, page.content[:size_bytes], {"ETag": page.etag}, declared=len(page.content)
        )

    @staticmethod
    def understate(size_bytes: int) -> Callable[[Handler, Page], None]:
        """Declare a smaller size, and send only that much."""
        return lambda handler, page: handler.answer(200, page.content[:size_bytes], {"ETag": page.etag})

    @staticmethod
    def body(content: bytes, content_type: str = "application/octet-stream") -> Callable[[Handler, Page], None]:
        """Give something else instead."""
        return lambda handler, page: handler.answer(200, content, {"Content-Type": content_type})

    @staticmethod
    def stall(handler: Handler, page: Page) -> None:
        """Send half, then nothing."""
        half = len(page.content) // 2
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page.content)))
        handler.send_header("ETag", page.etag)
        handler.end_headers()
        handler.wfile.write(page.content[:half])
        handler.wfile.flush()
        time.sleep(0.6)
        handler.close_connection = True

    @staticmethod
    def drip(handler: Handler, page: Page) -> None:
        """Send a byte now and then."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page.content)))
        handler.end_headers()
        for byte in page.content[:40]:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.02)
        handler.close_connection = True

    @staticmethod
    def loop(handler: Handler, page: Page) -> None:
        """Redirect the client to the same address."""
        page.faults.append(Faults.loop)
        handler.answer(302, b"", {"Location": handler.path})


@pytest.fixture
def faults() -> type[Faults]:
    return Faults
