"""The training loop: it learns, repeats itself to the bit, and gives the same result after it was killed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepemo.emotions import EMOTIONS
from deepemo.training import batches as batching
from deepemo.training.batches import TrainingBatches, class_weights, labelled_arrays, validation_arrays
from deepemo.training.loop import OneCycle

TRAIN_TWICE = """
import sys
from pathlib import Path

import pandas as pd

from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.train import train_shallow
from deepemo.emotions import EMOTIONS
from deepemo.training.loop import Trainer
from deepemo.training.seeding import seed_everything
from tests.fixtures.training import SHALLOW

folder, resume, killed_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if killed_after:
    save = Trainer._save

    def save_and_die(trainer, resume, fingerprint, state, best):
        save(trainer, resume, fingerprint, state, best)
        if state.epoch == killed_after:
            sys.exit(9)

    Trainer._save = save_and_die
seed_everything(11)
section = TrainShallow(**SHALLOW, mixed_precision=False)
split = pd.read_csv(folder / "split.csv")
trained = train_shallow(section, features=folder / "features", split=split, emotions=EMOTIONS, seed=11, resume=resume)
trained.network.save_weights(folder / "model.weights.h5")
print(trained.history[-1]["val_uar"])
"""


@pytest.fixture(params=["held", "streamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches from arrays that are held in memory, or that are read again in every epoch."""
    if request.param == "streamed":
        monkeypatch.setattr(batching, "HELD_BYTES", 0)


def batches(folder: Path, split: pd.DataFrame) -> list[tuple[tf.Tensor, tf.Tensor]]:
    made = TrainingBatches(folder / "features", split, EMOTIONS, batch_size=20, seed=1)
    return list(made.from_epoch(0, 1))


def train(folder: Path, killed_after: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRAIN_TWICE, str(folder), str(folder / "resume"), str(killed_after)]
    return subprocess.run(command, capture_output=True, text=True, env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""})


@pytest.mark.slow
def test_training_learns_repeats_itself_and_survives_a_kill(easy: Path) -> None:
    first = train(easy)
    assert first.returncode == 0, first.stderr
    assert float(first.stdout) > 0.8
    weights = (easy / "model.weights.h5").read_bytes()
    assert not (easy / "resume").exists()

    assert train(easy, killed_after=2).returncode == 9
    assert (easy / "resume" / "checkpoint.npz").exists()
    resumed = train(easy)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == first.stdout
    assert (easy / "model.weights.h5").read_bytes() == weights


@pytest.mark.usefixtures("way")
def test_batches_hold_training_clips_alone_each_once_an_epoch(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    training = split[split["role"] == "train"]
    batches = TrainingBatches(easy / "features", training, EMOTIONS, batch_size=15, seed=1)
    assert batches.steps_per_epoch == 7
    drawn = list(batches.from_epoch(0, 2))
    assert len(drawn) == 14
    epochs = [np.concatenate([values for values, _ in part]) for part in (drawn[:7], drawn[7:])]
    stored = np.concatenate(
        [values for values, _ in labelled_arrays(easy / "features", training, EMOTIONS, batch_size=50)]
    )
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch[:, 0, 0]), np.sort(stored[:, 0, 0]))
    assert (epochs[0][:, 0, 0] != epochs[1][:, 0, 0]).any()


@pytest.mark.slow
@pytest.mark.usefixtures("way")
def test_batches_from_a_later_epoch_are_those_of_that_epoch(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    batches = TrainingBatches(easy / "features", split, EMOTIONS, batch_size=20, seed=1)
    whole = list(batches.from_epoch(0, 3))[-batches.steps_per_epoch :]
    for (values, targets), (again, same) in zip(whole, batches.from_epoch(2, 3), strict=True):
        np.testing.assert_array_equal(values, again)
        np.testing.assert_array_equal(targets, same)


@pytest.mark.usefixtures("way")
def test_labels_follow_their_clips(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    validation = validation_arrays(easy / "features", split, EMOTIONS, batch_size=32)
    drawn = [(values.numpy(), targets.numpy().argmax(axis=1)) for values, targets in batches(easy, split)]
    for given in (validation(), validation(), drawn):
        seen = 0
        for values, labels in given:
            lit = values.mean(axis=1).reshape(len(values), 7, 2).sum(axis=2).argmax(axis=1)
            np.testing.assert_array_equal(lit, labels)
            seen += len(labels)
        assert seen == len(split)


def test_class_weights_favour_the_rare_and_average_one_over_clips() -> None:
    emotions = [emotion for count, emotion in enumerate(EMOTIONS, start=1) for _ in range(count * count)]
    weights = class_weights(pd.DataFrame({"emotion": emotions}), EMOTIONS)
    np.testing.assert_allclose(weights[0] / weights[3], 4.0, rtol=1e-6)
    counts = np.arange(1, 8) ** 2
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1.0)


def test_the_rate_rises_to_its_peak_and_falls_to_nearly_nothing() -> None:
    schedule = OneCycle(0.01, 100)
    rates = [float(schedule(tf.constant(step))) for step in range(100)]
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == 25
    assert rates[0] == pytest.approx(0.0004)
    assert rates[-1] < 1e-4
    rises = np.diff(rates) >= 0
    assert rises[:25].all()
    assert not rises[25:].any()
