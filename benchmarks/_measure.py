"""Shared by the benchmarks: timing several ways in turns, their medians, and the document of their tables."""

import gc
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

DOCUMENT = Path("docs/benchmarks.md")
_INTRODUCTION = (
    "# Benchmarks\n\nWritten by the modules of `benchmarks/`; each section names its command. Times are medians."
    " Figures of one section come from one run and can be compared with one another, but not with those of other"
    " sections.\n"
)
_CPU_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Medians over the rounds of one way.

    Attributes:
        wall_seconds: elapsed time, which includes other work on the machine.
        cpu_seconds: of all threads of this process; it depends little on other work.
    """

    wall_seconds: float
    cpu_seconds: float


def in_turns(ways: Mapping[str, Callable[[], object]], rounds: int, *, warm_up: bool = True) -> dict[str, Cost]:
    """Time several ways of doing the same thing in turns, so that a slow minute of the machine affects all of them.

    Args:
        ways: by name, what to time.
        rounds: how often each is timed; every round starts with another way.
        warm_up: run each once before, untimed, so that tracing and cold files are not counted.
    """
    names = list(ways)
    if warm_up:
        for name in names:
            ways[name]()
    walls: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            ways[name]()
            walls[name].append(time.perf_counter() - wall)
            processor[name].append(time.process_time() - cpu)
    return {name: Cost(wall_seconds=median(walls[name]), cpu_seconds=median(processor[name])) for name in names}


def machine() -> str:
    """One line about this machine, and how busy it is now."""
    information = Path("/proc/cpuinfo")
    found = _CPU_NAME.search(information.read_text()) if information.is_file() else None
    processor = found[1] if found else platform.machine()
    return (
        f"{os.cpu_count()} cores ({processor}), load average {os.getloadavg()[0]:.1f} at the start, "
        f"Python {platform.python_version()}, TensorFlow {version('tensorflow')}"
    )


def times(ratio: float) -> str:
    """A ratio as text, with about two digits."""
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"


def publish(title: str, text: str, *, write: bool) -> None:
    """Print a section, and put it into the document if wanted."""
    if write:
        write_section(title, text)
    print(text)


def write_section(title: str, text: str, document: Path = DOCUMENT) -> None:
    """Put a section into the document, replacing the one of the same title; sections are sorted by title."""
    before = document.read_text(encoding="utf-8") if document.is_file() else ""
    sections = dict(part.split("\n", 1) for part in before.split("\n## ")[1:])
    sections[title] = f"\n{text.strip()}\n"
    body = "".join(f"\n## {name}\n{sections[name].rstrip()}\n" for name in sorted(sections))
    document.parent.mkdir(parents=True, exist_ok=True)
    document.write_text(_INTRODUCTION + body, encoding="utf-8")
