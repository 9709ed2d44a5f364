"""Training on several workers of this machine: the weights of one, a named error for a lost one, the environment."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from deepemo.errors import InputError
from deepemo.training.devices import CONFIG, devices, is_chief, workers_of_environment

ROOT = Path(__file__).parents[2]

# Rounding after 21 steps, from sums that two workers compute in parts.
TOLERANCE = 2e-5
# The bias of attention scores. A softmax cancels it, so its gradient is only rounding, which AdamW scales up.
CANCELLED = 23

TRAIN = """
import sys, time
from pathlib import Path

import stages
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.train import train_shallow
from deepemo.training.devices import devices
from deepemo.training.seeding import seed_everything
from deepemo.training.loop import Trainer
import numpy as np
import pandas as pd

folder, out, dying = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
save = Trainer._save


def save_and_die(trainer, resume, fingerprint, state, best):
    save(trainer, resume, fingerprint, state, best)
    if dying and state.epoch == dying:
        time.sleep(1)
        sys.exit(9)


Trainer._save = save_and_die
augment = dict(append_neutral=0.0, time_scale=0.1, time_shift_seconds=0.04, frequency_shift_bands=1.0, gain_db=3.0,
               noise=0.01, time_masks=1, time_mask_seconds=0.06, frequency_masks=1, frequency_mask_bands=2, mixup=0.3)
section = TrainShallow(channels=[4, 8], band_pooling=1, dropout=0.0, epochs=3, patience=3, batch_size=15,
                       learning_rate=0.02, weight_decay=0.01, label_smoothing=0.05, average_weights=0.9,
                       mixed_precision=False,
                       augment=augment)
try:
    with devices() as where:
        seed_everything(11)
        split = pd.read_csv(folder / "split.csv")
        resume = out.parent / "resume"
        trained = train_shallow(section, features=folder / "features", split=split, emotions=EMOTIONS, seed=11,
                                resume=resume)
        np.savez(out, *[variable.numpy() for variable in trained.network.variables])
    print(where, trained.history[-1]["epoch"])
except InputError as error:
    sys.exit(f"error: {error}")
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder: Path, workers: int, run: Path, *, dying: int = 0) -> "list[subprocess.Popen[str]]":
    """Start a training by this many workers. If `dying` names an epoch, the last worker dies after it."""
    run.mkdir(exist_ok=True)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    started = []
    for index in range(workers):
        environment = {name: value for name, value in os.environ.items() if name != CONFIG}
        environment |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        if workers > 1:
            task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            environment[CONFIG] = json.dumps(task)
        dies = str(dying) if index == workers - 1 else "0"
        command = [sys.executable, "-c", TRAIN, str(folder), str(run / f"{index}.npz"), dies]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    return started


def outcome(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=500)
    return process.returncode, out, err


def weights(path: Path) -> list[np.ndarray]:
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]


@pytest.mark.slow
def test_two_workers_give_the_weights_of_one(easy: Path, tmp_path: Path) -> None:
    (alone,) = start(easy, 1, tmp_path / "one")
    code, out, err = outcome(alone)
    assert (code, out) == (0, "CPU 3\n"), err
    for index, process in enumerate(start(easy, 2, tmp_path / "two")):
        code, out, err = outcome(process)
        assert (code, out) == (0, f"2 workers, this one ({index}) on CPU 3\n"), err
    one, first, second = (weights(tmp_path / path) for path in ("one/0.npz", "two/0.npz", "two/1.npz"))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one[CANCELLED].shape, one[CANCELLED - 1].shape[1]) == ((8,), 8)
    for number, (a, b) in enumerate(zip(one, first, strict=True)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-3 if number == CANCELLED else TOLERANCE)
    assert not (tmp_path / "two" / "resume").exists()


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_run_which_goes_on_from_the_checkpoint(easy: Path, tmp_path: Path) -> None:
    chief, dead = start(easy, 2, tmp_path / "run", dying=2)
    assert outcome(dead)[0] == 9
    began = time.monotonic()
    code, _, err = outcome(chief)
    assert code == 1, err
    assert "error: TF_CONFIG: another of the 2 workers went away" in err
    assert time.monotonic() - began < 120
    assert (tmp_path / "run" / "resume" / "checkpoint.npz").exists()
    for process in start(easy, 2, tmp_path / "run"):
        code, _, err = outcome(process)
        assert code == 0, err
    for process in start(easy, 2, tmp_path / "whole"):
        assert outcome(process)[0] == 0
    for a, b in zip(weights(tmp_path / "run/0.npz"), weights(tmp_path / "whole/0.npz"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_environment_names_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG, raising=False)
    assert workers_of_environment() == ([], 0)
    assert is_chief()
    task = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv(CONFIG, json.dumps(task))
    assert workers_of_environment() == (["a:1", "b:1"], 1)
    assert not is_chief()


def test_an_error_of_several_gpus_is_no_lost_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG, raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind, kind])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", tf.distribute.get_strategy)
    with pytest.raises(tf.errors.InternalError, match="of cuDNN"), devices():
        raise tf.errors.InternalError(None, None, "of cuDNN")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_bad_environment_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG, text)
    with pytest.raises(InputError, match=r"TF_CONFIG: found .*, expected"):
        workers_of_environment()
