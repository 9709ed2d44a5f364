"""One ordered, bounded map over clips: in threads, in processes, or on a Dask cluster, with the same results.

If the environment has `DASK_SCHEDULER_ADDRESS`, the clips go to that cluster; otherwise they go to threads or processes
of this machine. The workers of a cluster need nothing but the installed packages: everything that a task needs is sent
with it, or is named if they see the folder of the run.
"""

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing.queues import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from tqdm import tqdm

from deepemo.cluster import ADDRESS, map_on_cluster
from deepemo.cores import keep_to_share
from deepemo.errors import InputError
from deepemo.threads import AHEAD, map_in_threads, ordered_map

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that a process, or a worker of a cluster, takes at once.
CHUNK = 32


def on_cluster() -> bool:
    """Whether the environment names a cluster."""
    return bool(os.environ.get(ADDRESS))


def map_clips(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    name: str,
    total: int | None,
    workers: int,
    in_processes: bool = False,
    chunk: int = CHUNK,
    ahead: int = AHEAD,
    start: Callable[[], None] | None = None,
    carry: Callable[[Any], Any] | None = None,
    unit: str = "clip",
    clips_in: Callable[[Result], int] = lambda result: 1,
) -> Iterator[Result]:
    """Results in the order of the items, whether computed in threads, in processes or on a Dask cluster.

    Items are taken as room becomes free. For processes and clusters, `work` and items are pickled. `work` is a function
    of a module, or an object that makes what it needs (a network, a traced function) when it is first called; it is
    unpickled once per worker. Results from a cluster are kept in `.resume/clips/<name>` until the map is done, so that
    the next run goes on from there.

    Args:
        work: called with each item. The same item must give the same result, wherever and however often it is computed.
        items: taken one by one, in the caller's thread.
        name: of the stage, for the progress bar.
        total: number of clips if it is known, for the progress bar.
        workers: threads or processes of this machine; a cluster has its own number.
        in_processes: whether to use processes instead of threads, for work that holds Python's lock. With one worker,
            this thread does the work in either case.
        chunk: items that a process, or a worker of a cluster, takes at once.
        ahead: items per thread, or chunks per process, that are in progress or waiting.
        start: called once before its first item in each process that works for this one.
        carry: turns an item that names a file into one that holds its content, for clusters that do not see the file.
        unit: what is counted, for the progress bar.
        clips_in: number of clips in a result, for the progress bar.

    Raises:
        InputError: the cluster cannot be reached, went away or gave up on a task; or a process was killed.
    """
    results: Iterable[Result]
    if on_cluster():
        results = map_on_cluster(work, items, name=name, chunk=chunk, start=start, carry=carry)
    elif workers == 1:
        results = map(work, items)
    elif in_processes:
        results = map_in_processes(work, items, workers=workers, chunk=chunk, ahead=ahead, start=start)
    else:
        results = map_in_threads(work, items, workers=workers, ahead=ahead)
    with tqdm(total=total, desc=name, unit=unit, disable=None, mininterval=1) as progress:
        for result in results:
            yield result
            progress.update(clips_in(result))


def map_in_processes(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    chunk: int,
    ahead: int,
    start: Callable[[], None] | None,
) -> Iterator[Result]:
    """`ordered_map` over fresh processes of this machine, by chunks; each has its share of the cores.

    Args:
        work: picklable; called with each item.
        items: picklable, taken one by one as room becomes free.
        workers: number of processes.
        chunk: items that a process takes at once.
        ahead: chunks per process that are in progress or waiting.
        start: called once in each process before its first item.

    Raises:
        InputError: a process was killed.
    """
    # A fork of a process that runs TensorFlow or threads may hang, so fresh processes are started.
    fresh = multiprocessing.get_context("spawn")
    stream = iter(items)
    # Pickled here, because a pool takes an error in unpickling, such as of a file that has gone, for a killed process.
    chunks = (pickle.dumps(some, pickle.HIGHEST_PROTOCOL) for some in iter(lambda: list(islice(stream, chunk)), []))
    numbers = fresh.SimpleQueue()
    for number in range(workers):
        numbers.put(number)
    begin = partial(_Process.begin, numbers, workers)
    try:
        with ProcessPoolExecutor(workers, fresh, initializer=begin, initargs=(work, start)) as pool:
            for results in ordered_map(_Process.work_on, chunks, pool, in_hand=workers * ahead):
                yield from results
    except BrokenProcessPool as error:
        raise InputError(
            f"one of {workers} processes was killed, perhaps for the memory it took; make room and run again"
        ) from error


def sendable(error: Exception) -> Exception:
    """The error itself, or one with its type and words if it cannot be pickled and read again."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # of any type, because it comes from the error's own code
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """Wait until the process that started this one ends, then end too: a parent that was killed tells nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class _Process:
    """The work that a process keeps between chunks."""

    work: Callable[[Any], Any]

    @classmethod
    def begin(
        cls, numbers: SimpleQueue[int], processes: int, work: Callable[[Any], Any], start: Callable[[], None] | None
    ) -> None:
        Thread(target=_end_with_parent, daemon=True).start()
        keep_to_share(numbers.get(), processes)
        if start is not None:
            start()
        cls.work = staticmethod(work)

    @classmethod
    def work_on(cls, items: bytes) -> list[Any]:
        try:
            return [cls.work(item) for item in pickle.loads(items)]
        except Exception as error:
            # The pool would take an error that it cannot read for a killed process.
            sent = sendable(error)
            if sent is error:
                raise
            raise sent from error
