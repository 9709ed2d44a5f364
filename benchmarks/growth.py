"""What steps over whole tables take as the number of clips grows, on made-up tables; docs/scale.md has the results."""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks._measure import machine, write_section
from deepemo.emotions import EMOTIONS
from deepemo.reporting.markdown import table

DOCUMENT = Path("docs/scale.md")
CLIPS_A_SPEAKER = 500
SAMPLES = 1000
WIDTH = 64  # values of a made-up embedding


def made_clips(count: int) -> pd.DataFrame:
    """A clip table of so many good clips by speakers of 500 clips each, in 8 corpora."""
    from deepemo.dataset.clips import Clip

    numbers = np.arange(count)
    speakers = numbers // CLIPS_A_SPEAKER
    corpora = np.char.add("made", (speakers % 8).astype(str))
    names = np.char.add(np.char.add(corpora, "/"), numbers.astype(str))
    defaults = asdict(Clip(clip="", corpus="", member=""))
    made = pd.DataFrame([defaults] * count)
    return made.assign(
        clip=names,
        corpus=corpora,
        member=np.char.add(numbers.astype(str), ".wav"),
        performance=names,
        speaker=np.char.add(np.char.add(corpora, "/s"), speakers.astype(str)),
        gender=np.where(speakers // 8 % 2 == 0, "female", "male"),
        emotion=np.array(EMOTIONS)[numbers % len(EMOTIONS)],
        rate_hz=16000,
        channels=1,
        seconds=2.5,
        sha256=np.char.zfill(numbers.astype(str), 64),
    )


def steps(folder: Path, count: int) -> dict[str, Callable[[], object]]:
    """What is measured, by name, in an order in which each finds what it reads."""
    from deepemo.dataset.clips import Clip, good_clips, read_clips
    from deepemo.dataset.inspect import Inspection
    from deepemo.dataset.split import TRAIN, fingerprint_clips, read_split, split_clips
    from deepemo.dataset.verdicts import pass_verdicts
    from deepemo.evaluation import leakage
    from deepemo.evaluation.bootstrap import resample, unit_counts
    from deepemo.files import write_csv
    from deepemo.pipeline import load_params

    params = load_params()
    clips_file, split_file, shards = folder / "clips.csv", folder / "split.csv", folder / "shards"

    def judge() -> None:
        rows = made_clips(count).to_dict("records")
        found = [
            Inspection(clip=Clip(**{str(name): value for name, value in row.items()}), is_speech=True, faults={})
            for row in rows
        ]
        pass_verdicts(found, params.validate_)

    def write_table() -> None:
        write_csv(clips_file, made_clips(count))

    def split() -> None:
        write_csv(split_file, split_clips(good_clips(read_clips(clips_file)), params.split, seed=params.seed))

    def leaks() -> None:
        table, clips = read_split(split_file), good_clips(read_clips(clips_file))
        leakage.check_roles(table, source="split")
        leakage.check_content(table, clips, source="clips")
        fitted_on = fingerprint_clips(table.loc[table["role"] == TRAIN, "clip"])
        leakage.check_fitted_on(fitted_on, table, TRAIN, source="model")

    def bootstrap() -> None:
        random = np.random.default_rng(1)
        cells = random.integers(0, 49, count)
        for units in (np.arange(count) // CLIPS_A_SPEAKER, np.arange(count)):
            resample(unit_counts(cells, units, 49), samples=SAMPLES, seed=1)

    def write() -> None:
        from deepemo.dataset.shards import write_shards

        values = np.random.default_rng(1).normal(size=WIDTH).astype(np.float32)
        arrays = ((f"made/{number}", values) for number in range(count))
        write_shards(shards, arrays, shards=32, shape=(WIDTH,), about={})

    def read() -> None:
        from deepemo.dataset.shards import read_batches

        assert sum(len(names) for names, _ in read_batches(shards, batch_size=256)) == count

    def digest() -> None:
        from dvc_data.hashfile.hash import file_md5
        from fsspec.implementations.local import LocalFileSystem

        for path in [*sorted(shards.glob("*.tfrecord")), clips_file]:
            file_md5(str(path), LocalFileSystem())

    return {
        "verdicts": judge,
        "clip table, written": write_table,
        "split": split,
        "leak checks": leaks,
        "bootstrap": bootstrap,
        "shards, written": write,
        "shards, read": read,
        "DVC's digests": digest,
    }


def child(name: str, folder: Path, count: int) -> None:
    """Do one step in this process and print its wall and CPU seconds and peak memory."""
    step = steps(folder, count)[name]
    if name.startswith("shards"):
        import tensorflow  # noqa: F401 - not counted
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = time.perf_counter()
    step()
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([wall, cpu, after.ru_maxrss / 1024, before.ru_maxrss / 1024]))


def report(found: dict[int, dict[str, list[float]]]) -> str:
    """A row a step: wall, CPU, memory at each size, and the power of the number of clips that the CPU time follows."""
    sizes = sorted(found)
    rows = []
    for name in found[sizes[0]]:
        cells = []
        for size in sizes:
            wall, cpu, peak_mb, start_mb = found[size][name]
            cells.append(f"{wall:.1f} s, {cpu:.1f} s, {peak_mb - start_mb:,.0f} MB")
        *_, smaller, larger = sizes
        power = math.log(found[larger][name][1] / found[smaller][name][1]) / math.log(larger / smaller)
        rows.append((name, *cells, f"{power:.2f}"))
    return table(("step", *(f"{size:,} clips" for size in sizes), "power"), rows)


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of clips, separated by commas.")] = "10000,100000,1000000",
    step: Annotated[str, typer.Option(hidden=True)] = "",
    folder: Annotated[Path, typer.Option(hidden=True)] = Path(),
    count: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Measure each step at each size in a process of its own and write the section `Growth` of docs/scale.md."""
    if step:
        child(step, folder, count)
        return
    about = machine()
    found: dict[int, dict[str, list[float]]] = {}
    for size in [int(size) for size in sizes.split(",")]:
        found[size] = {}
        with tempfile.TemporaryDirectory() as scratch:
            for name in steps(Path(scratch), size):
                command = [sys.executable, "-m", "benchmarks.growth", "--step", name, "--folder", scratch]
                run = subprocess.run([*command, "--count", str(size)], check=True, capture_output=True, text=True)
                found[size][name] = json.loads(run.stdout.splitlines()[-1])
                print(f"{size:,}", name, found[size][name], flush=True)
    text = (
        f"`python -m benchmarks.growth --sizes {sizes}` on {about}.\n\n"
        f"Wall seconds, CPU seconds and memory over the imports', of a process of its own for each figure, on made-up "
        f"tables of speakers with {CLIPS_A_SPEAKER} clips each and made-up embeddings of {WIDTH} values; "
        f"{SAMPLES:,} resamples by speaker and {SAMPLES:,} by clip. The last column is the power of the number of "
        f"clips that the CPU time follows between the two largest sizes: 1 is proportional.\n\n{report(found)}"
    )
    write_section("Growth", text, DOCUMENT)
    print(text)


if __name__ == "__main__":
    typer.run(main)
