"""Featurizing compared with the project's first version, a librosa loop, and decoding and FFT alone."""

import tempfile
import zipfile
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import scipy.fft
import scipy.signal
import soundfile
import tensorflow as tf
import typer

from benchmarks._measure import Cost, in_turns, machine, times, write_section
from benchmarks._seed_way import readable, seed_features
from deepemo.audio.features import Featurizer, fit_length
from deepemo.audio.spec import FeatureSpec
from deepemo.corpora.registry import CORPUS_NAMES
from deepemo.dataset.featurize import featurize_clips, give_cores_to_clips
from deepemo.dataset.shards import shards_for, write_shards
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table

SEED = "first version: tensorflow-io, eager, one clip at a time"
LIBROSA = "librosa loop"
BARE = "decoding and FFT alone (scipy), one thread"
BARE_TENSORFLOW = "decoding and FFT alone (tensorflow)"


def draw_recordings(corpora: Path, count: int) -> list[Path]:
    """Recordings spread evenly over the corpora in a folder."""
    found = [path for name in CORPUS_NAMES for path in sorted((corpora / name).rglob("*.wav"))]
    if not found:
        raise typer.BadParameter(f"{corpora}: no recordings, expected folders named like {list(CORPUS_NAMES)}")
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [found[number] for number in chosen]


def pack_recordings(paths: Iterable[Path], corpora: Path, raw: Path) -> pd.DataFrame:
    """Write recordings to `<raw>/<corpus>.zip` as `download` does, and return their rows of a clip table."""
    rows = []
    for path in paths:
        corpus, *_ = path.relative_to(corpora).parts
        with zipfile.ZipFile(raw / f"{corpus}.zip", "a", zipfile.ZIP_STORED) as archive:
            archive.write(path, path.name)
        rows.append({"clip": f"{corpus}/{path.stem}", "corpus": corpus, "member": path.name})
    return pd.DataFrame(rows)


def bare(paths: Iterable[Path], spec: FeatureSpec, transform: Callable[[np.ndarray], object]) -> None:
    """Decode each recording with libsndfile, and transform as many windows as our features have frames."""
    window = scipy.signal.get_window("hann", spec.window_samples).astype(np.float32)
    length = spec.frames * spec.hop_samples + spec.window_samples
    for path in paths:
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
        padded = fit_length(samples[:, 0], length)
        frames = np.lib.stride_tricks.sliding_window_view(padded, spec.window_samples)[:: spec.hop_samples]
        transform(frames[: spec.frames] * window)


def librosa_loop(paths: Iterable[Path], spec: FeatureSpec) -> None:
    """The same steps by librosa: decode and resample, trim, cut or pad, mel spectrogram, decibels."""
    librosa = import_module("librosa")
    for path in paths:
        samples, _ = librosa.load(path, sr=spec.sample_rate_hz)
        if spec.trim_below_db is not None:
            samples, _ = librosa.effects.trim(samples, top_db=spec.trim_below_db)
        mel = librosa.feature.melspectrogram(
            y=fit_length(samples, spec.clip_samples),
            sr=spec.sample_rate_hz,
            n_fft=spec.fft_size,
            win_length=spec.window_samples,
            hop_length=spec.hop_samples,
            n_mels=spec.mel_bands,
            fmin=spec.min_hz,
            fmax=spec.max_hz,
        )
        librosa.power_to_db(mel, ref=np.max, top_db=spec.range_db)


def report(costs: dict[str, Cost], clips: int) -> str:
    """The table: each way's cost a clip, and its ratios to the first version's and to the bare cost."""
    rows: list[tuple[str, ...]] = []
    for name, cost in costs.items():
        rows.append(
            (
                name,
                f"{1000 * cost.wall_seconds / clips:.2f}",
                f"{1000 * cost.cpu_seconds / clips:.2f}",
                times(costs[SEED].wall_seconds / cost.wall_seconds),
                times(costs[SEED].cpu_seconds / cost.cpu_seconds),
                times(cost.wall_seconds / costs[BARE].wall_seconds),
                times(cost.cpu_seconds / costs[BARE].cpu_seconds),
            )
        )
    if LIBROSA not in costs:
        rows.append((LIBROSA, *["not installed"] * 6))
    header = ("way", "ms a clip", "CPU ms a clip", "faster than first", "in CPU time", "cost over bare", "in CPU time")
    return table(header, rows)


def main(
    corpora: Annotated[Path, typer.Option(help="Folder of unpacked corpora, each in a folder of its name.")],
    clips: Annotated[int, typer.Option(min=1)] = 400,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
) -> None:
    """Time every way on the same recordings and write the section `Featurizing` of docs/benchmarks.md."""
    about = machine()
    give_cores_to_clips()
    params = load_params().featurize
    spec = FeatureSpec.from_params(params)
    drawn = draw_recordings(corpora, clips)
    paths = readable(drawn, spec)
    featurizer = Featurizer(spec)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch, "raw")
        raw.mkdir()
        rows = pack_recordings(paths, corpora, raw)

        def stage(workers: int) -> int:
            return write_shards(
                Path(scratch, "features"),
                featurize_clips(rows, raw, featurizer, workers=workers),
                shards=shards_for(len(rows), params.clips_per_shard),
                shape=(spec.frames, spec.bands),
                about={},
            )

        tensorflow_fft = tf.function(lambda frames: tf.signal.rfft(frames, [spec.fft_size]), reduce_retracing=True)
        ways: dict[str, Callable[[], object]] = {
            SEED: lambda: [seed_features(path, spec) for path in paths],
            BARE: lambda: bare(paths, spec, lambda frames: scipy.fft.rfft(frames, spec.fft_size)),
            BARE_TENSORFLOW: lambda: bare(paths, spec, tensorflow_fft),
            "ours, one thread, shards written": lambda: stage(1),
            f"ours, {params.workers} threads as in params.yaml, shards written": lambda: stage(params.workers),
        }
        if find_spec("librosa") and params.kind == "mel":
            ways[LIBROSA] = lambda: librosa_loop(paths, spec)
        costs = in_turns(ways, rounds)
    text = (
        f"`python -m benchmarks.featurizing --corpora FOLDER --clips {clips} --rounds {rounds}` on {about}.\n\n"
        f"{len(paths)} recordings drawn evenly from {', '.join(sorted(rows['corpus'].unique()))}. Those that "
        f"tensorflow-io refused, {len(drawn) - len(paths)} of the {len(drawn)} drawn, were left out for all ways. All "
        "ways run in one process, where TensorFlow uses one thread per operation, as in the stage.\n\n"
        f"{report(costs, len(paths))}"
    )
    write_section("Featurizing", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
