"""Peak memory of featurizing and of training against the size of the corpus."""

import json
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import soundfile
import typer

from benchmarks._measure import machine, times, write_section
from deepemo.emotions import EMOTIONS
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table

STARTING, FEATURIZE, TRAIN_SHALLOW = "start", "featurize", "train_shallow"
WORKS = (STARTING, FEATURIZE, TRAIN_SHALLOW)
CORPUS = "made"
MADE_SECONDS = 2.5
MADE_HZ = 16000


def make_corpus(folder: Path, clips: int) -> None:
    """Write `raw/made.zip` with one noise under many names, and a table of clips with roles to `clips.csv`."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    recording = folder / "one.wav"
    noise = np.random.default_rng(0).normal(0.0, 0.1, int(MADE_SECONDS * MADE_HZ))
    soundfile.write(recording, noise, MADE_HZ, subtype="PCM_16")
    content = recording.read_bytes()
    rows = []
    with zipfile.ZipFile(raw / f"{CORPUS}.zip", "w") as archive:
        for number in range(clips):
            member = f"{number:06d}.wav"
            archive.writestr(member, content)
            emotion = EMOTIONS[number % len(EMOTIONS)]
            role = "validation" if number // len(EMOTIONS) % 10 == 0 else "train"
            rows.append((f"{CORPUS}/{number:06d}", CORPUS, member, emotion, role))
    pd.DataFrame(rows, columns=["clip", "corpus", "member", "emotion", "role"]).to_csv(
        folder / "clips.csv", index=False
    )


def work(name: str, folder: Path) -> float:
    """Do the work of a stage in this process, and return its peak memory in MB."""
    from deepemo.audio.features import Featurizer
    from deepemo.audio.spec import FeatureSpec
    from deepemo.dataset.featurize import featurize_clips
    from deepemo.dataset.shards import shards_for, write_shards
    from deepemo.models.shallow.family import TrainShallow
    from deepemo.models.shallow.train import train_shallow
    from deepemo.training.seeding import seed_everything

    params = load_params()
    spec = FeatureSpec.from_params(params.featurize)
    clips = pd.read_csv(folder / "clips.csv", dtype=str)
    if name == FEATURIZE:
        arrays = featurize_clips(clips, folder / "raw", Featurizer(spec), workers=params.featurize.workers)
        shape = (spec.frames, spec.bands)
        about = {"features": spec.to_dict()}
        shards = shards_for(len(clips), params.featurize.clips_per_shard)
        write_shards(folder / "features", arrays, shards=shards, shape=shape, about=about)
    elif name == TRAIN_SHALLOW:
        seed_everything(params.seed)
        section = params.section("train_shallow", TrainShallow).model_copy(update={"epochs": 1, "patience": 1})
        resume = folder / "resume"
        train_shallow(
            section, features=folder / "features", split=clips, emotions=EMOTIONS, seed=params.seed, resume=resume
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(name: str, folder: Path) -> float:
    """Peak memory in MB of one kind of work in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", "--child", name, "--folder", str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(answer.splitlines()[-1]))


def report(peaks: dict[int, dict[str, float]]) -> str:
    """The table: one row for each corpus size, and the ratio of the largest to the smallest."""
    rows = [(f"{clips:,} clips", *(f"{peaks[clips][name]:.0f} MB" for name in WORKS)) for clips in sorted(peaks)]
    least, most = peaks[min(peaks)], peaks[max(peaks)]
    rows.append(("largest against smallest", *(times(most[name] / least[name]) for name in WORKS)))
    header = ("corpus", "start: imports alone", "featurize", "train_shallow, one epoch")
    return table(header, rows)


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of clips, separated by commas.")] = "100,1000,10000",
    child: Annotated[str, typer.Option(hidden=True)] = "",
    folder: Annotated[Path, typer.Option(hidden=True)] = Path(),
) -> None:
    """Measure each kind of work on each size and write the section `Memory` of docs/benchmarks.md."""
    if child:
        print(json.dumps(work(child, folder)))
        return
    about = machine()
    peaks = {}
    for clips in [int(size) for size in sizes.split(",")]:
        with tempfile.TemporaryDirectory() as scratch:
            make_corpus(Path(scratch), clips)
            peaks[clips] = {name: measured(name, Path(scratch)) for name in WORKS}
        print(clips, peaks[clips], flush=True)
    from deepemo.training.batches import HELD_BYTES  # not before: a child's peak counts from its parent's size

    text = (
        f"`python -m benchmarks.memory --sizes {sizes}` on {about}.\n\n"
        "Peak resident memory, each figure from a process of its own, on made-up recordings of "
        f"{MADE_SECONDS} s. Training holds up to {HELD_BYTES // 2**20} MiB of arrays in memory, and validation as "
        f"much; larger arrays are streamed.\n\n{report(peaks)}"
    )
    write_section("Memory", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
