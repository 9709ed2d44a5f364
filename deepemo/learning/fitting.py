"""What training either model has in common: its plan, its clips, its record."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deepemo.audio.augment import Augmentation
from deepemo.dataset.shards import read_spec
from deepemo.dataset.splitting import TRAIN, VALIDATION
from deepemo.learning.batches import TrainingBatches, class_weights, validation_arrays
from deepemo.learning.training import Plan, RateGroup, Trainer

VALIDATION_BATCH = 64
History = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network, the arguments that build it again, and how its training went, one row an epoch."""

    network: keras.Model
    settings: dict[str, Any]
    history: History


def _plan(values: Mapping[str, Any], training: pd.DataFrame) -> Plan:
    return Plan(
        epochs=values["epochs"],
        patience=values["patience"],
        learning_rate=values["learning_rate"],
        weight_decay=values["weight_decay"],
        label_smoothing=values["label_smoothing"],
        average_weights=values["average_weights"],
        class_weights=class_weights(training["emotion"]),
    )


def _fingerprint(*parts: Any) -> str:
    """Digest of all that shapes a training, so that a checkpoint of another is not mistaken for its own."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def fit(
    network: keras.Model,
    values: Mapping[str, Any],
    *,
    folder: Path,
    split: pd.DataFrame,
    seed: int,
    resume: Path,
    augmentation: Augmentation | None,
    groups: list[RateGroup] | None = None,
) -> History:
    """Train a network on the training clips of a folder of shards, validating on its validation clips.

    Args:
        network: inputs to logits; trained in place.
        values: epochs, patience, batch_size and the other settings of a `Plan`, as in params.yaml.
        folder: shards of its inputs.
        split: the split table.
        seed: of order and views.
        resume: folder for checkpoints.
        augmentation: None for inputs as they are.
        groups: which weights learn and how fast; by default all alike.

    Returns:
        One row an epoch.
    """
    training, validation = (split[split["role"] == role] for role in (TRAIN, VALIDATION))
    trainer = Trainer(
        network,
        _plan(values, training),
        TrainingBatches(folder, training, batch_size=values["batch_size"], seed=seed, augmentation=augmentation),
        validation_arrays(folder, validation, batch_size=VALIDATION_BATCH),
        groups=groups,
    )
    fingerprint = _fingerprint(network.name, dict(values), read_spec(folder), split.to_csv(), seed)
    return trainer.run(resume, fingerprint)


def write_history(path: Path, history: History) -> None:
    """Write a training's history as CSV, without the wall-clock seconds, so that the same run gives the same bytes."""
    table = pd.DataFrame(history).drop(columns="seconds")
    table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


def summary(history: History) -> dict[str, Any]:
    """The epoch whose weights were kept, and its figures on validation."""
    last = [row for row in history if row.get("phase") == history[-1].get("phase")]
    best = min(last, key=lambda row: row["val_loss"])
    figures = {name: round(best[name], 4) for name in ("val_loss", "val_accuracy", "val_uar")}
    return {"epochs": len(history), "best_epoch": best["epoch"], **figures}
