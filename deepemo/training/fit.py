"""Train a network on shards, and record how the training went."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deepemo.code import code_digest
from deepemo.dataset.split import TRAIN, VALIDATION
from deepemo.emotions import Emotions
from deepemo.files import folder_sha256, write_csv
from deepemo.params import Learning
from deepemo.training.batches import TrainingBatches, View, class_weights, validation_arrays
from deepemo.training.loop import RateGroup, Trainer

VALIDATION_BATCH = 64
History = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network and the records of its model family.

    Attributes:
        network: with its best weights.
        settings: arguments that build the same network again, except for its input and its weights.
        features: description of the front end, for JSON: all settings from samples to the network's input.
        history: one row per epoch.
        files: files that the network needs beside its weights, by their names in its folder.
    """

    network: keras.Model
    settings: Mapping[str, Any]
    features: Mapping[str, Any]
    history: History
    files: Mapping[str, Path] = field(default_factory=dict)


def training_fingerprint(
    name: str, section: Learning, inputs: Sequence[str], split: pd.DataFrame, emotions: Emotions, seed: int
) -> str:
    """Digest of everything that affects a training, code included, so that no other training's checkpoint is used.

    Args:
        name: of the network.
        section: how it learns.
        inputs: digests of the folders of its inputs, see `files.folder_sha256`.
        split: the split table.
        emotions: of the run.
        seed: of the training.
    """
    parts = (code_digest(), name, section.model_dump_json(), inputs, split.to_csv(), emotions, seed)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def fit(
    network: keras.Model,
    section: Learning,
    *,
    label_smoothing: float,
    folder: Path,
    split: pd.DataFrame,
    emotions: Emotions,
    seed: int,
    resume: Path,
    view: View | None = None,
    groups: list[RateGroup] | None = None,
) -> History:
    """Train a network on the training clips of a folder of shards, and validate it on the validation clips.

    Args:
        network: inputs to logits; trained in place.
        section: how it learns.
        label_smoothing: share of each target that is spread evenly over the classes.
        folder: shards of its inputs.
        split: the split table.
        emotions: of the run, the classes of the logits.
        seed: of order and views.
        resume: folder for checkpoints.
        view: augmentation of each training batch; None for unchanged inputs.
        groups: the weights that learn, and their rates; by default all learn at the same rate.

    Returns:
        One row per epoch, see `Trainer.run`.
    """
    training, validation = (split[split["role"] == role] for role in (TRAIN, VALIDATION))
    trainer = Trainer(
        network,
        section,
        TrainingBatches(folder, training, emotions, batch_size=section.batch_size, seed=seed, view=view),
        validation_arrays(folder, validation, emotions, batch_size=VALIDATION_BATCH),
        label_smoothing=label_smoothing,
        class_weights=class_weights(training, emotions),
        groups=groups,
    )
    fingerprint = training_fingerprint(network.name, section, [folder_sha256(folder)], split, emotions, seed)
    return trainer.run(resume, fingerprint)


def write_history(path: Path, history: History) -> None:
    """Write a training's history as CSV, without wall-clock seconds, so that the same run gives the same bytes."""
    write_csv(path, pd.DataFrame(history).drop(columns="seconds"), float_format="%.6f")


def summary(history: History) -> dict[str, Any]:
    """The epoch whose weights were kept, and its figures on the validation clips.

    >>> rows = [
    ...     {"epoch": 1, "val_loss": 1.2, "val_accuracy": 0.5, "val_uar": 0.4},
    ...     {"epoch": 2, "val_loss": 1.3, "val_accuracy": 0.4, "val_uar": 0.3},
    ... ]
    >>> summary(rows)
    {'epochs': 2, 'best_epoch': 1, 'val_loss': 1.2, 'val_accuracy': 0.5, 'val_uar': 0.4}
    """
    last = [row for row in history if row.get("phase") == history[-1].get("phase")]
    best = min(last, key=lambda row: row["val_loss"])
    figures = {name: round(best[name], 4) for name in ("val_loss", "val_accuracy", "val_uar")}
    return {"epochs": len(history), "best_epoch": best["epoch"], **figures}
