"""How parts of the stages grow with the clips: time and memory for 10 thousand, 100 thousand and a million clips.

Each part is measured once, on one core, in a process of its own that is pinned as the stages are.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from benchmarks._growth_heads import HEADS, HEADS_MADE
from benchmarks._growth_heads import WIDTH as HEADS_WIDTH
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
SAMPLED_SECONDS = 0.02


def cost(part: str, clips: int) -> Cost:
    """Cost of a part in this process, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    run = PARTS[part](clips)
    whose = resource.RUSAGE_CHILDREN if part in ELSEWHERE else resource.RUSAGE_SELF
    wall, processor = time.perf_counter(), _cpu_seconds(whose)
    with _sampled_memory() if part in HEADS else nullcontext([0.0]) as samples_mb:
        run()
    wall, processor = time.perf_counter() - wall, _cpu_seconds(whose) - processor
    peak_mb = max(samples_mb) if part in HEADS else resource.getrusage(whose).ru_maxrss / 1024
    return Cost(wall_seconds=wall, cpu_seconds=processor, peak_mb=peak_mb)


@contextmanager
def _sampled_memory() -> Iterator[list[float]]:
    """Samples of this process's memory without the pages of files, which the system may take back, in MB."""
    samples, done = [_anonymous_mb()], threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLED_SECONDS):
            samples.append(_anonymous_mb())

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield samples
    finally:
        done.set()
        sampler.join()
        samples.append(_anonymous_mb())


def _anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


def _cpu_seconds(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def measured(part: str, clips: int, folder: Path) -> Cost:
    """Cost of a part in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.growth", "--child", part, "--clips", str(clips)]
    environment = {**os.environ, **pins(processor_flags()), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Cost(**json.loads(answer.splitlines()[-1]))


def measure(clips: int, parts: Collection[str] = ()) -> dict[str, Cost]:
    """Cost of each part, by default of all; they run one after the other in a temporary folder."""
    chosen = set(parts) or set(PARTS)
    chosen |= {HEADS_MADE} if chosen & set(HEADS) else set()
    chosen |= {MADE} if chosen - set(HEADS) - {HEADS_MADE} else set()
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(ROOT / "params.yaml", scratch)
        costs = {part: measured(part, clips, Path(scratch)) for part in PARTS if part in chosen}
    return {part: found for part, found in costs.items() if part not in (MADE, HEADS_MADE)}


def section(costs: Costs, asked: str, about: str) -> str:
    """The text of the section, without the table of workers."""
    return (
        f"`python -m benchmarks.growth{asked}` on {about}, {os.getloadavg()[0]:.1f} at the end.\n\n"
        f"Parts of the stages on made-up clips, {CLIPS_OF_A_SPEAKER} of each speaker. Each part runs once, on one "
        f"core, in a process of its own. Recordings have {RECORDING_BYTES} bytes and are not decoded, embeddings have "
        f"{WIDTH} numbers, and the outputs of three networks are drawn at random. Judged clips are those of the split "
        f"that are not in training. For {' and '.join(f'`{part}`' for part in HEADS)}, embeddings have {HEADS_WIDTH} "
        "numbers, and 70 % of the clips are for training, with one view each; one perceptron of each kind learns for "
        "one epoch. Peak memory includes what the process had read before; for these two it is without the pages of "
        f"files, which the system may take back (RssAnon, every {SAMPLED_SECONDS:g} s). The exponent is the slope of "
        "log CPU seconds over log clips between the two largest numbers of clips; kB a clip is the slope of memory "
        "over clips."
        f"\n\n{growth_table(costs)}"
    )


def main(
    clips: Annotated[list[int] | None, typer.Option(min=1000, help="Number of clips; several. Default: three.")] = None,
    write: Annotated[bool, typer.Option(help="Whether the document gets the section.")] = True,
    part: Annotated[
        list[str] | None, typer.Option(help="A part to measure alone; several, with those that write what they read.")
    ] = None,
    child: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure each part with each number of clips and write the section `Growth` of docs/benchmarks.md.

    With --part, only the rows of these parts are printed.
    """
    sizes = sorted(set(clips or SIZES))
    if child:
        print(json.dumps(asdict(cost(child, sizes[0]))))
        return
    if len(sizes) < 2:
        raise typer.BadParameter(f"found {sizes}, expected two numbers or more", param_hint="--clips")
    if unknown := sorted(set(part or ()) - set(PARTS)):
        raise typer.BadParameter(f"found {unknown}, expected some of {list(PARTS)}", param_hint="--part")
    about = machine()
    costs: dict[int, dict[str, Cost]] = {}
    for size in sizes:
        costs[size] = measure(size, part or ())
        print(size, {name: round(found.wall_seconds, 2) for name, found in costs[size].items()}, flush=True)
    if part:
        print(growth_table(costs))
        return
    text = section(costs, "".join(f" --clips {size}" for size in clips or ()), about)
    rates, most_sent = read_rates(DOCUMENT.read_text(encoding="utf-8"))
    workers = workers_table(rates, most_sent, {size: serial_seconds(costs, size) for size in EXTRAPOLATED})
    text += (
        "\n\nTimes for more clips, calculated from the section Scale. A stage's rate is that of one thread times "
        f"the workers, but at most the {most_sent:,.0f} clips a second that one machine can send to a cluster. The "
        "last row is the sum of the CPU seconds above, without training, for work that workers do not share. It is "
        "measured if the table has that number of clips, and otherwise calculated with the exponents, or with 1 where "
        "they are less.\n\n"
        f"{workers}"
    )
    publish("Growth", text, write=write)


if __name__ == "__main__":
    typer.run(main)
