"""An ordered, bounded map on a Dask cluster, by chunks that may be computed anywhere and more than once.

A chunk is sent as one pickle, and its results come back as one pickle. If all workers see the folder of the run, the
chunk names recordings; otherwise it holds their bytes. The results are kept in a folder of this machine until the map
is done, under a digest of the code, the work and the chunk, so that an interrupted run goes on from there.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import pickle
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from deepemo.cluster_worker import Packed, Place, work_on
from deepemo.code import code_digest
from deepemo.errors import InputError, extra
from deepemo.files import RESUME, explained_full_disk, written_whole
from deepemo.reproducible import FAST

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
# A worker that is busy for so long is taken for one that does not see the folder of the run.
_LOOK_SECONDS = 10


def map_on_cluster(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    name: str,
    chunk: int,
    start: Callable[[], None] | None = None,
    carry: Callable[[Any], Any] | None = None,
) -> Iterator[Result]:
    """Results in the order of the items, computed by the cluster whose scheduler `DASK_SCHEDULER_ADDRESS` names.

    If a worker dies, another one computes its chunk again, up to three times. The workers are Dask's own; they need an
    environment of the same requirements.lock and the same revision of this package.

    Args:
        work: see `deepemo.parallel.map_clips`.
        items: picklable, with everything that they need, except what `carry` adds.
        name: of the stage; finished results are kept in `.resume/clips/<name>` until the map is done.
        chunk: maximum number of items that a worker takes at once.
        start: called once in each process that works, before `work` is unpickled there.
        carry: turns an item that names a file into one that holds its content, for workers that do not see the folder
            of the run under its path. On workers that do, items are unpickled in that folder.

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
        for results in _Chunks(client, address, kept, task, carry).map(items, chunk):
            yield from pickle.loads(results)
    finally:
        client.close(timeout=_POLL_SECONDS)
    shutil.rmtree(kept)


class _Submitted(NamedTuple):
    """A chunk in progress, or one that an earlier run has finished.

    Attributes:
        path: of its kept results.
        future: of its results; None if they are kept.
        group: the items that it names; empty if it holds their content.
    """

    path: Path
    future: Future | None
    group: Sequence[Any]


