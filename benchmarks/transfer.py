"""Training a head on embeddings that are made once, compared with running the backbone in every epoch."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import pandas as pd
import typer

from benchmarks._measure import Cost, in_turns, machine, times, write_section
from deepemo.audio.spec import FeatureSpec
from deepemo.dataset.shards import shards_for, write_shards
from deepemo.dataset.split import TEST_UNSEEN, TRAIN, VALIDATION
from deepemo.emotions import EMOTIONS
from deepemo.models.head import build_head
from deepemo.models.imagenet.backbones.build import RANDOM, Backbone, build_backbone
from deepemo.models.imagenet.embed import Embedder, embed_features
from deepemo.models.imagenet.family import Embed, TrainTransfer
from deepemo.models.imagenet.network import as_picture, picture_bands
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table
from deepemo.training.batches import labelled_arrays
from deepemo.training.fit import fit

# Roles of every ten groups of clips, about as in the default split of the four corpora. A group has one clip of each
# emotion.
ROLES = (*[TRAIN] * 6, VALIDATION, *[TEST_UNSEEN] * 3)
SEED_EPOCH = "first version, one epoch"
EMBED = "ours, embedding pass"
HEAD = "ours, head"
# Batch size of the project's first version.
SEED_BATCH = 32


def made_split(clips: int) -> pd.DataFrame:
    """A split table of made-up clips, with every emotion in every role."""
    numbers = range(clips)
    return pd.DataFrame(
        {
            "clip": [f"made/{number:06d}" for number in numbers],
            "emotion": [EMOTIONS[number % len(EMOTIONS)] for number in numbers],
            "role": [ROLES[number // len(EMOTIONS) % len(ROLES)] for number in numbers],
        }
    )


def seed_training(
    backbone: Backbone, features: Path, split: pd.DataFrame, *, shape: tuple[int, int], band_pooling: int
) -> Callable[[], object]:
    """One epoch as the project's first version ran it: frozen backbone and output layer together, then validation."""
    backbone.network.trainable = False
    pictures = keras.Input(shape)
    maps = backbone.network(as_picture(pictures, band_pooling), training=False)
    seen = keras.layers.GlobalAveragePooling2D()(maps)
    network = keras.Model(pictures, keras.layers.Dense(len(EMOTIONS))(seen))
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    learned, judged = (
        tuple(np.concatenate(part) for part in zip(*parts, strict=True))
        for parts in (
            list(labelled_arrays(features, split[split["role"] == role], EMOTIONS, batch_size=SEED_BATCH))
            for role in (TRAIN, VALIDATION)
        )
    )
    return lambda: network.fit(*learned, batch_size=SEED_BATCH, validation_data=judged, verbose=0)


def report(costs: dict[str, Cost], epochs: int) -> str:
    """The table: seconds of each way, and how much faster it is than the first version's epochs."""
    walls = {name: cost.wall_seconds for name, cost in costs.items()}
    processor = {name: cost.cpu_seconds for name, cost in costs.items()}
    rows = []
    for name, parts, repeated in (
        (f"first version, {epochs} epochs (one timed, times {epochs})", (SEED_EPOCH,), epochs),
        (f"ours, head alone, {epochs} epochs", (HEAD,), 1),
        (f"ours, embedding pass and head, {epochs} epochs", (EMBED, HEAD), 1),
    ):
        wall, cpu = (repeated * sum(seconds[part] for part in parts) for seconds in (walls, processor))
        rows.append(
            (
                name,
                f"{wall:.1f}",
                f"{cpu:.1f}",
                times(epochs * walls[SEED_EPOCH] / wall),
                times(epochs * processor[SEED_EPOCH] / cpu),
            )
        )
    return table(("way", "seconds", "CPU seconds", "faster than first", "in CPU time"), rows)


def main(
    clips: Annotated[int, typer.Option(min=140, help="Made-up clips of all roles.")] = 2100,
    epochs: Annotated[int, typer.Option(min=1)] = 100,
    rounds: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Time both ways on the same clips and write the section `Transfer` of docs/benchmarks.md."""
    about = machine()
    params = load_params()
    section = params.section("train_transfer", TrainTransfer).model_copy(update={"epochs": epochs, "patience": epochs})
    embedding = params.section("embed", Embed)
    spec = FeatureSpec.from_params(params.featurize)
    split = made_split(clips)
    pooling = embedding.band_pooling
    bands = picture_bands(spec.bands, pooling)
    backbone = build_backbone(embedding.backbone, weights=RANDOM, height=spec.frames, width=bands)
    embedder = Embedder(embedding.model_copy(update={"weights": RANDOM}), spec, seed=params.seed)
    width = embedder.network.output_shape[-1]
    random = np.random.default_rng(params.seed)
    with tempfile.TemporaryDirectory() as scratch:
        features, embeddings = Path(scratch, "features"), Path(scratch, "embeddings")
        shape = (spec.frames, spec.bands)
        arrays = ((clip, random.random(shape, dtype=np.float32)) for clip in split["clip"])
        shards = shards_for(len(split), params.featurize.clips_per_shard)
        write_shards(features, arrays, shards=shards, shape=shape, about={})

        def embed() -> int:
            made = embed_features(features, embedder, batch_size=embedding.batch_size)
            return write_shards(embeddings, made, shards=shards, shape=(width,), about={})

        def train_head() -> object:
            head = build_head(
                width=width,
                hidden_units=section.hidden_units,
                dropout=section.dropout,
                classes=len(EMOTIONS),
            )
            return fit(
                head,
                section,
                label_smoothing=section.label_smoothing,
                folder=embeddings,
                split=split,
                emotions=EMOTIONS,
                seed=params.seed,
                resume=Path(scratch, "resume"),
            )

        embed()
        seeds = seed_training(backbone, features, split, shape=shape, band_pooling=pooling)
        ways = {SEED_EPOCH: seeds, EMBED: embed, HEAD: train_head}
        ways[SEED_EPOCH]()
        costs = in_turns(ways, rounds, warm_up=False)
    counts = split["role"].value_counts()
    text = (
        f"`python -m benchmarks.transfer --clips {clips} --epochs {epochs} --rounds {rounds}` on {about}.\n\n"
        f"{clips} made-up clips of {spec.frames} frames x {spec.bands} bands, embedded by {embedding.backbone} "
        f"as {width} values each: {counts[TRAIN]} to learn from, {counts[VALIDATION]} to validate on after "
        "every epoch, and the others only to embed. The head's time includes all work of "
        "the stage from shards to weights.\n\n"
        f"{report(costs, epochs)}"
    )
    write_section("Transfer", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
