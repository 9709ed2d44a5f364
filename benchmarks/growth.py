"""How parts of the stages grow with the clips: time and memory for 10 thousand, 100 thousand and a million clips.

Each part is measured once, in a process of its own on one core, which is pinned as the stages are.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks._growth_parts import CLIPS_OF_A_SPEAKER, ELSEWHERE, MADE, PARTS, RECORDING_BYTES, WIDTH
from benchmarks._growth_report import (
    EXTRAPOLATED,
    Cost,
    Costs,
    growth_table,
    read_rates,
    serial_seconds,
    workers_table,
)
from benchmarks._measure import DOCUMENT, machine, publish
from deepemo.reproducible import pins, processor_flags

ROOT = Path(__file__).parents[1]
SIZES = [10_000, 100_000, 1_000_000]


def cost(part: str, clips: int) -> Cost:
    """Cost of a part in this process, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run = PARTS[part](clips)
    whose = resource.RUSAGE_CHILDREN if part in ELSEWHERE else resource.RUSAGE_SELF
    wall, processor = time.perf_counter(), _cpu_seconds(whose)
    run()
    wall, processor = time.perf_counter() - wall, _cpu_seconds(whose) - processor
    return Cost(wall_seconds=wall, cpu_seconds=processor, peak_mb=resource.getrusage(whose).ru_maxrss / 1024)


def _cpu_seconds(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def measured(part: str, clips: int, folder: Path) -> Cost:
    """Cost of a part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--child", part, "--clips", str(clips)]
    environment = {**os.environ, **pins(processor_flags()), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Cost(**json.loads(answer.splitlines()[-1]))


def measure(clips: int) -> dict[str, Cost]:
    """Cost of each part; they run one after the other in a temporary folder."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(ROOT / "params.yaml", scratch)
        costs = {part: measured(part, clips, Path(scratch)) for part in PARTS}
    return {part: found for part, found in costs.items() if part != MADE}


def section(costs: Costs, asked: str, about: str) -> str:
    """The text of the section, without the table of workers."""
    return (
        f"`python -m benchmarks.growth{asked}` on {about}, {os.getloadavg()[0]:.1f} at the end.\n\n"
        f"Parts of the stages on made-up clips, {CLIPS_OF_A_SPEAKER} of each speaker. Each part runs once, on one "
        f"core, in a process of its own. Recordings have {RECORDING_BYTES} bytes and are not decoded, embeddings have "
        f"{WIDTH} numbers, and the outputs of three networks are drawn at random. Judged clips are those of the split "
        "that are not in training. Peak memory includes what the process had read before. The exponent is the slope of "
        "log CPU seconds over log clips between the two largest numbers of clips; kB a clip is the slope of memory "
        "over clips."
        f"\n\n{growth_table(costs)}"
    )


def main(
    clips: Annotated[list[int] | None, typer.Option(min=1000, help="Number of clips; several. Default: three.")] = None,
    write: Annotated[bool, typer.Option(help="Whether the document gets the section.")] = True,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure each part with each number of clips and write the section `Growth` of docs/benchmarks.md."""
    sizes = sorted(set(clips or SIZES))
    if child:
        print(json.dumps(asdict(cost(child, sizes[0]))))
        return
    if len(sizes) < 2:
        raise typer.BadParameter(f"found {sizes}, expected two numbers or more", param_hint="--clips")
    about = machine()
    costs: dict[int, dict[str, Cost]] = {}
    for size in sizes:
        costs[size] = measure(size)
        print(size, {part: round(found.wall_seconds, 2) for part, found in costs[size].items()}, flush=True)
    text = section(costs, "".join(f" --clips {size}" for size in clips or ()), about)
    rates, most_sent = read_rates(DOCUMENT.read_text(encoding="utf-8"))
    workers = workers_table(rates, most_sent, {size: serial_seconds(costs, size) for size in EXTRAPOLATED})
    text += (
        "\n\nTimes for more clips, calculated from the section Scale. A stage's rate is that of one thread times "
        f"the workers, but at most the {most_sent:,.0f} clips a second that one machine can send to a cluster. The "
        "last row is the sum of the CPU seconds above, for work that workers do not share. It is measured if the table "
        "has that number of clips, and otherwise calculated with the exponents, or with 1 where they are less.\n\n"
        f"{workers}"
    )
    publish("Growth", text, write=write)


if __name__ == "__main__":
    typer.run(main)
