"""Train the transferred network from what earlier stages left on disk: its head, then its last blocks if wanted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deepemo.audio.augment import Augmentation
from deepemo.audio.spectrogram import FeatureSpec
from deepemo.dataset.shards import read_spec
from deepemo.models.imagenet.backbones.build import Backbone
from deepemo.models.imagenet.network import build_transfer, tapped_blocks
from deepemo.training.fit import History, Trained, fit
from deepemo.training.loop import RateGroup


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
        The whole network, from features to logits. Its history has a column `phase`, `head` or `finetune`, and counts
        epochs on.
    """
    about = read_spec(embeddings)
    spec = FeatureSpec.from_dict(about["features"])
    settings = {
        "backbone": about["backbone"],
        "band_pooling": about["band_pooling"],
        "depths": about["depths"],
        "hidden_units": values["hidden_units"],
        "dropout": values["dropout"],
    }
    network, backbone = build_transfer(
        frames=spec.frames, bands=spec.bands, weights=about["weights"], seed=seed, **settings
    )
    head = network.get_layer("head")
    rows = fit(
        head, values, folder=embeddings, split=split, seed=seed, resume=resume / "head",
        augmentation=None,
    )  # fmt: skip
    history: History = [{"phase": "head", **row} for row in rows]
    finetune = values["finetune"]
    if finetune["trainable_blocks"]:
        augmentation = Augmentation.from_params(
            finetune["augment"], hop_seconds=spec.hop_seconds, range_db=spec.range_db
        )
        rows = fit(
            network,
            {**finetune, "label_smoothing": values["label_smoothing"]},
            folder=features,
            split=split,
            seed=seed,
            resume=resume / "finetune",
            augmentation=augmentation,
            groups=_rate_groups(head, backbone, settings["depths"], finetune),
        )
        history += [{"phase": "finetune", **row, "epoch": len(history) + row["epoch"]} for row in rows]
    return Trained(network=network, settings=settings, history=history)


def _rate_groups(
    head: keras.Model, backbone: Backbone, depths: Sequence[float], finetune: Mapping[str, Any]
) -> list[RateGroup]:
    """Let the last blocks up to the deepest tap learn: the head at full rate, each earlier block slower."""
    groups = [RateGroup(weights=head.trainable_variables)]
    used = backbone.blocks[: tapped_blocks(backbone, depths)[-1] + 1]
    for distance, names in enumerate(reversed(used[-finetune["trainable_blocks"] :])):
        block = [backbone.network.get_layer(name) for name in names]
        for layer in block:
            layer.trainable = True
        weights = [weight for layer in block for weight in layer.trainable_variables]
        if weights:
            groups.append(RateGroup(weights=weights, factor=finetune["rate_decay_per_block"] ** distance))
    return groups
