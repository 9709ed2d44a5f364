"""Clips a second of the stages that map over clips, with threads, processes, and a Dask cluster on this machine.

Each way runs in a process of its own, which is pinned as the stages are. Starting processes and loading networks is not
counted, because a cluster does it once for any number of clips.
"""

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks._clip_stages import NOTHING, PASSES, PRODUCTS, TASKS, Done, Task, Timed
from benchmarks._measure import machine, publish
from deepemo.cluster import ADDRESS
from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.emotions import EMOTIONS
from deepemo.files import FEATURES, RAW
from deepemo.parallel import CHUNK, map_clips
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table
from deepemo.reproducible import pins, processor_flags

ROOT = Path(__file__).parents[1]
ONE, TWO = "1 thread", "2 threads"
PROCESSES, DASK = "2 processes", "Dask, 2 threads"
WAYS = (ONE, TWO, PROCESSES, DASK)
STAGES = ("validate", "featurize", "embed transfer", "embed speech")
WORKERS = 2


def steady_rate(done: Sequence[Done], finished: float, *, workers: int = WORKERS) -> float:
    """Clips a second, from when every process has done its first item until all results have arrived.

    Raises:
        ValueError: some processes did no work.
    """
    first: dict[int, float] = {}
    for one in done:
        first[one.process] = min(one.at, first.get(one.process, math.inf))
    if len(first) != workers:
        raise ValueError(f"{len(first)} processes did all the work, expected {workers}: measure on more clips")
    began = max(first.values())
    return sum(one.clips for one in done if one.at > began) / (finished - began)


def rate(stage: str, way: str) -> float:
    """Clips a second of one stage by one way, in this process and those that it starts."""
    if way == ONE:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if stage == "featurize":
        from deepemo.dataset.featurize import give_cores_to_clips

        give_cores_to_clips()
    clips = pd.read_csv("clips.csv", dtype=str)
    task = TASKS[stage](clips, load_params())
    if way in (ONE, TWO):
        workers = 1 if way == ONE else WORKERS
        list(task.here(CHUNK, workers))  # traces and fills caches, which is not timed
        began = time.perf_counter()
        for _ in range(task.passes):
            list(task.here(len(clips), workers))
        return task.passes * len(clips) / (time.perf_counter() - began)
    if way == PROCESSES:
        return _rate_elsewhere(task, stage)
    with dask_cluster():
        return _rate_elsewhere(task, stage)


def _rate_elsewhere(task: Task, stage: str) -> float:
    carry = task.carry
    done = map_clips(
        Timed(pickle.dumps(task.work)),
        ((number, task.clips_in(item), item) for number in range(task.passes) for item in task.items()),
        name=stage.replace(" ", "_"),
        total=None,
        workers=WORKERS,
        in_processes=True,
        chunk=task.chunk,
        start=task.start,
        carry=None if carry is None else lambda item: (*item[:2], carry(item[2])),
    )
    everything = list(done)
    return steady_rate(everything, time.monotonic())


