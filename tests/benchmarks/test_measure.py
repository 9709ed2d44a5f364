"""The compared ways are timed in turns, and the document keeps the sections of other benchmarks."""

import time
from pathlib import Path

import pytest

from benchmarks._measure import in_turns, times, write_section


@pytest.mark.slow
def test_each_round_starts_with_another_way_after_a_warm_up() -> None:
    called: list[str] = []
    in_turns({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 3)
    assert "".join(called) == "ab" + "ab" + "ba" + "ab"


@pytest.mark.slow
def test_the_median_of_the_rounds_is_kept() -> None:
    waits = iter([0.0, 0.02, 0.2])
    cost = in_turns({"uneven": lambda: time.sleep(next(waits))}, 3, warm_up=False)["uneven"]
    assert 0.02 <= cost.wall_seconds < 0.2
    assert cost.cpu_seconds < cost.wall_seconds


@pytest.mark.parametrize(("ratio", "text"), [(63.4, "63x"), (2.94, "2.9x"), (0.071, "0.07x")])
def test_a_ratio_as_text(ratio: float, text: str) -> None:
    assert times(ratio) == text


def test_a_section_replaces_its_own_and_leaves_the_others(tmp_path: Path) -> None:
    document = tmp_path / "docs" / "benchmarks.md"
    write_section("Transfer", "first", document)
    write_section("Memory", "flat", document)
    write_section("Transfer", "second", document)
    text = document.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# Benchmarks", "## Memory", "## Transfer"]
    assert "flat" in text
    assert "second" in text
    assert "first" not in text
