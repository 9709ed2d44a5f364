"""The tables of `benchmarks.growth`: how parts grow with the clips, and the time for more clips on more workers."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks._clip_stages import PRODUCTS
from deepemo.parallel import CHUNK
from deepemo.reporting.markdown import table

WORKERS = (1, 16, 256)
EXTRAPOLATED = (1_000_000, 10_000_000)
LINK_BYTES = 125e6  # a second, of 1 Gbit/s
_STAGE = re.compile(r"^\| (?P<stage>[a-z ]+) \| (?P<rate>[\d.]+) \|", re.MULTILINE)
_CHUNK = re.compile(rf"A chunk of {CHUNK} recordings of (?P<kilobytes>\d+) kB .* and (?P<ms>[\d.]+) ms by Dask")
# Start of the names of parts that do nothing.
IMPORTS = "imports"
TRAINING = "train_"
TOGETHER = "all parts of the first table but training"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a part.

    Attributes:
        wall_seconds: elapsed time.
        cpu_seconds: of all its threads and processes.
        peak_mb: peak resident memory of its process, including what it read before the timed work; for parts that train
            or judge heads, without the pages of files.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


Costs = Mapping[int, Mapping[str, Cost]]


def exponent(costs: Costs, part: str) -> float:
    """Slope of log CPU seconds over log clips between the two largest numbers of clips; 1 is linear."""
    small, large = sorted(costs)[-2:]
    return math.log(costs[large][part].cpu_seconds / costs[small][part].cpu_seconds) / math.log(large / small)


def kilobytes_a_clip(costs: Costs, part: str) -> float:
    """Slope of peak memory over clips between the two largest numbers of clips."""
    small, large = sorted(costs)[-2:]
    return 1000 * (costs[large][part].peak_mb - costs[small][part].peak_mb) / (large - small)


def growth_table(costs: Costs) -> str:
    """One row for each part: elapsed and CPU seconds and peak memory by number of clips, and their slopes."""
    sizes = sorted(costs)
    rows = [
        (
            part,
            *(_cell(costs[size][part]) for size in sizes),
            "-" if part.startswith(IMPORTS) else f"{exponent(costs, part):.2f}",
            f"{round(kilobytes_a_clip(costs, part), 2) + 0.0:.2f}",  # no -0.00
        )
        for part in costs[sizes[0]]
    ]
    return table(("part", *(f"{size:,} clips: s / CPU s / MB" for size in sizes), "exponent", "kB a clip"), rows)


def _cell(cost: Cost) -> str:
    return f"{cost.wall_seconds:.2f} / {cost.cpu_seconds:.2f} / {cost.peak_mb:.0f}"


def serial_seconds(costs: Costs, clips: int) -> float:
    """CPU seconds of all parts but training: measured, or calculated from the largest number that was measured.

    The calculation takes a part's exponent, or 1 if it is less, because with few clips most of the time is start-up.
    """
    largest = max(costs)
    near = costs.get(clips, costs[largest])
    grown = 1.0 if clips in costs else clips / largest
    return sum(
        cost.cpu_seconds * grown ** max(1.0, exponent(costs, part))
        for part, cost in near.items()
        if not part.startswith((IMPORTS, TRAINING))
    )


def read_rates(document: str) -> tuple[dict[str, float], float]:
    """Read the rates in the section Scale of docs/benchmarks.md.

    Returns:
        Clips a second of one thread by stage, and the most clips a second that one machine can send to a cluster,
        limited by its processor or by a link of 1 Gbit/s.

    Raises:
        ValueError: there is no such section.
    """
    section = next((part for part in document.split("\n## ") if part.startswith("Scale\n")), "")
    rates = {found["stage"]: float(found["rate"]) for found in _STAGE.finditer(section) if found["stage"] != PRODUCTS}
    chunk = _CHUNK.search(section)
    if not rates or chunk is None:
        raise ValueError("the document has no section Scale, expected that of `python -m benchmarks.scale`")
    by_processor = 1000 * CHUNK / float(chunk["ms"])
    return rates, min(by_processor, LINK_BYTES / (1000 * float(chunk["kilobytes"])))


def workers_table(rates: Mapping[str, float], most_sent: float, serial: Mapping[int, float]) -> str:
    """One row for each stage: time for a million and ten million clips on more and more workers.

    Args:
        rates: clips a second of one worker by stage.
        most_sent: clips a second that can be sent to workers elsewhere.
        serial: seconds of the work that workers do not share, by number of clips.
    """
    header = [
        f"{_short(clips)}, {workers} worker{'s' * (workers > 1)}" for clips in EXTRAPOLATED for workers in WORKERS
    ]
    rows: list[Sequence[str]] = [
        (
            stage,
            *(
                duration(clips / (rate if workers == 1 else min(rate * workers, most_sent)))
                for clips in EXTRAPOLATED
                for workers in WORKERS
            ),
        )
        for stage, rate in rates.items()
    ]
    rows.append((TOGETHER, *(duration(serial[clips]) for clips in EXTRAPOLATED for _ in WORKERS)))
    return table(("stage", *header), rows)


def _short(clips: int) -> str:
    return f"{clips // 1_000_000} million"


def duration(seconds: float) -> str:
    """A time in a readable unit.

    Example:
        >>> [duration(seconds) for seconds in (90, 5400, 200_000)]
        ['1.5 min', '1.5 h', '2.3 days']
    """
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
