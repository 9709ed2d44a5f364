"""Processes with limits for files of unknown origin: a file that crashes or loops ends only its own process.

`ContainedProcess` is used by the process that starts one; `limit_process` is called in the started process.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair

import deepemo

MIB = 1 << 20
READY = b"ready"
# Most characters of such a process's message about a recording; whoever made the recording may control the message.
LONGEST_DETAIL = 1000
START_SECONDS = 120.0
# Memory that a process keeps between recordings; to get it from the system each time is slower than copying.
KEPT_BYTES = 32 * MIB
# glibc keeps the same amount.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES),
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
}
_LOOK_SECONDS = 0.1
_MOST_OPEN_FILES = 32


class CancelledError(Exception):
    """Nobody waits for the answer any more."""


class ContainedProcess:
    """A process that runs a module of this package, started at once; it ends when `connection` is closed.

    Attributes:
        connection: to the process, whose first message is `READY`.
    """

    def __init__(self, module: str, arguments: Sequence[int], *, passed: Sequence[int] = ()) -> None:
        """Start it as `python -m MODULE SOCKET ARGUMENTS`.

        Args:
            module: its name.
            arguments: further ones, after the number of the process's end of a pair of sockets.
            passed: numbers of open files that it inherits too.
        """
        root = str(Path(deepemo.__file__).parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        ours, theirs = socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *map(str, [theirs.fileno(), *arguments])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), *passed],
                env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)},
                # Ctrl+C in a terminal must reach only the server, which first finishes what has begun.
                start_new_session=True,
            )
        finally:
            theirs.close()
        self.connection = Connection(ours.detach())
        self._is_ready = False

    def wait_ready(self) -> None:
        """Wait until it is ready; after the first time, return at once.

        Raises:
            EOFError: the process died.
            OSError: the same.
            TimeoutError: it took too long.
        """
        if not self._is_ready:
            self.wait(START_SECONDS)
            self._is_ready = self.connection.recv_bytes(len(READY)) == READY

    def wait(self, seconds: float, gone: Callable[[], bool] = lambda: False) -> None:
        """Wait for a message.

        Raises:
            TimeoutError: none came in time.
            CancelledError: `gone`, which is called now and then, returned True.
        """
        until = time.monotonic() + seconds
        while not self.connection.poll(_LOOK_SECONDS):
            if time.monotonic() > until:
                raise TimeoutError
            if gone():
                raise CancelledError

    def end(self) -> int:
        """Kill the process, and return its exit status."""
        self._process.kill()
        self.connection.close()
        return self._process.wait()


def limit_process(memory_bytes: int, *, cpu_seconds: int | None = None) -> None:
    """Limit this process: memory beyond that in use, open and written files, core dumps, and processor time."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_OPEN_FILES, _MOST_OPEN_FILES))
    if cpu_seconds is not None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = round(used.ru_utime + used.ru_stime) + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
    if sys.platform == "linux":  # elsewhere, the memory in use is not known, and the limit does not hold
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + memory_bytes, held + memory_bytes))


def hush() -> None:
    """Discard what this process prints: messages of decoders about hostile files are of no use in a server's log."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
