"""Time of each part of the heavy stages by itself, on the outputs of a finished run in this folder."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import pandas as pd
import tensorflow as tf
import tensorflow_io as tfio
import typer

from benchmarks._measure import in_turns, machine, write_section
from deepemo.audio.augment import augment, neutral_class
from deepemo.audio.features import Featurizer, decibel_spectrogram
from deepemo.audio.io.decode import read_recording
from deepemo.audio.samples import measure_levels
from deepemo.audio.spec import FeatureSpec
from deepemo.corpora.archive import Archive
from deepemo.dataset.clips import good_clips, read_clips
from deepemo.dataset.shards import read_feature_spec, shards_for, write_shards
from deepemo.dataset.split import TRAIN, VALIDATION, read_split
from deepemo.emotions import Emotions
from deepemo.models.imagenet.family import IMAGENET_EMBEDDINGS, FineTune, TrainTransfer
from deepemo.models.imagenet.train import train_transfer
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.train import train_shallow
from deepemo.params import Params
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table
from deepemo.training.batches import TrainingBatches
from deepemo.training.fit import History
from deepemo.training.seeding import seed_everything
from deepemo.vad.gate import detect_voice

DATA = Path("data")
FEATURES = DATA / "features"
BATCHES = 20
EPOCHS = 3
Row = tuple[str, str, str]


def clip_parts(clips: pd.DataFrame, params: Params, scratch: Path) -> dict[str, Callable[[], object]]:
    """The steps of `validate` and `featurize` on clips, each over all clips in one thread."""
    archives = {corpus: Archive(DATA / "raw" / f"{corpus}.zip") for corpus in clips["corpus"].unique()}
    members = list(zip(clips["corpus"], clips["member"], strict=True))
    names = clips["clip"].tolist()

    def decoded() -> Iterator[tuple[Any, int]]:
        for corpus, member in members:
            recording = read_recording(archives[corpus].read(member), name=member)
            yield recording.mono(), recording.rate_hz

    recordings = list(decoded())
    spec = FeatureSpec.from_params(params.featurize)
    featurizer = Featurizer(spec)
    cut = [tf.constant(featurizer.clip(*recording)) for recording in recordings]
    stft = tf.function(
        lambda samples: tfio.audio.spectrogram(
            samples, nfft=spec.fft_size, window=spec.window_samples, stride=spec.hop_samples
        )
    )
    whole = tf.function(lambda samples: decibel_spectrogram(samples, spec))
    features = [whole(samples).numpy() for samples in cut]

    def write() -> int:
        shape = (spec.frames, spec.bands)
        pairs = zip(names, features, strict=True)
        shards = shards_for(len(names), params.featurize.clips_per_shard)
        return write_shards(scratch / "written", pairs, shards=shards, shape=shape, about={})

    return {
        "validate and featurize: unzip and decode": lambda: list(decoded()),
        "validate: level": lambda: [measure_levels(samples) for samples, _ in recordings],
        "validate: voice gate": lambda: [
            detect_voice(samples, rate_hz, params.validate_) for samples, rate_hz in recordings
        ],
        "featurize: resample, trim, cut or pad": lambda: [featurizer.clip(*recording) for recording in recordings],
        "featurize: magnitude of the STFT": lambda: [stft(samples) for samples in cut],
        "featurize: the same, with mel and decibels": lambda: [whole(samples) for samples in cut],
        "featurize: write shards": write,
    }


def views(split: pd.DataFrame, emotions: Emotions, section: TrainShallow | FineTune, seed: int) -> Callable[[], object]:
    """A function that makes augmented batches without training on them."""
    neutral = neutral_class(section.augment, emotions)
    view = partial(augment, section=section.augment, spec=read_feature_spec(FEATURES), neutral=neutral)
    training = split[split["role"] == TRAIN]
    batches = TrainingBatches(FEATURES, training, emotions, batch_size=section.batch_size, seed=seed, view=view)
    endless = batches.from_epoch(0, 10**6)
    return lambda: list(islice(endless, BATCHES))


def some_of(split: pd.DataFrame, batch_size: int, seed: int) -> pd.DataFrame:
    """`BATCHES` batches of the training clips, and one of validation."""
    wanted = {TRAIN: BATCHES * batch_size, VALIDATION: batch_size}
    drawn = [split[split["role"] == role] for role in wanted]
    return pd.concat(
        rows.sample(min(len(rows), count), random_state=seed)
        for rows, count in zip(drawn, wanted.values(), strict=True)
    )


def _a_batch(history: History, split: pd.DataFrame, batch_size: int) -> float:
    """Milliseconds a batch, without the first epoch, which traces the graph."""
    steps = (split["role"] == TRAIN).sum() // batch_size
    return 1000 * median(row["seconds"] for row in history[1:]) / steps


def training_rows(params: Params, scratch: Path) -> list[Row]:
    """For each training: time of its views alone, and of the whole training, a batch."""
    seed, emotions = params.seed, params.emotions
    seed_everything(seed)
    split = read_split(DATA / "split.csv", emotions)
    few, one = ({"epochs": epochs, "patience": epochs} for epochs in (EPOCHS, 1))
    shallow = params.section("train_shallow", TrainShallow).model_copy(update=few)
    transfer = params.section("train_transfer", TrainTransfer)
    finetune = transfer.finetune.model_copy(update=few)
    transfer = transfer.model_copy(update={**one, "finetune": finetune})

    def of_shallow(some: pd.DataFrame) -> History:
        resume = scratch / "shallow"
        return train_shallow(
            shallow, features=FEATURES, split=some, emotions=emotions, seed=seed, resume=resume
        ).history

    def of_transfer(some: pd.DataFrame) -> History:
        trained = train_transfer(
            transfer,
            features=FEATURES,
            embeddings=IMAGENET_EMBEDDINGS,
            split=some,
            emotions=emotions,
            seed=seed,
            resume=scratch / "t",
        )
        return [row for row in trained.history if row["phase"] == "finetune"]

    rows: list[Row] = []
    trainings: list[tuple[str, TrainShallow | FineTune, Callable[[pd.DataFrame], History]]] = [
        ("train_shallow", shallow, of_shallow),
        ("train_transfer, fine-tuning", finetune, of_transfer),
    ]
    for stage, section, train in trainings:
        size = section.batch_size
        some = some_of(split, size, seed)
        cost = in_turns({"views": views(some, emotions, section, seed)}, 3)["views"]
        wall, cpu = (1000 * seconds / BATCHES for seconds in (cost.wall_seconds, cost.cpu_seconds))
        rows.append((f"{stage}: augmented views alone, a batch of {size}", f"{wall:.0f}", f"{cpu:.0f}"))
        rows.append((f"{stage}: views, step and validation, a batch", f"{_a_batch(train(some), some, size):.0f}", "-"))
    return rows


def main(
    clips: Annotated[int, typer.Option(min=1, help="Good clips of the run to measure on.")] = 200,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    """Time the parts on the run in this folder and write the section `Parts of the stages` of docs/benchmarks.md."""
    about = machine()
    params = load_params()
    good = good_clips(read_clips(DATA / "clips.csv"))
    drawn = good.sample(min(clips, len(good)), random_state=params.seed)
    with tempfile.TemporaryDirectory() as scratch:
        costs = in_turns(clip_parts(drawn, params, Path(scratch)), rounds)
        rows = [
            (
                f"{part}, a clip",
                f"{1000 * cost.wall_seconds / len(drawn):.2f}",
                f"{1000 * cost.cpu_seconds / len(drawn):.2f}",
            )
            for part, cost in costs.items()
        ]
        rows += training_rows(params, Path(scratch))
    text = (
        f"`python -m benchmarks.parts --clips {clips} --rounds {rounds}` on {about}, after a run of the pipeline on "
        f"{', '.join(sorted(good['corpus'].unique()))}.\n\n{table(('part', 'ms', 'CPU ms'), rows)}"
    )
    write_section("Parts of the stages", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
