"""Run a server: its limits, who may use it, and the address it listens at.

This module imports no web framework, so that the command line knows the limits without it.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from deepemo.errors import InputError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

MIB = 1 << 20
# Loopback addresses, with the host names of requests to them.
LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "localhost", "::1": "[::1]"}
# Time for requests that have begun, after which they are cancelled.
SHUTDOWN_SECONDS = 30.0
# Time after that for the process to end by itself.
EXIT_SECONDS = 10.0
RATE_SECONDS = 5.0
UNREAD_BYTES = 256 << 10
# Of a stream: five seconds at 48 kHz in single precision, more than a browser sends at once.
LARGEST_MESSAGE = MIB
# Exit status of a server that was ended while something still ran.
STOPPED = 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits of a server, and who may use it.

    Attributes:
        max_upload_bytes: of all recordings of a request together.
        max_seconds: of one recording.
        max_channels: of one recording.
        upload_seconds: time limit for an upload to arrive.
        min_bytes_per_second: least rate of an upload, over each `RATE_SECONDS`.
        header_seconds: time limit for the headers of a request to arrive.
        write_seconds: for which a client may leave its answer unread.
        connections: most at once; if there are more, the one that has waited longest for a request is closed.
        connections_per_address: most at once of one client's address.
        at_once: most recordings recognized at once, each in a thread, and decoded in a process of its own.
        waiting: most further recordings that wait; more are refused with 503.
        streams: most live streams at once; more are refused.
        streams_per_address: most live streams of one client's address.
        idle_seconds: time limit for further sound of a stream to arrive.
        ready_decoders: processes that are started before the first recording comes.
        decode_seconds: time limit for decoding a recording.
        work_seconds: time limit for the work on a recording, including decoding.
        held_bytes: most bytes of all uploads in memory together; more are refused with 503.
        batch_windows: windows after which a batch is full.
        api_key: that clients must send; None lets everybody use the server.
        hosts: names under which the server answers; empty for any. They keep out pages of other sites under names that
            resolve to this machine (DNS rebinding).
        origins: of other sites whose pages may use the server, such as `https://example.org`.
    """

    max_upload_bytes: int = 32 * MIB
    max_seconds: float = 300.0
    max_channels: int = 32
    upload_seconds: float = 60.0
    min_bytes_per_second: int = 4096
    header_seconds: float = 10.0
    write_seconds: float = 30.0
    connections: int = 512
    connections_per_address: int = 128
    at_once: int = 4
    waiting: int = 32
    streams: int = 16
    streams_per_address: int = 8
    idle_seconds: float = 20.0
    ready_decoders: int = 0
    decode_seconds: float = 20.0
    work_seconds: float = 60.0
    held_bytes: int = 256 * MIB
    batch_windows: int = 64
    api_key: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


def bind(host: str, port: int) -> socket.socket:
    """A socket that accepts no connection before the server listens at it.

    Raises:
        InputError: the address is taken or unknown.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Per connection; otherwise the system would keep megabytes for a client that does not read.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
        bound.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror}") from error
    return bound


def address_of(host: str, bound: socket.socket) -> str:
    """Address of a server for browsers, such as `http://[::1]:8000`."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{bound.getsockname()[1]}"


def configure(app: "FastAPI", settings: Settings, **named: Any) -> "uvicorn.Config":
    """Configuration of uvicorn to serve an application within the limits; further arguments are uvicorn's."""
    import uvicorn  # of the extra `serve`, as the application is

    from deepemo.http.connections import Connections, GuardedProtocol, GuardedSocket

    connections = Connections(settings)
    http: Any = partial(GuardedProtocol, connections=connections)
    ws: Any = partial(GuardedSocket, connections=connections)
    return uvicorn.Config(
        app,
        http=http,
        ws=ws,
        ws_max_size=LARGEST_MESSAGE,
        # A compressed message could unpack to a thousand times its size.
        ws_per_message_deflate=False,
        server_header=False,
        **named,
    )


def run(
    app: "FastAPI",
    bound: socket.socket,
    settings: Settings,
    *,
    on_start: Callable[[], None],
    shutdown_seconds: float = SHUTDOWN_SECONDS,
) -> None:
    """Serve an application until the process is told to stop; requests that have begun are answered first.

    Args:
        app: the application.
        bound: from `bind`.
        settings: of the application.
        on_start: called once clients can connect.
        shutdown_seconds: for requests that have begun. The process ends `EXIT_SECONDS` later at most, whatever runs.
    """
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_start()

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            super().handle_exit(sig, frame)
            # A thread inside the model cannot be interrupted, and Python waits for it at exit.
            last = threading.Timer(shutdown_seconds + EXIT_SECONDS, os._exit, (STOPPED,))
            last.daemon = True
            last.start()

    # uvicorn finishes what has begun, then raises the signal again. Unlike its default action, this exit cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = configure(app, settings, timeout_graceful_shutdown=shutdown_seconds)
    Server(config).run(sockets=[bound])
