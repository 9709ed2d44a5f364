"""The training loop: it learns, repeats itself to the bit, and goes on after being killed as if it had not been."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepemo.dataset.shards import write_shards
from deepemo.emotions import EMOTIONS
from deepemo.learning.batches import TrainingBatches, class_weights, labelled_arrays
from deepemo.learning.schedule import OneCycle

TRAIN_TWICE = """
import sys
from pathlib import Path

import pandas as pd

from deepemo.learning.shallow import train_shallow
from deepemo.learning.training import Trainer, seed_everything

folder, resume, killed_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if killed_after:
    save = Trainer._save

    def save_and_die(trainer, resume, fingerprint, state, best):
        save(trainer, resume, fingerprint, state, best)
        if state.epoch == killed_after:
            sys.exit(9)

    Trainer._save = save_and_die
seed_everything(11)
augment = dict(time_scale=0.1, time_shift_seconds=0.04, frequency_shift_bands=1.0, gain_db=3.0, noise=0.01,
               time_masks=1, time_mask_seconds=0.06, frequency_masks=1, frequency_mask_bands=2, mixup=0.3)
values = dict(channels=[4, 8], band_pooling=1, dropout=0.2, epochs=12, patience=12, batch_size=16, learning_rate=0.02,
              weight_decay=0.01, label_smoothing=0.05, average_weights=0.9, augment=augment)
split = pd.read_csv(folder / "split.csv")
trained = train_shallow(values, features=folder / "features", split=split, seed=11, resume=resume)
trained.network.save_weights(folder / "model.weights.h5")
print(trained.history[-1]["val_uar"])
"""

FRAMES, BANDS = 12, 14
SPEC = {
    "sample_rate_hz": 16000, "kind": "mel", "clip_seconds": 0.24, "trim_below_db": None, "window_seconds": 0.064,
    "hop_seconds": 0.02, "mel_bands": BANDS, "min_hz": 50.0, "max_hz": 8000.0, "range_db": 80.0,
}  # fmt: skip


@pytest.fixture
def easy(tmp_path: Path) -> Path:
    """Features in which each emotion lights two bands of its own, and a split of them."""
    rng = np.random.default_rng(0)
    rows, arrays = [], []
    for number in range(140):
        emotion = number % 7
        values = rng.uniform(0, 0.4, (FRAMES, BANDS))
        values[:, 2 * emotion : 2 * emotion + 2] += 0.5
        clip = f"made/{number:03d}"
        arrays.append((clip, values))
        rows.append({"clip": clip, "emotion": EMOTIONS[emotion], "role": "validation" if number >= 105 else "train"})
    write_shards(tmp_path / "features", arrays, shards=4, shape=(FRAMES, BANDS), about={"features": SPEC})
    pd.DataFrame(rows).to_csv(tmp_path / "split.csv", index=False)
    return tmp_path


def train(folder: Path, killed_after: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TRAIN_TWICE, str(folder), str(folder / "resume"), str(killed_after)]
    return subprocess.run(command, capture_output=True, text=True, env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""})


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


def test_batches_hold_training_clips_alone_each_once_an_epoch(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    training = split[split["role"] == "train"]
    batches = TrainingBatches(easy / "features", training, batch_size=15, seed=1, augmentation=None)
    assert batches.steps_per_epoch == 7
    drawn = list(batches.from_epoch(0, 2))
    assert len(drawn) == 14
    epochs = [np.concatenate([values for values, _ in part]) for part in (drawn[:7], drawn[7:])]
    stored = np.concatenate([values for values, _ in labelled_arrays(easy / "features", training, batch_size=50)])
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch[:, 0, 0]), np.sort(stored[:, 0, 0]))
    assert (epochs[0][:, 0, 0] != epochs[1][:, 0, 0]).any()


def test_batches_from_a_later_epoch_are_those_of_that_epoch(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    batches = TrainingBatches(easy / "features", split, batch_size=20, seed=1, augmentation=None)
    whole = list(batches.from_epoch(0, 3))[-batches.steps_per_epoch :]
    for (values, targets), (again, same) in zip(whole, batches.from_epoch(2, 3), strict=True):
        np.testing.assert_array_equal(values, again)
        np.testing.assert_array_equal(targets, same)


def test_labels_follow_their_clips(easy: Path) -> None:
    split = pd.read_csv(easy / "split.csv")
    for values, labels in labelled_arrays(easy / "features", split, batch_size=32):
        lit = values.mean(axis=1).reshape(len(values), 7, 2).sum(axis=2).argmax(axis=1)
        np.testing.assert_array_equal(lit, labels)


def test_class_weights_favour_the_rare_and_average_one_over_clips() -> None:
    emotions = pd.Series([emotion for count, emotion in enumerate(EMOTIONS, start=1) for _ in range(count * count)])
    weights = class_weights(emotions)
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
