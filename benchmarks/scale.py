"""Clips a second of every clip stage: one thread, two threads, two processes, a Dask cluster of two workers here."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import stages  # noqa: F401 - pins what the stages pin, before NumPy and TensorFlow are loaded

import pandas as pd  # isort: skip
import typer  # isort: skip

from benchmarks._measure import machine, write_section
from benchmarks.featurizing import draw_recordings, pack_recordings
from deepemo.audio.features import Featurizer
from deepemo.audio.spec import FeatureSpec
from deepemo.cluster import ADDRESS
from deepemo.corpora.archive import Archive
from deepemo.dataset.featurize import Features, give_cores_to_clips
from deepemo.dataset.inspect import MAX_BYTES
from deepemo.dataset.validate import Inspector
from deepemo.eda.measure import Measure
from deepemo.models.speech.embed import EmbedWindow
from deepemo.models.speech.family import EmbedSpeech
from deepemo.parallel import map_clips
from deepemo.params import Params
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table
from deepemo.training.seeding import seed_everything

DOCUMENT = Path("docs/scale.md").resolve()
PARAMS = Path("params.yaml").resolve()
WINDOW_CLIPS = 64
ONE, THREADS, PROCESSES, CLUSTER = "1 thread", "2 threads", "2 processes", "Dask cluster of 2"


class Stage(NamedTuple):
    """The inner loop of a stage: its work, items, clips an item, and what is carried to a cluster."""

    work: Callable[[Any], Any]
    items: list[Any]
    clips_in: int
    chunk: int
    carry: Callable[[Any], Any]
    start: Callable[[], None] | None


def inner_loops(clips: pd.DataFrame, raw: Path, params: Params) -> dict[str, Stage]:
    """The inner loops over some clips, by stage."""
    archives = {name: Archive(raw / f"{name}.zip") for name in clips["corpus"].unique()}
    places = [(archives[corpus], member) for corpus, member in zip(clips["corpus"], clips["member"], strict=True)]
    rows = [(clip, *place) for clip, place in zip(clips["clip"], places, strict=True)]
    windows = [rows[start : start + WINDOW_CLIPS] for start in range(0, len(rows), WINDOW_CLIPS)]
    features = Features(Featurizer(FeatureSpec.from_params(params.featurize)))

    numbers = count()

    def carry_place(place: tuple[Archive, str]) -> Any:
        # A cluster computes equal items once: each gets a path of its own.
        carried = place[0].carried(place[1], most_bytes=MAX_BYTES)
        return replace(carried, path=Path(str(next(numbers))) / carried.path.name), place[1]

    def carry_row(row: tuple[str, Archive, str]) -> Any:
        return row[0], *carry_place(row[1:])

    return {
        "validate": Stage(Inspector(params.validate_), places, 1, 32, carry_place, None),
        "eda": Stage(Measure(params.eda.silent_below_db), places, 1, 32, carry_place, None),
        "featurize": Stage(features, rows, 1, 32, carry_row, give_cores_to_clips),
        "embed_speech": Stage(
            EmbedWindow(params.section("embed_speech", EmbedSpeech)),
            windows,
            WINDOW_CLIPS,
            1,
            lambda window: [carry_row(row) for row in window],
            partial(seed_everything, params.seed),
        ),
    }


@contextmanager
def local_cluster(folder: Path) -> Iterator[str]:
    """A scheduler and two workers of one thread as processes of this machine; yields the address."""
    file = folder / "scheduler.json"
    scheduler = [
        "dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    ]
    worker = ["dask_worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    started = []
    with (folder / "log").open("w") as log:
        for module, *options in (scheduler, worker, worker):
            command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
            started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        try:
            while not file.exists():
                time.sleep(0.1)
            yield json.loads(file.read_text())["address"]
        finally:
            for process in started:
                process.terminate()
                process.wait()


def seconds(stage: Stage, way: str, times: int) -> float:
    """Time of one map over the items, so many times."""
    began = time.perf_counter()
    results = map_clips(
        stage.work,
        stage.items * times,
        name="scale",
        total=None,
        workers=1 if way == ONE else 2,
        in_processes=way == PROCESSES,
        chunk=stage.chunk,
        start=stage.start,
        carry=stage.carry,
    )
    assert sum(1 for _ in results) == times * len(stage.items)
    return time.perf_counter() - began


def clips_a_second(stage: Stage, way: str, address: str) -> float:
    """Rate of a way, without the time in which processes start: that of three passes less that of one."""
    if way == CLUSTER:
        os.environ[ADDRESS] = address
    try:
        once = seconds(stage, way, 1)
        return 2 * stage.clips_in * len(stage.items) / (seconds(stage, way, 3) - once)
    finally:
        os.environ.pop(ADDRESS, None)


def overhead_ms(address: str, chunks: int = 60) -> float:
    """Milliseconds that one empty chunk of 3 MB takes on a cluster."""
    empty = Stage(len, [os.urandom(100_000) for _ in range(32 * chunks)], 1, 32, lambda item: item, None)
    os.environ[ADDRESS] = address
    try:
        return 1000 * seconds(empty, CLUSTER, 1) / chunks
    finally:
        del os.environ[ADDRESS]


def main(
    corpora: Annotated[Path, typer.Option(help="Folder of unpacked corpora, each in a folder of its name.")],
    clips: Annotated[int, typer.Option(min=WINDOW_CLIPS)] = 256,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Time every way on the same recordings and write the section `Clips a second` of docs/scale.md."""
    about = machine()
    give_cores_to_clips()
    ways = (ONE, THREADS, PROCESSES, CLUSTER)
    rows = []
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        folder = Path(scratch)
        (folder / "raw").mkdir()
        drawn = draw_recordings(corpora, clips // WINDOW_CLIPS * WINDOW_CLIPS)
        packed = pack_recordings(drawn, corpora, folder / "raw")
        loops = inner_loops(packed, folder / "raw", load_params(PARAMS))
        with local_cluster(folder) as address:
            for name, stage in loops.items():
                found: dict[str, list[float]] = {way: [] for way in ways}
                for number in range(rounds):
                    for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                        found[way].append(clips_a_second(stage, way, address))
                rates = {way: median(each) for way, each in found.items()}
                cells = (f"{rates[way]:.1f} ({rates[way] / rates[ONE]:.2f})" for way in ways)
                rows.append((name, *cells, f"{rates[CLUSTER] / rates[PROCESSES]:.2f}"))
                print(rows[-1], flush=True)
            overhead = overhead_ms(address)
    text = (
        f"`python -m benchmarks.scale --corpora FOLDER --clips {clips} --rounds {rounds}` on {about}.\n\n"
        "Clips a second, medians, and in brackets how many times one thread's; starting processes is not counted. "
        f"Windows of embed_speech have {WINDOW_CLIPS} clips here. An empty chunk of 3 MB takes {overhead:.0f} ms on "
        f"the cluster.\n\n{table(('stage', *ways, 'Dask to processes'), rows)}"
    )
    write_section("Clips a second", text, DOCUMENT)
    print(text)


if __name__ == "__main__":
    typer.run(main)
