"""Train the two models from what earlier stages left on disk."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deepemo.audio.augment import Augmentation
from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.shards import read_spec
from deepemo.dataset.splitting import TRAIN, VALIDATION
from deepemo.learning.batches import TrainingBatches, class_weights, labelled_arrays
from deepemo.learning.training import Plan, RateGroup, Trainer
from deepemo.networks.backbones.build import Backbone
from deepemo.networks.shallow import build_shallow
from deepemo.networks.transfer import build_transfer

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


def _train(
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
    training, validation = (split[split["role"] == role] for role in (TRAIN, VALIDATION))
    trainer = Trainer(
        network,
        _plan(values, training),
        TrainingBatches(folder, training, batch_size=values["batch_size"], seed=seed, augmentation=augmentation),
        lambda: labelled_arrays(folder, validation, batch_size=VALIDATION_BATCH),
        groups=groups,
    )
    fingerprint = _fingerprint(network.name, dict(values), read_spec(folder), split.to_csv(), seed)
    return trainer.run(resume, fingerprint)


def train_shallow(
    values: Mapping[str, Any], *, features: Path, split: pd.DataFrame, seed: int, resume: Path
) -> Trained:
    """Train the shallow CNN.

    Args:
        values: the `train_shallow` section of params.yaml.
        features: folder of the features' shards.
        split: the split table.
        seed: of weights, order, views and dropout.
        resume: folder for checkpoints.
    """
    spec = FeatureSpec.from_dict(read_spec(features)["features"])
    settings = {name: values[name] for name in ("channels", "band_pooling", "dropout")}
    network = build_shallow(frames=spec.frames, bands=spec.bands, **settings)
    augmentation = Augmentation.from_params(values["augment"], hop_seconds=spec.hop_seconds, range_db=spec.range_db)
    history = _train(network, values, folder=features, split=split, seed=seed, resume=resume, augmentation=augmentation)
    return Trained(network=network, settings=settings, history=history)


def train_transfer(
    values: Mapping[str, Any], *, features: Path, embeddings: Path, split: pd.DataFrame, seed: int, resume: Path
) -> Trained:
    """Train the head on the embeddings, then the backbone's last blocks with it if wanted.

    Args:
        values: the `train_transfer` section of params.yaml.
        features: folder of the features' shards, for fine-tuning.
        embeddings: folder of the embeddings' shards, which say which backbone made them.
        split: the split table.
        seed: of weights, order, views and dropout.
        resume: folder for checkpoints.

    Returns:
        The whole network, from features to logits; its history has a column `phase`, `head` or `finetune`.
    """
    about = read_spec(embeddings)
    spec = FeatureSpec.from_dict(about["features"])
    settings = {
        "backbone": about["backbone"],
        "hidden_units": values["hidden_units"],
        "dropout": values["dropout"],
    }
    network, backbone = build_transfer(
        frames=spec.frames, bands=spec.bands, weights=about["weights"], seed=seed, **settings
    )
    head = network.get_layer("head")
    rows = _train(
        head, {**values, "average_weights": 0.0}, folder=embeddings, split=split, seed=seed, resume=resume / "head",
        augmentation=None,
    )  # fmt: skip
    history: History = [{"phase": "head", **row} for row in rows]
    finetune = values["finetune"]
    if finetune["trainable_blocks"]:
        augmentation = Augmentation.from_params(
            finetune["augment"], hop_seconds=spec.hop_seconds, range_db=spec.range_db
        )
        rows = _train(
            network,
            {**finetune, "patience": finetune["epochs"], "label_smoothing": values["label_smoothing"]},
            folder=features,
            split=split,
            seed=seed,
            resume=resume / "finetune",
            augmentation=augmentation,
            groups=_rate_groups(head, backbone, finetune["trainable_blocks"], finetune["rate_decay_per_block"]),
        )
        history += [{"phase": "finetune", **row} for row in rows]
    return Trained(network=network, settings=settings, history=history)


def _rate_groups(head: keras.Model, backbone: Backbone, blocks: int, decay: float) -> list[RateGroup]:
    """The head at full rate, then the last blocks, each earlier one at `decay` of the rate of the next."""
    groups = [RateGroup(weights=head.trainable_variables)]
    for depth, names in enumerate(reversed(backbone.blocks[-blocks:])):
        weights = [weight for name in names for weight in backbone.network.get_layer(name).trainable_variables]
        if weights:
            groups.append(RateGroup(weights=weights, factor=decay**depth))
    return groups


def write_history(path: Path, history: History) -> None:
    """Write a training's history as CSV, without the wall-clock seconds, so that the same run gives the same bytes."""
    table = pd.DataFrame(history).drop(columns="seconds")
    table.to_csv(path, index=False, float_format="%.6f", lineterminator="\n")


def summary(history: History) -> dict[str, Any]:
    """The epoch whose weights were kept, and its figures on validation."""
    last = [row for row in history if row.get("phase") == history[-1].get("phase")]
    best = max(last, key=lambda row: row["val_uar"])
    figures = {name: round(best[name], 4) for name in ("val_loss", "val_accuracy", "val_uar")}
    return {"epochs": len(history), "best_epoch": best["epoch"], **figures}
