"""The ordered map: order, the limit on items in work, and its end when one fails or no more are wanted."""

import threading
import time
from collections.abc import Iterator

import pytest

from deepemo.threads import map_in_threads


def endless(taken: list[int]) -> Iterator[int]:
    """Endless numbers; each is recorded when it is taken."""
    while True:
        taken.append(len(taken))
        yield taken[-1]


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    def wait(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    items = [0.05, 0.0, 0.03, 0.0, 0.01]
    assert list(map_in_threads(wait, items, workers=5)) == items


def test_items_are_taken_only_as_room_becomes_free() -> None:
    taken: list[int] = []
    results = map_in_threads(lambda item: item, endless(taken), workers=2, ahead=3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    assert len(taken) == 2 * 3 + 3
    results.close()  # type: ignore[attr-defined]


def test_a_failure_stops_the_items_that_are_under_way_before_they_are_waited_for() -> None:
    stopped = threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise ValueError("the first one")
        assert stopped.wait(10), "nobody stopped this item"

    with pytest.raises(ValueError, match="the first one"):
        list(map_in_threads(work, range(3), workers=3, stop=stopped.set))
    assert stopped.is_set()


def test_a_caller_that_leaves_stops_the_items_that_are_under_way() -> None:
    stopped = threading.Event()

    def work(item: int) -> bool:
        return item == 0 or stopped.wait(10)

    results = map_in_threads(work, range(3), workers=2, ahead=1, stop=stopped.set)
    assert next(results)
    results.close()  # type: ignore[attr-defined]
    assert stopped.is_set()