@contextmanager
def dask_cluster() -> Iterator[None]:
    """A scheduler, named by the environment, and a worker with two threads, each of which has its own process."""
    file = Path("scheduler.json").resolve()
    file.unlink(missing_ok=True)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler += ["--no-dashboard", "--scheduler-file", str(file)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
    worker += ["--nthreads", str(WORKERS), "--no-nanny", "--no-dashboard"]
    processes = [subprocess.Popen(command, **quiet) for command in (scheduler, worker)]
    try:
        while not file.exists():
            time.sleep(0.1)
        os.environ[ADDRESS] = json.loads(file.read_text())["address"]
        yield
    finally:
        os.environ.pop(ADDRESS, None)
        # A worker that is asked to stop would first finish its chunk.
        for process in processes:
            process.kill()
            process.wait()


def make_run(folder: Path, clips: int) -> None:
    """Write the inputs of the stages: `data/raw/synthetic.zip`, its clip table, `data/features` and params.yaml."""
    from deepemo.audio.features import Featurizer
    from deepemo.audio.spec import FeatureSpec
    from deepemo.corpora.archive import Archive
    from deepemo.corpora.synthetic.generate import PLANTED, generate
    from deepemo.dataset.featurize import featurize_clips
    from deepemo.dataset.shards import shards_for, write_shards

    params = load_params()
    (folder / RAW).mkdir(parents=True)
    size = params.download.synthetic
    speakers = math.ceil(clips / (size.sentences * len(EMOTIONS) * size.takes))
    packed = folder / RAW / f"{CORPUS.name}.zip"
    generate(packed, size.model_copy(update={"speakers": speakers}), seed=params.seed)
    members = [member for member in Archive(packed).recordings() if member not in PLANTED][:clips]
    rows = pd.DataFrame({"clip": members, "corpus": CORPUS.name, "member": members})
    rows.to_csv(folder / "clips.csv", index=False)
    shutil.copy(ROOT / "params.yaml", folder)
    spec = FeatureSpec.from_params(params.featurize)
    features = featurize_clips(rows, folder / RAW, Featurizer(spec), workers=WORKERS)
    shape, about = (spec.frames, spec.bands), {"features": spec.to_dict()}
    shards = shards_for(len(rows), params.featurize.clips_per_shard)
    write_shards(folder / FEATURES, features, shards=shards, shape=shape, about=about)


def measured(stage: str, way: str, folder: Path) -> float:
    """Clips a second of one stage by one way, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scale", "--child", stage, "--way", way]
    environment = {**os.environ, **pins(processor_flags()), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(json.loads(answer.splitlines()[-1]))


def report(rates: dict[str, dict[str, float]], clip_bytes: float) -> str:
    """The table of the stages, and what a chunk costs."""
    rows = [
        (
            stage,
            f"{by_way[ONE]:.1f}",
            *(f"{by_way[way]:.1f} ({by_way[way] / by_way[ONE]:.2f}x)" for way in WAYS[1:]),
            f"{100 * (by_way[DASK] / by_way[PROCESSES] - 1):+.0f} %",
        )
        for stage, by_way in rates.items()
        if stage != NOTHING
    ]
    chunk = {way: 1000 * CHUNK / clips_a_second for way, clips_a_second in rates[NOTHING].items()}
    return (
        f"{table(('stage', *WAYS, 'Dask against processes'), rows)}\n\n"
        f"A chunk of {CHUNK} recordings of {clip_bytes / 1000:.0f} kB that are only counted takes "
        f"{chunk[PROCESSES]:.1f} ms by processes and {chunk[DASK]:.1f} ms by Dask. This is the cost of sending it."
    )


def main(
    clips: Annotated[int, typer.Option(min=512, help="Synthetic recordings.")] = 1344,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    stages: Annotated[
        list[str] | None, typer.Option("--stage", help=f"One of {', '.join(STAGES)}; any number. Default: all.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Whether the document gets the section.")] = True,
    child: Annotated[str, typer.Option(hidden=True)] = "",
    way: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure each stage by each way and write the section `Scale` of docs/benchmarks.md."""
    if child:
        print(json.dumps(rate(child, way)))
        return
    about = machine()
    chosen = stages or list(STAGES)
    if unknown := set(chosen) - set(STAGES):
        raise typer.BadParameter(f"found {sorted(unknown)}, expected some of {list(STAGES)}", param_hint="--stage")
    rates: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        make_run(Path(scratch), clips)
        clip_bytes = (Path(scratch) / RAW / f"{CORPUS.name}.zip").stat().st_size / clips
        for stage in (*chosen, PRODUCTS, NOTHING):
            ways = (PROCESSES, DASK) if stage == NOTHING else WAYS
            found: dict[str, list[float]] = {one: [] for one in ways}
            for number in range(rounds):
                # In turns, so that a slow minute of the machine affects all ways.
                for one in ways[number % len(ways) :] + ways[: number % len(ways)]:
                    found[one].append(measured(stage, one, Path(scratch)))
            rates[stage] = {one: median(values) for one, values in found.items()}
            print(stage, {one: round(value, 1) for one, value in rates[stage].items()}, flush=True)
    asked = "".join(f" --stage '{stage}'" for stage in stages or ())
    text = (
        f"`python -m benchmarks.scale --clips {clips} --rounds {rounds}{asked}` on {about}, "
        f"{os.getloadavg()[0]:.1f} at the end.\n\n"
        f"Clips a second, and their ratio to those of one thread on one core, over {clips} recordings of the synthetic "
        "corpus. Starting processes and loading networks is not counted. On one machine, stages run with two threads, "
        f"except `validate`, which uses processes. `featurize` and `embed speech` go over the clips {PASSES} times. "
        "Dask has one worker with two threads, each with a process of its own. The last row is no stage: it shares "
        "nothing and needs no memory but a core's cache, so it says what two of anything are worth on this machine."
        f"\n\n{report(rates, clip_bytes)}"
    )
    publish("Scale", text, write=write)


if __name__ == "__main__":
    typer.run(main)
