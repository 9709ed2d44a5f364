"""What a Dask worker runs: it hands chunks to processes of `deepemo.worker`, one for each of its threads."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any

from deepemo.errors import InputError
from deepemo.reproducible import pins, processor_flags

# Number of processes that may die with the same chunk.
_TRIES = 3


@dataclass(frozen=True)
class Packed:
    """The pickled items of a chunk. Dask sends their bytes as they are, without copying them into a pickle.

    Attributes:
        items: pickles.
        by_name: whether the items name files of the run's folder instead of holding their content.
    """

    items: Sequence[bytes | memoryview]
    by_name: bool = False

    def __reduce_ex__(self, protocol: Any) -> tuple[type[Packed], tuple[list[pickle.PickleBuffer], bool]]:
        return Packed, ([pickle.PickleBuffer(item) for item in self.items], self.by_name)


@dataclass(frozen=True)
class Place:
    """The folder of a run, and a file in it by which a worker finds out whether it sees the same folder.

    Attributes:
        folder: its absolute path.
        mark: the file, relative to the folder.
        content: of the file, which no other file has.
    """

    folder: Path
    mark: Path
    content: bytes

    def is_seen(self) -> bool:
        """Whether this process finds the file."""
        try:
            return (self.folder / self.mark).read_bytes() == self.content
        except OSError:
            return False


def work_on(task: bytes, items: Packed, *, place: Place, fast: bool) -> bytes | None:
    """Pickled results of a chunk, computed by a process of `deepemo.worker` that does only this work.

    None if the items name files that this machine does not find, or finds changed.

    TensorFlow's settings hold for a whole process, and Dask imports NumPy before a task could pin it. A separate
    process computes in the same way as the stage does.

    Args:
        task: the task, which `deepemo.worker` reads first.
        items: of a chunk.
        place: the folder of the run.
        fast: whether libraries are left unpinned, as on the asking machine.

    Raises:
        InputError: this worker runs other code or other packages, or the process died three times.
    """
    for _ in range(_TRIES):
        process = _process_for(task, place, fast)
        try:
            done, answer = process.ask(items)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            continue
        if not done:
            raise answer
        results: bytes | None = answer
        return results
    raise InputError(
        f"the Dask worker on {gethostname()}: {_TRIES} processes died over one chunk, the last with status "
        f"{process.close()}, perhaps for the memory they took"
    )


class _Process:
    """A process of `deepemo.worker`.

    Args:
        task: what it reads first.
        place: the folder of the run, which it reads next.
        fast: whether its libraries are left unpinned.
        share: its number among the processes of the Dask worker, and their number.
    """

    def __init__(self, task: bytes, place: Place, fast: bool, share: tuple[int, int]) -> None:
        self.of = (task, place, fast)
        here = str(Path(__file__).parents[1])
        environment = {
            **os.environ,
            **({} if fast else pins(processor_flags())),
            "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        command = [sys.executable, "-m", "deepemo.worker", *map(str, share)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._told = False

    def ask(self, items: Packed) -> tuple[bool, Any]:
        """Ask for the results of some items: whether there was no error, and the results as of `work_on` or the error.

        Raises:
            EOFError: the process died.
            UnpicklingError: it died while it answered.
            BrokenPipeError: it had died before.
        """
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        if not self._told:
            pickle.dump(self.of[0], to)
            pickle.dump(self.of[1], to)
            self._told = True
        pickle.dump(items, to, protocol=pickle.HIGHEST_PROTOCOL)
        to.flush()
        answer: tuple[bool, Any] = pickle.load(back)
        return answer

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def close(self) -> int:
        """Let the process end, and return its exit status."""
        with suppress(BrokenPipeError):
            self._process.communicate()
        return self._process.returncode


_of_this_thread = threading.local()
_numbers = itertools.count()


def _process_for(task: bytes, place: Place, fast: bool) -> _Process:
    """This thread's process for a task; a process for another task ends first."""
    from distributed import get_worker

    process: _Process | None = getattr(_of_this_thread, "process", None)
    if process is not None and process.alive and process.of == (task, place, fast):
        return process
    if process is not None:
        process.close()
    if not hasattr(_of_this_thread, "number"):
        _of_this_thread.number = next(_numbers)
    threads = get_worker().state.nthreads
    process = _of_this_thread.process = _Process(task, place, fast, (_of_this_thread.number % threads, threads))
    return process
