"""Train the transfer network on the outputs of earlier stages: its head, then the backbone's last blocks if wanted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import keras
import pandas as pd

from deepemo.audio.augment import augment, neutral_class
from deepemo.dataset.shards import read_feature_spec, read_spec
from deepemo.emotions import Emotions
from deepemo.models.imagenet.backbones.build import Backbone
from deepemo.models.imagenet.family import FineTune, TrainTransfer
from deepemo.models.imagenet.network import build_transfer, tapped_blocks
from deepemo.training.fit import History, Trained, fit
from deepemo.training.loop import RateGroup


def train_transfer(
    section: TrainTransfer,
    *,
    features: Path,
    embeddings: Path,
    split: pd.DataFrame,
    emotions: Emotions,
    seed: int,
    resume: Path,
) -> Trained:
    """Train the head on the embeddings, then the backbone's last blocks with it if wanted.

    Args:
        section: the head, and how both phases learn.
        features: folder of the features' shards, for fine-tuning.
        embeddings: folder of the embeddings' shards, which say which backbone made them.
        split: the split table.
        emotions: of the run.
        seed: of random backbone weights, order and views.
        resume: folder for checkpoints.

    Returns:
        The whole network, from features to logits. Its history has a column `phase`, `head` or `finetune`; the epochs
        of the second phase are numbered after those of the first.
    """
    spec, made_by = read_feature_spec(embeddings), read_spec(embeddings)
    settings = {
        **{name: made_by[name] for name in ("backbone", "band_pooling", "depths")},
        **section.model_dump(include={"hidden_units", "dropout"}),
    }
    network, backbone = build_transfer(
        frames=spec.frames,
        bands=spec.bands,
        weights=made_by["weights"],
        classes=len(emotions),
        seed=seed,
        **settings,
    )
    head = network.get_layer("head")
    rows = fit(
        head,
        section,
        label_smoothing=section.label_smoothing,
        folder=embeddings,
        split=split,
        emotions=emotions,
        seed=seed,
        resume=resume / "head",
    )
    history: History = [{"phase": "head", **row} for row in rows]
    finetune = section.finetune
    if finetune.trainable_blocks:
        rows = fit(
            network,
            finetune,
            label_smoothing=section.label_smoothing,
            folder=features,
            split=split,
            emotions=emotions,
            seed=seed,
            resume=resume / "finetune",
            view=partial(
                augment, section=finetune.augment, spec=spec, neutral=neutral_class(finetune.augment, emotions)
            ),
            groups=_rate_groups(head, backbone, made_by["depths"], finetune),
        )
        history += [{"phase": "finetune", **row, "epoch": len(history) + row["epoch"]} for row in rows]
    return Trained(network=network, settings=settings, features=spec.to_dict(), history=history)


def _rate_groups(head: keras.Model, backbone: Backbone, depths: Sequence[float], finetune: FineTune) -> list[RateGroup]:
    """Let the last blocks, up to the deepest tap, learn: the head at full rate, each earlier block slower."""
    groups = [RateGroup(weights=head.trainable_variables)]
    used = backbone.blocks[: tapped_blocks(backbone, depths)[-1] + 1]
    for distance, names in enumerate(reversed(used[-finetune.trainable_blocks :])):
        block = [backbone.network.get_layer(name) for name in names]
        for layer in block:
            layer.trainable = True
        weights = [weight for layer in block for weight in layer.trainable_variables]
        if weights:
            groups.append(RateGroup(weights=weights, factor=finetune.rate_decay_per_block**distance))
    return groups
