"""Variants of features and answers: normalisation by corpus or by speaker, and the mean over several views of a clip.

They are not params: somebody with one recording has no others to normalise by, and several views cost several times as
much. Figures are on validation, from the outputs of a finished run in this folder.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import typer
from sklearn.metrics import balanced_accuracy_score
from tqdm import tqdm

from benchmarks._measure import machine, write_section
from deepemo.audio.augment import augment
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.shards import read_feature_spec, read_features, read_spec, write_shards
from deepemo.dataset.split import TRAIN, VALIDATION, read_split
from deepemo.emotions import Emotions
from deepemo.evaluation.calibration import softmax
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.train import train_shallow
from deepemo.params import Augment, Params
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table
from deepemo.training.batches import labelled_arrays
from deepemo.training.seeding import seed_everything

DATA = Path("data")
FEATURES = DATA / "features"
BATCH = 64
GROUPINGS = {"as in params.yaml": None, "normalised by corpus": "corpus", "normalised by speaker": "speaker"}


def band_offsets(folder: Path, groups: pd.Series) -> dict[str, np.ndarray]:
    """Offsets that shift each group's mean of every band to the mean of all groups, over frames with sound.

    Args:
        folder: shards of features.
        groups: group of each clip to count, by clip id.

    Returns:
        Float64 [bands] of each group.
    """
    totals: dict[str, np.ndarray] = {}
    frames: dict[str, int] = {}
    for clip, features in _clips(folder, groups):
        group = groups[clip]
        sounding = features[features.any(axis=1)]
        totals[group] = totals.get(group, 0.0) + sounding.sum(axis=0, dtype=np.float64)
        frames[group] = frames.get(group, 0) + len(sounding)
    mean = sum(totals.values()) / sum(frames.values())
    return {group: mean - total / frames[group] for group, total in totals.items()}


def _clips(folder: Path, groups: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    for clips, values in read_features(folder, groups.index, batch_size=BATCH):
        yield from zip(clips, values, strict=True)


def normalised_shards(folder: Path, written: Path, groups: pd.Series) -> None:
    """Write new shards of the clips of `groups`, with their group's offset added in frames with sound."""
    spec = read_spec(folder)
    offsets = band_offsets(folder, groups)

    def moved() -> Iterator[tuple[str, np.ndarray]]:
        for clip, features in _clips(folder, groups):
            shifted = np.clip(features + offsets[groups[clip]], 0.0, 1.0)
            yield clip, np.where(features > 0, shifted, 0.0)

    write_shards(written, moved(), shards=spec["shards"], shape=spec["shape"], about={"features": spec["features"]})


def validation_uars(
    network: keras.Model,
    folder: Path,
    clips: pd.DataFrame,
    emotions: Emotions,
    section: Augment,
    spec: FeatureSpec,
    *,
    views: int,
    seed: int,
) -> tuple[float, float]:
    """UAR of the clips as they are, and of the mean of their probabilities and those of so many warped views."""
    truth, plain, mean = [], [], []
    for batch, (values, labels) in enumerate(labelled_arrays(folder, clips, emotions, batch_size=BATCH)):
        first = softmax(network(values, training=False).numpy())
        seen = [first]
        targets = tf.one_hot(labels, len(emotions))
        for view in range(views):
            warped, _ = augment(tf.constant(values), targets, tf.constant([seed + view, batch]), section, spec)
            seen.append(softmax(network(warped, training=False).numpy()))
        truth.append(labels)
        plain.append(first.argmax(axis=1))
        mean.append(np.mean(seen, axis=0).argmax(axis=1))
    expected = np.concatenate(truth)
    uar, uar_of_mean = (balanced_accuracy_score(expected, np.concatenate(answers)) for answers in (plain, mean))
    return float(uar), float(uar_of_mean)


def train_variant(
    params: Params, grouping: str | None, *, epochs: int, views: int, scratch: Path
) -> tuple[float, float]:
    """Train the shallow CNN on features of one normalisation; both UARs of `validation_uars`."""
    seed_everything(params.seed)
    split = read_split(DATA / "split.csv", params.emotions)
    split = split[split["role"].isin([TRAIN, VALIDATION])]
    folder = FEATURES
    if grouping is not None:
        folder = scratch / grouping
        normalised_shards(FEATURES, folder, split.set_index("clip")[grouping])
    section = params.section("train_shallow", TrainShallow).model_copy(update={"epochs": epochs, "patience": epochs})
    emotions, resume = params.emotions, scratch / "resume"
    trained = train_shallow(section, features=folder, split=split, emotions=emotions, seed=params.seed, resume=resume)
    off = {"append_neutral": 0.0, "noise": 0.0, "time_masks": 0, "frequency_masks": 0, "mixup": 0.0}
    warped = section.augment.model_copy(update=off)
    validation = split[split["role"] == VALIDATION]
    return validation_uars(
        trained.network,
        folder,
        validation,
        emotions,
        warped,
        read_feature_spec(folder),
        views=views,
        seed=params.seed,
    )


def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of each training.")] = 10,
    views: Annotated[int, typer.Option(min=1, help="Warped views that are answered beside the clip itself.")] = 8,
) -> None:
    """Train and answer in every variant and write the section `Variants without a param` of docs/benchmarks.md."""
    about = machine()
    params = load_params()
    corpora = sorted(read_split(DATA / "split.csv", params.emotions)["corpus"].unique())
    rows = []
    for name, grouping in tqdm(GROUPINGS.items(), desc="variants", disable=None):
        with tempfile.TemporaryDirectory() as scratch:
            plain, mean = train_variant(params, grouping, epochs=epochs, views=views, scratch=Path(scratch))
        rows.append((name, f"{100 * plain:.1f} %", f"{100 * mean:.1f} %"))
    header = ("features", "UAR", f"UAR of the mean of {views + 1} views")
    text = (
        f"`python -m benchmarks.variants --epochs {epochs} --views {views}` on {about}, after a run of the pipeline on "
        f"{', '.join(corpora)}.\n\nThe shallow CNN, seed {params.seed}, judged on validation clips. Features that "
        "are normalised by a group are shifted so that every band's mean over the group's frames with sound is that of "
        "all clips. The means are of training and validation clips together, so a speaker needs other recordings than "
        "the one that is answered. Views are warped and made louder or softer, as in training.\n\n"
        f"{table(header, rows)}"
    )
    write_section("Variants without a param", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
