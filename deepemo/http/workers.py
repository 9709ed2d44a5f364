"""Several processes behind one port: started, watched, started again when they die, and ended together.

They share only the listening socket and the folder in which their metrics add up; each has a model of its own. This
module imports no web framework, so that the process that watches the others stays small.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import TYPE_CHECKING, Any

from deepemo.errors import InputError
from deepemo.http.server import EXIT_SECONDS, SHUTDOWN_SECONDS, STOPPED, Settings, run

if TYPE_CHECKING:
    from fastapi import FastAPI

_LOG = logging.getLogger(__name__)
# prometheus_client reads it when it is imported.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# If a worker dies so many times in a row, each time before it had been ready for `STEADY_SECONDS`, the server ends.
MOST_DEATHS = 3
STEADY_SECONDS = 60.0
# Time between a worker's checks whether it can still answer.
LOOK_SECONDS = 5.0
# Further time for a worker that did not end in its own time, before it is killed.
_GRACE_SECONDS = 2.0


class TurnTakingSocket(socket.socket):
    """A listening socket of several processes, which accepts one connection per turn of a process's event loop.

    asyncio accepts all waiting connections. If many clients came at once, the process that wakes first would get them
    all.
    """

    _took = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection; the next call raises the error of a socket at which none waits."""
        if self._took:
            self._took = False
            raise BlockingIOError("one connection a turn")
        accepted = super().accept()
        self._took = True
        return accepted


def serve_by_workers(
    load: Callable[[], "FastAPI"],
    bound: socket.socket,
    settings: Settings,
    *,
    count: int,
    on_ready: Callable[[], None],
    shutdown_seconds: float = SHUTDOWN_SECONDS,
) -> None:
    """Serve an application by several processes until this one is told to stop by SIGTERM or SIGINT.

    Args:
        load: makes the application, in each process; it is pickled.
        bound: from `bind`.
        settings: of the application, for each process.
        count: of the processes.
        on_ready: called once, when all of them are ready.
        shutdown_seconds: for requests that have begun. All processes end `EXIT_SECONDS` later at most.

    Raises:
        InputError: the application cannot be loaded, or a process died again and again.
        SystemExit: a process had to be ended while something still ran.
    """
    with tempfile.TemporaryDirectory(prefix="deepemo-metrics-") as metrics:
        os.environ[METRICS_VARIABLE] = metrics
        try:
            work = partial(_work, load, bound, settings, shutdown_seconds)
            _Supervisor(work, bound, metrics, on_ready).run(count, shutdown_seconds + EXIT_SECONDS + _GRACE_SECONDS)
        finally:
            del os.environ[METRICS_VARIABLE]


class _Worker:
    """One process, and its only message: that it serves, or why it cannot."""

    def __init__(self, number: int, work: Callable[[Connection], None], deaths: int) -> None:
        self.number = number
        self.deaths = deaths
        self.ready_at: float | None = None
        self.told, told = multiprocessing.Pipe(duplex=False)
        self.process: SpawnProcess = multiprocessing.get_context("spawn").Process(
            target=work, args=(told,), name=f"worker {number}"
        )
        self.process.start()
        told.close()

    def hear(self) -> None:
        """Receive its message.

        Raises:
            InputError: it cannot load the application.
        """
        try:
            problem: str | None = self.told.recv()
        except EOFError:  # it died; its sentinel says so
            return
        finally:
            self.told.close()
        if problem is not None:
            raise InputError(problem)
        self.ready_at = time.monotonic()

    def count_death(self) -> int:
        """Deaths in a row, this one included."""
        steady = self.ready_at is not None and time.monotonic() - self.ready_at >= STEADY_SECONDS
        return 1 if steady else self.deaths + 1

    @property
    def end(self) -> str:
        """How it ended, in words."""
        status = self.process.exitcode or 0
        if status >= 0:
            return f"ended with status {status}"
        return f"was killed by {signal.Signals(-status).name}"


