"""Work in threads: an ordered map with a bounded number of items in progress, and one thread for numpy's products."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items in progress at once, per worker: enough to keep it busy while the oldest result is used.
AHEAD = 4


def one_thread_a_product() -> threadpool_limits:
    """Limit numpy's matrix products to one thread each, in the whole process from now on.

    OpenBLAS spreads each product over all cores, even if several threads or processes compute products at once: with
    eight threads on two cores, the voice gate took 640 ms a recording instead of 14.

    Returns:
        A context manager; on leaving it, the limit ends.
    """
    return threadpool_limits(1, user_api="blas")


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], executor: Executor, *, in_hand: int
) -> Iterator[Result]:
    """Results in the order of the items, however many workers there are.

    Items are taken from their iterable only as room becomes free, so that it may be endless or computed lazily. When
    the caller stops or an item fails, items that have not begun are dropped.

    Args:
        work: called with each item, in the executor.
        items: taken one by one, in the caller's thread.
        executor: does the work; it is left open.
        in_hand: maximum number of items that are in progress, or finished and not yet yielded.
    """
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(work, item))
            if len(pending) >= in_hand:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def map_in_threads(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int = AHEAD,
    stop: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """`ordered_map` over threads of this process, for work that releases Python's lock.

    Args:
        work: called with each item, in a thread.
        items: taken one by one, in the caller's thread.
        workers: number of threads.
        ahead: items in progress at once, per worker.
        stop: called when an item fails or the caller stops, before waiting for the threads that still work.

    Example:
        >>> list(map_in_threads(len, ["a", "bc", ""], workers=2))
        [1, 2, 0]
    """
    with ThreadPoolExecutor(workers) as threads:
        try:
            yield from ordered_map(work, items, threads, in_hand=workers * ahead)
        except BaseException:
            if stop is not None:
                stop()
            raise
