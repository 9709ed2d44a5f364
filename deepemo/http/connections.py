"""Limits on connections, below HTTP: how many there are, and how long each may wait for its client.

A client that sends nothing, or half a request, holds a connection and nothing else. If connections run out, the one
that has waited longest for a request is closed, so that idle clients cannot shut out others.
"""

import asyncio
from collections import defaultdict
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from deepemo.http.server import Settings


class Connection(Protocol):
    """A connection that counts.

    Attributes:
        address: of the client.
        transport: its transport.
    """

    address: str
    transport: asyncio.Transport

    @property
    def idle_since(self) -> float | None:
        """Since when it may be closed for another one, by the clock of the event loop; None while it may not."""


class Connections:
    """The open connections of a server."""

    def __init__(self, settings: Settings) -> None:
        """Start with no connection."""
        self.settings = settings
        self._all: dict[Connection, None] = {}
        self._of_address: dict[str, dict[Connection, None]] = defaultdict(dict)

    def enter(self, connection: Connection) -> bool:
        """Count a new connection; False if there is no room for it."""
        same = self._of_address[connection.address]
        fits = self._room(same, self.settings.connections_per_address)
        if not fits or not self._room(self._all, self.settings.connections):
            return False
        self._all[connection] = None
        # Not `same`, which is forgotten if its last connection was closed for this one.
        self._of_address[connection.address][connection] = None
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a connection."""
        self._all.pop(connection, None)
        same = self._of_address[connection.address]
        same.pop(connection, None)
        if not same:
            del self._of_address[connection.address]

    def _room(self, among: dict[Connection, None], most: int) -> bool:
        if len(among) < most:
            return True
        waiting = (one for one in among if one.idle_since is not None)
        idle = min(waiting, key=lambda one: one.idle_since or 0.0, default=None)
        if idle is None:
            return False
        self.leave(idle)
        idle.transport.abort()
        return True


class GuardedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with time limits for the headers of a request, and for a client that does not read.

    Attributes:
        address: of the client.
        idle_since: when it began to wait for a request, by the clock of the event loop; None while one is answered.
    """

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.address = ""
        self.idle_since: float | None = None
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or close it at once if there are too many."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._wait_for_request()
        if not self._connections.enter(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_timer()
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive bytes, which may complete the headers of a request."""
        super().data_received(data)
        if self.idle_since is not None and self.cycle is not None and not self.cycle.response_complete:
            self.idle_since = None
            self._stop_timer()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection on to a `GuardedSocket`, which counts in its place."""
        self._stop_timer()
        self._connections.leave(self)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Wait for the next request. A connection that is closing is ended if its client does not read the answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_timer(self._connections.settings.write_seconds)
        elif self.cycle.response_complete:
            self._wait_for_request()

    def pause_writing(self) -> None:
        """The client does not read: start its time limit."""
        super().pause_writing()
        self._start_timer(self._connections.settings.write_seconds)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self.idle_since is None:
            self._stop_timer()
        else:
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        self.idle_since = self.loop.time()
        self._start_timer(self._connections.settings.header_seconds)

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class GuardedSocket(WSProtocol):
    """uvicorn's WebSocket with a time limit for a client that does not read.

    Attributes:
        address: of the client.
    """

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.address = ""
        self._connections = connections
        self._seconds = connections.settings.write_seconds
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle_since(self) -> float | None:
        """When it was told to close; None before. Its client may leave it open for some seconds more."""
        return None if self.close_timer is None else self.close_timer.when() - self.close_timeout

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, whose stream may still be refused; its `GuardedProtocol` has just made room."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._connections.enter(self)

    def pause_writing(self) -> None:
        """The client does not read: start its time limit, which is longer than that of its stream."""
        super().pause_writing()
        self._timer = self.loop.call_later(self._seconds + 1, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        self._connections.leave(self)
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