class _Chunks:
    """Chunks in progress on a cluster."""

    def __init__(
        self, client: Client, address: str, kept: Path, task: bytes, carry: Callable[[Any], Any] | None
    ) -> None:
        self._client = client
        self._address = address
        self._kept = kept
        self._digest = hashlib.sha256(task)
        self._carry = carry
        # The work is a task of its own: workers fetch it once, and the scheduler has it computed again if those that
        # have it die.
        self._task = client.submit(_same, task, key=f"deepemo-task-{self._digest.hexdigest()}")
        self._threads, self._asked_at = 0, -math.inf
        self._place = _marked(kept)
        self._by_name = carry is not None and self._is_seen_by_all()

    def map(self, items: Iterable[Any], most: int) -> Iterator[bytes]:
        """Pickled results of items, in their order, by chunks; results that an earlier run kept are used again.

        Args:
            items: taken as room becomes free.
            most: items of a chunk.
        """
        pending: deque[tuple[int, _Submitted]] = deque()
        held_bytes, stream = 0, iter(items)
        while group := list(islice(stream, most)):
            for packed in self._packed(group):
                size_bytes = sum(map(len, packed.items))
                pending.append((size_bytes, self._submit(packed, group if packed.by_name else ())))
                held_bytes += size_bytes
                room = max(2, AHEAD * self._count_threads())
                while len(pending) >= room or (held_bytes > HELD_BYTES and len(pending) > 1):
                    oldest_bytes, oldest = pending.popleft()
                    held_bytes -= oldest_bytes
                    yield from self._results(oldest)
        for _, submitted in pending:
            yield from self._results(submitted)

    def _packed(self, group: Sequence[Any]) -> Iterator[Packed]:
        """Items as one chunk by their names, or with what they need in chunks of at most `CHUNK_BYTES`.

        A chunk of a single item may be larger.
        """
        if self._by_name:
            yield Packed([_pickled(item) for item in group], by_name=True)
            return
        packed: list[bytes] = []
        size_bytes = 0
        for item in group:
            one = _pickled(item if self._carry is None else self._carry(item))
            if packed and size_bytes + len(one) > CHUNK_BYTES:
                yield Packed(packed)
                packed, size_bytes = [], 0
            packed.append(one)
            size_bytes += len(one)
        yield Packed(packed)

    def _workers(self) -> dict[str, Any]:
        try:
            workers: dict[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        except OSError as error:
            raise self._ended(f"went away ({_words(error)})") from error
        return workers

    def _count_threads(self) -> int:
        """Number of threads of all workers, as the scheduler reported in the last seconds."""
        if time.monotonic() - self._asked_at > _POLL_SECONDS:
            self._threads = sum(worker["nthreads"] for worker in self._workers().values())
            self._asked_at = time.monotonic()
        return self._threads

    def _is_seen_by_all(self) -> bool:
        """Whether all workers see the folder of the run. If there are none yet, the first is waited for."""
        try:
            self._client.wait_for_workers(1, timeout=NO_WORKER_SECONDS)
        except TimeoutError:
            raise self._ended(f"had no worker for {NO_WORKER_SECONDS} s") from None
        except (OSError, CancelledError) as error:
            raise self._ended(f"went away ({_words(error)})") from error
        looks = [
            self._client.submit(Place.is_seen, self._place, workers=[name], pure=False) for name in self._workers()
        ]
        end = time.monotonic() + _LOOK_SECONDS
        try:
            return all(look.result(timeout=max(0.1, end - time.monotonic())) for look in looks)
        except TimeoutError:
            return False
        except (OSError, CancelledError) as error:
            raise self._ended(f"went away ({_words(error)})") from error

    def _submit(self, packed: Packed, group: Sequence[Any]) -> _Submitted:
        digest = self._digest.copy()
        digest.update(b"by name" if packed.by_name else b"whole")
        for item in packed.items:
            digest.update(hashlib.sha256(item).digest())
        path = self._kept / f"{digest.hexdigest()}.pickle"
        if path.exists():
            return _Submitted(path, None, group)
        fast = os.environ.get(FAST) == "1"
        key = f"deepemo-clips-{digest.hexdigest()}"
        return _Submitted(
            path, self._client.submit(work_on, self._task, packed, place=self._place, fast=fast, key=key), group
        )

    def _results(self, submitted: _Submitted) -> Iterator[bytes]:
        """Pickled results of a chunk.

        Workers that join later may not find the files that its items name. Their content is sent then, and that of all
        later items.
        """
        results = self._result(submitted)
        if results is not None:
            yield results
            return
        self._by_name = False
        for packed in self._packed(submitted.group):
            yield from self._results(self._submit(packed, ()))

    def _result(self, submitted: _Submitted) -> bytes | None:
        if submitted.future is None:
            return submitted.path.read_bytes()
        results = self._wait(submitted.future)
        if results is not None:
            with explained_full_disk(submitted.path), written_whole(submitted.path) as partial:
                partial.write_bytes(results)
        return results

    def _wait(self, future: Future) -> bytes | None:
        from distributed import KilledWorker

        seen = time.monotonic()
        while True:
            try:
                results: bytes | None = future.result(timeout=_POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    raise  # an error of the work itself
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


def _marked(kept: Path) -> Place:
    """The folder of the run, with a new mark in the folder of finished results."""
    place = Place(Path.cwd(), kept / f"{secrets.token_hex(8)}.mark", secrets.token_bytes(16))
    with explained_full_disk(place.mark):
        place.mark.write_bytes(place.content)
    return place


def _pickled(item: Any) -> bytes:
    return pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)


def _words(error: BaseException) -> str:
    """The error in one line."""
    return (str(error) or type(error).__name__).strip().splitlines()[0]


def _same(task: bytes) -> bytes:
    return task