class _Supervisor:
    """Starts workers and watches them."""

    def __init__(
        self, work: Callable[[Connection], None], bound: socket.socket, metrics: str, on_ready: Callable[[], None]
    ) -> None:
        self._work = work
        self._bound = bound
        self._metrics = metrics
        self._on_ready = on_ready
        self._workers: list[_Worker] = []
        self._announced = False
        self._stopped, self._stop = multiprocessing.Pipe(duplex=False)

    def run(self, count: int, end_seconds: float) -> None:
        """Start `count` workers and watch them until a signal arrives; then end all within `end_seconds`."""

        def stop(sig: int, frame: FrameType | None) -> None:
            self._stop.send(sig)

        handlers = {sig: signal.signal(sig, stop) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number in range(1, count + 1):
                self._workers.append(_Worker(number, self._work, deaths=0))
            while not self._stopped.poll():
                self._watch()
        finally:
            self._end(end_seconds)
            for sig, handler in handlers.items():
                signal.signal(sig, handler)
        if any(worker.process.exitcode not in (0, -signal.SIGTERM) for worker in self._workers):
            sys.exit(STOPPED)

    def _watch(self) -> None:
        """Wait for the next event, and handle it."""
        tellers = {worker.told: worker for worker in self._workers if not worker.told.closed}
        lives = {worker.process.sentinel: worker for worker in self._workers}
        happened = wait([self._stopped, *tellers, *lives])
        # Messages come first, so that the reason for which a worker ended is known.
        for told in tellers.keys() & set(happened):
            tellers[told].hear()
        if not self._announced and all(worker.ready_at is not None for worker in self._workers):
            self._announced = True
            self._on_ready()
        if self._stopped in happened:
            return
        for sentinel in lives.keys() & set(happened):
            self._replace(lives[sentinel])

    def _replace(self, dead: _Worker) -> None:
        from prometheus_client import multiprocess

        dead.process.join()
        deaths = dead.count_death()
        name = f"worker {dead.number} (process {dead.process.pid})"
        if deaths >= MOST_DEATHS:
            raise InputError(
                f"{name} {dead.end}, and so died {deaths} times in a row before it had been ready for "
                f"{STEADY_SECONDS:g} s; the server ends"
            )
        _LOG.warning("%s %s; it is started again", name, dead.end)
        # Its gauges no longer count; its counters stay.
        multiprocess.mark_process_dead(dead.process.pid, self._metrics)  # type: ignore[no-untyped-call]
        self._workers[self._workers.index(dead)] = _Worker(dead.number, self._work, deaths)

    def _end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        # New clients are refused, instead of waiting for processes that accept nobody any more.
        self._bound.close()
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()


# What follows runs in the workers.


def _work(
    load: Callable[[], "FastAPI"],
    bound: socket.socket,
    settings: Settings,
    shutdown_seconds: float,
    told: Connection,
) -> None:
    # Ctrl+C in a terminal reaches all processes. Until the server runs, only the supervisor reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard = _Guard()
    guard.start()
    try:
        app = load()
    except (InputError, OSError) as error:
        told.send(str(error))
        sys.exit(STOPPED)

    def tell_ready() -> None:
        told.send(None)
        told.close()
        guard.app = app

    shared = TurnTakingSocket(fileno=bound.detach())
    run(app, shared, settings, on_start=tell_ready, shutdown_seconds=shutdown_seconds)


class _Guard(threading.Thread):
    """Ends this process when its supervisor is gone, or when it can no longer answer recordings.

    Attributes:
        app: the application, once it is loaded.
    """

    def __init__(self) -> None:
        super().__init__(name="guard", daemon=True)
        self.app: FastAPI | None = None

    def run(self) -> None:
        """Check until there is a reason to end."""
        supervisor = multiprocessing.parent_process()
        assert supervisor is not None
        while not wait([supervisor.sentinel], LOOK_SECONDS):
            if self.app is not None and not self._is_healthy(self.app):
                _LOG.error("the thread that runs the model has died; this worker ends, to be started again")
                break
        os.kill(os.getpid(), signal.SIGTERM)

    @staticmethod
    def _is_healthy(app: "FastAPI") -> bool:
        from deepemo.http.app import is_healthy

        return is_healthy(app)
