"""An ordered map over many items in threads, with a bounded number of items in progress."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items in progress at once, per worker: enough to keep it busy while the oldest result is used.
AHEAD = 4


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
