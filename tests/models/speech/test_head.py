"""The head: learns what can be learned, standardises by what it is trained on, and repeats itself to the byte."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from deepemo.models.speech.head import HeadPlan, Standardisation, build_head, from_embeddings, train_head

PLAN = HeadPlan(hidden_units=16, epochs=20, batch_size=32, learning_rate=0.01, dropout=0.2)
WIDTH = 12


def made(count: int = 420, *, offset: float = 1000.0) -> tuple[np.ndarray, np.ndarray]:
    """Seven clouds far from the origin, each dimension on a scale of its own, and their labels."""
    random = np.random.default_rng(1)
    labels = np.arange(count) % 7
    centres = random.normal(size=(7, WIDTH))
    values = centres[labels] + 0.3 * random.normal(size=(count, WIDTH))
    return (offset + values * 10.0 ** np.linspace(-2, 2, WIDTH)).astype(np.float32), labels


def accuracy(head: keras.Model, embeddings: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean(np.argmax(head(embeddings, training=False), axis=1) == labels))


@pytest.mark.parametrize("hidden_units", [0, 16])
def test_learns_clouds_of_any_scale(hidden_units: int) -> None:
    embeddings, labels = made(offset=10.0)
    head = train_head(
        from_embeddings(embeddings), labels, HeadPlan(**{**vars(PLAN), "hidden_units": hidden_units}), seed=1
    )
    assert accuracy(head, embeddings, labels) > 0.95


def test_learns_nothing_from_labels_that_mean_nothing() -> None:
    embeddings, labels = made(2100)
    shuffled = np.random.default_rng(2).permutation(labels)
    head = train_head(from_embeddings(embeddings[:1050]), shuffled[:1050], PLAN, seed=1)
    assert accuracy(head, embeddings[1050:], shuffled[1050:]) < 0.25


def test_standardises_by_what_it_is_given() -> None:
    embeddings, _ = made()
    embeddings[:, 3] = 5.0  # a dimension that never varies
    layer = Standardisation()
    layer.build(embeddings.shape)
    layer.take(embeddings)
    found = layer(embeddings).numpy()
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(np.delete(found.std(axis=0), 3), 1, atol=0.02)
    assert not found[:, 3].any()
    assert not layer.trainable_weights


def test_draws_each_version_of_a_clip_as_often() -> None:
    versions = [np.full((4, 2), number, np.float32) + np.arange(4)[:, None] * 10 for number in range(3)]
    drawn = from_embeddings(*versions)(np.tile([3, 1], 3000), np.random.default_rng(3))
    assert set(drawn[0::2, 0]) == {30, 31, 32}
    np.testing.assert_allclose([np.mean(drawn[1::2, 0] == 10 + number) for number in range(3)], 1 / 3, atol=0.04)
    one = from_embeddings(versions[2])(np.array([2, 0]), np.random.default_rng(4))
    np.testing.assert_array_equal(one, versions[2][[2, 0]])


def test_an_epoch_smaller_than_a_batch_is_one_step() -> None:
    embeddings, labels = made(14)
    head = train_head(from_embeddings(embeddings), labels, HeadPlan(**{**vars(PLAN), "epochs": 1}), seed=1)
    untrained = build_head(WIDTH, hidden_units=16, dropout=0.2, seed=1)
    assert not np.array_equal(head.get_layer("hidden").kernel, untrained.get_layer("hidden").kernel)


TRAINING = """
import sys
from deepemo.learning.training import seed_everything
from deepemo.models.speech.head import from_embeddings, train_head
from tests.models.speech.test_head import PLAN, made
seed_everything(3)
embeddings, labels = made()
train_head(from_embeddings(embeddings, embeddings + 1), labels, PLAN, seed=5).save_weights(sys.argv[1])
"""


def test_two_processes_train_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / f"{run}.weights.h5" for run in range(2)]
    for file in files:
        subprocess.run([sys.executable, "-c", TRAINING, str(file)], check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_seed_trains_another_head() -> None:
    embeddings, labels = made(70)
    plan = HeadPlan(**{**vars(PLAN), "epochs": 1})
    one, other = (train_head(from_embeddings(embeddings), labels, plan, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one(embeddings), other(embeddings))


def test_weights_come_back_from_a_file(tmp_path: Path) -> None:
    embeddings, labels = made()
    head = train_head(from_embeddings(embeddings), labels, HeadPlan(**{**vars(PLAN), "epochs": 1}), seed=1)
    head.save_weights(tmp_path / "head.weights.h5")
    again = build_head(WIDTH, hidden_units=16, dropout=0.2, seed=9)
    again.load_weights(tmp_path / "head.weights.h5")
    np.testing.assert_array_equal(again(embeddings), head(embeddings))
