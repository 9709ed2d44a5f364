"""How a server is run: its limits, who may use it, and the address it listens at.

This module imports no web framework, so that the command line knows the limits without it.
"""

import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepemo.errors import InputError

if TYPE_CHECKING:
    from fastapi import FastAPI

MIB = 1 << 20
# Addresses of this machine alone, with the host names under which it is reached at them.
LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "localhost", "::1": "[::1]"}
SHUTDOWN_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits of a server, and who may use it.

    Attributes:
        max_upload_bytes: of one recording.
        max_seconds: of one recording.
        upload_seconds: in which an upload must have arrived.
        workers: recordings that are recognized at once, each in a thread.
        waiting: further ones that are received or wait; more are refused with 503.
        held_bytes: of all uploads in memory together; more are refused with 503.
        batch_windows: windows after which a batch is full.
        api_key: that clients must send; None lets everybody use the server.
        hosts: names under which the server answers, which keeps out pages of others whose names resolve to this
            machine (DNS rebinding); empty for any.
    """

    max_upload_bytes: int = 32 * MIB
    max_seconds: float = 300.0
    upload_seconds: float = 60.0
    workers: int = 4
    waiting: int = 32
    held_bytes: int = 256 * MIB
    batch_windows: int = 64
    api_key: str | None = None
    hosts: tuple[str, ...] = ()


def bind(host: str, port: int) -> socket.socket:
    """A socket that accepts no connection before the server listens at it.

    Raises:
        InputError: the address is taken or unknown.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror}") from error
    return bound


def address_of(host: str, bound: socket.socket) -> str:
    """Address of a server for browsers, such as `http://[::1]:8000`."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{bound.getsockname()[1]}"


def run(app: "FastAPI", bound: socket.socket) -> None:
    """Serve an application until the process is told to stop; requests that have begun are answered first."""
    import uvicorn  # of the extra `serve`, as the application is

    # uvicorn finishes what has begun, then sends itself the signal again: an exit that still tidies up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    config = uvicorn.Config(app, timeout_graceful_shutdown=SHUTDOWN_SECONDS, server_header=False)
    uvicorn.Server(config).run(sockets=[bound])
