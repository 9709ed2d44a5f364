"""Transfer's two phases: the head alone, then the backbone's last blocks with it and nothing before them."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.shards import read_batches
from deepemo.emotions import EMOTIONS
from deepemo.models.imagenet.backbones.build import build_backbone
from deepemo.models.imagenet.cached import EmbeddingHead
from deepemo.models.imagenet.embed import write_embeddings
from deepemo.models.imagenet.family import Embed, TrainTransfer, cached
from deepemo.models.imagenet.train import train_transfer
from deepemo.pipeline import load_params
from deepemo.training.fit import Trained

ROOT = Path(__file__).parents[3]
SEED = 3
EMBED = Embed(backbone="efficientnet_lite0", weights="random", band_pooling=2, depths=[0.1, 0.2], batch_size=32)
AUGMENT = {
    "append_neutral": 0.3, "time_scale": 0.1, "time_shift_seconds": 0.04, "frequency_shift_bands": 1.0,
    "gain_db": 3.0, "noise": 0.01,
    "time_masks": 1, "time_mask_seconds": 0.06, "frequency_masks": 1, "frequency_mask_bands": 2, "mixup": 0.3,
}  # fmt: skip
PHASE = {
    "epochs": 2,
    "patience": 2,
    "batch_size": 16,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "average_weights": 0.5,
    "mixed_precision": False,
}


@pytest.fixture
def embedded(easy: Path) -> Path:
    """The easy features with embeddings of a random backbone beside them."""
    write_embeddings(EMBED, features=easy / "features", embeddings=easy / "embeddings", seed=SEED)
    return easy


def train(folder: Path, trainable_blocks: int) -> Trained:
    keras.utils.set_random_seed(SEED)
    finetune = {**PHASE, "trainable_blocks": trainable_blocks, "rate_decay_per_block": 0.5, "augment": AUGMENT}
    section = TrainTransfer.model_validate(
        {**PHASE, "hidden_units": 0, "dropout": 0.1, "label_smoothing": 0.0, "finetune": finetune}
    )
    return train_transfer(
        section,
        features=folder / "features",
        embeddings=folder / "embeddings",
        split=pd.read_csv(folder / "split.csv"),
        emotions=EMOTIONS,
        seed=SEED,
        resume=folder / "resume",
    )


def backbone_layers(network: keras.Model) -> dict[str, list[np.ndarray]]:
    """Weights and running statistics of the backbone's layers, by name, in order."""
    seeing = network.get_layer("embedder").get_layer("efficientnet_lite0")
    return {layer.name: layer.get_weights() for layer in seeing.layers if layer.weights}


def changed(before: dict[str, list[np.ndarray]], after: dict[str, list[np.ndarray]]) -> list[bool]:
    return [any((was != now).any() for was, now in zip(before[name], after[name], strict=True)) for name in after]


@pytest.mark.slow
def test_the_last_blocks_learn_and_those_before_keep_weights_and_statistics(embedded: Path) -> None:
    frozen, tuned = train(embedded, 0), train(embedded, 2)
    assert [row["phase"] for row in frozen.history] == ["head"] * 2
    assert [row["phase"] for row in tuned.history] == ["head"] * 2 + ["finetune"] * 2
    assert [row["epoch"] for row in tuned.history] == [1, 2, 3, 4]
    for row, same in zip(frozen.history, tuned.history[:2], strict=True):
        assert row["val_loss"] == pytest.approx(same["val_loss"], rel=1e-4)
    untouched = build_backbone("efficientnet_lite0", weights="random", height=12, width=7, seed=SEED).network
    before = {layer.name: layer.get_weights() for layer in untouched.layers}
    assert not any(changed(before, backbone_layers(frozen.network)))
    layers_changed = changed(before, backbone_layers(tuned.network))
    first = layers_changed.index(True)
    assert 0 < first < len(layers_changed)
    assert all(layers_changed[first:])


@pytest.mark.slow
def test_more_blocks_than_there_are_means_all(embedded: Path) -> None:
    network = train(embedded, 99).network
    untouched = build_backbone("efficientnet_lite0", weights="random", height=12, width=7, seed=SEED).network
    assert all(changed({layer.name: layer.get_weights() for layer in untouched.layers}, backbone_layers(network)))


@pytest.mark.slow
def test_a_head_on_embeddings_answers_as_the_network_on_features(embedded: Path) -> None:
    network = train(embedded, trainable_blocks=0).network
    head = EmbeddingHead(network)
    batches = read_batches(embedded / "features", batch_size=64)
    features = {name: value for names, values in batches for name, value in zip(names, values, strict=True)}
    for names, embeddings in read_batches(embedded / "embeddings", batch_size=64):
        expected = network(np.stack([features[name] for name in names]), training=False)
        # Shards hold embeddings in 16 bits.
        np.testing.assert_allclose(head.logits(embeddings), expected, atol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("trainable_blocks", "folder"), [(0, "data/embeddings/imagenet"), (1, "data/features")])
def test_a_tuned_backbone_is_judged_on_features(trainable_blocks: int, folder: str, embedded: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    section = params.section("train_transfer", TrainTransfer)
    finetune = section.finetune.model_copy(update={"trainable_blocks": trainable_blocks})
    models = {**params.models, "train_transfer": section.model_copy(update={"finetune": finetune})}
    model = SimpleNamespace(network=train(embedded, trainable_blocks=0).network)
    shards, part = cached(params.model_copy(update={"models": models}), model)
    assert shards == Path(folder)
    assert (part is model) == bool(trainable_blocks)
