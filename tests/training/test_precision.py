"""Mixed precision: off it leaves no trace in a step, on it learns as well, and what is kept is a network in float32.

Products in bfloat16 are computed in processes of their own and only traced here: oneDNN refuses them if another test
has limited it to AVX2 after TensorFlow was loaded. A stage limits it before, and switches it off.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepemo.emotions import EMOTIONS
from deepemo.models.head import build_perceptron
from deepemo.models.saved import load_model
from deepemo.models.shallow.network import build_shallow
from deepemo.params import Learning
from deepemo.training.batches import TrainingBatches, labelled_arrays, validation_arrays
from deepemo.training.loop import Trainer
from deepemo.training.precision import in_mixed_precision

ROOT = Path(__file__).parents[2]

TRAIN = """
import json, sys
from pathlib import Path

import pandas as pd
import tensorflow as tf

from deepemo.dataset.split import fingerprint_clips
from deepemo.emotions import EMOTIONS
from deepemo.models.saved import save_model
from deepemo.models.shallow.family import TrainShallow
from deepemo.models.shallow.train import train_shallow
from deepemo.training.loop import Trainer
from deepemo.training.seeding import seed_everything
from tests.fixtures.training import SHALLOW

folder, to, way, killed_after = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
prepare, save = Trainer.__init__, Trainer._save


def prepare_bare(trainer, *arguments, **options):
    prepare(trainer, *arguments, **options)
    trainer._step = tf.function(trainer._train_step, reduce_retracing=True)


def save_and_die(trainer, resume, fingerprint, state, best):
    save(trainer, resume, fingerprint, state, best)
    if state.epoch == killed_after:
        sys.exit(9)


Trainer._save = save_and_die
if way == "bare":
    Trainer.__init__ = prepare_bare
seed_everything(11)
section = TrainShallow(**SHALLOW, mixed_precision=way == "on")
split = pd.read_csv(folder / "split.csv")
trained = train_shallow(section, features=folder / "features", split=split, emotions=EMOTIONS, seed=11,
                        resume=to / "resume")
save_model(to, trained, kind="shallow", emotions=EMOTIONS, trained_on=fingerprint_clips(split["clip"]), seed=11)
print(json.dumps(trained.history))
"""


def train(folder: Path, to: Path, way: str, *, killed_after: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", TRAIN, str(folder), str(to), way, str(killed_after)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def trained(folder: Path, to: Path, way: str) -> list[dict[str, Any]]:
    """Train, and give the figures of each epoch."""
    done = train(folder, to, way)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def small_network() -> keras.Model:
    return build_shallow(frames=12, bands=14, channels=[4, 8], band_pooling=1, dropout=0.2, classes=len(EMOTIONS))


def trainer(easy: Path, network: keras.Model, *, mixed_precision: bool) -> Trainer:
    split = pd.read_csv(easy / "split.csv")
    return Trainer(
        network,
        Learning(
            epochs=1, patience=1, batch_size=20, learning_rate=0.01, weight_decay=0.0, average_weights=0.5,
            mixed_precision=mixed_precision,
        ),
        TrainingBatches(easy / "features", split, EMOTIONS, batch_size=20, seed=1),
        validation_arrays(easy / "features", split, EMOTIONS, batch_size=32),
        label_smoothing=0.0,
        class_weights=np.ones(len(EMOTIONS), np.float32),
    )  # fmt: skip


def bfloat16_operations(function: Any, *arguments: Any) -> dict[str, list[str]]:
    """Names of the operations of a traced function that give bfloat16, by their kinds."""
    graph = function.get_concrete_function(*arguments).graph
    found: dict[str, list[str]] = {}
    for operation in graph.get_operations():
        if any(output.dtype == tf.bfloat16 for output in operation.outputs):
            found.setdefault(operation.type, []).append(operation.name)
    return found


def batch(easy: Path) -> tuple[tf.Tensor, tf.Tensor]:
    values, labels = next(labelled_arrays(easy / "features", pd.read_csv(easy / "split.csv"), EMOTIONS, batch_size=20))
    return tf.constant(values), tf.one_hot(labels, len(EMOTIONS))


@pytest.mark.slow
def test_off_gives_the_bytes_of_a_step_without_the_policy(easy: Path, tmp_path: Path) -> None:
    off, bare = trained(easy, tmp_path / "off", "off"), trained(easy, tmp_path / "bare", "bare")
    assert [row["loss"] for row in off] == [row["loss"] for row in bare]
    for name in ("model.weights.h5", "model.json"):
        assert (tmp_path / "off" / name).read_bytes() == (tmp_path / "bare" / name).read_bytes()


@pytest.mark.slow
def test_on_learns_as_well_resumes_to_the_same_bytes_and_saves_a_network_in_float32(easy: Path, tmp_path: Path) -> None:
    off, on = trained(easy, tmp_path / "off", "off"), trained(easy, tmp_path / "on", "on")
    assert on[0]["loss"] == pytest.approx(off[0]["loss"], rel=1e-3)
    # Rounding grows from epoch to epoch: over five seeds, the last losses differ by 1 to 13 %.
    assert on[-1]["val_loss"] == pytest.approx(off[-1]["val_loss"], rel=0.2)
    assert on[-1]["val_uar"] > 0.8
    weights = (tmp_path / "on" / "model.weights.h5").read_bytes()
    assert weights != (tmp_path / "off" / "model.weights.h5").read_bytes()

    assert train(easy, tmp_path / "again", "on", killed_after=2).returncode == 9
    assert trained(easy, tmp_path / "again", "on")[-1]["val_loss"] == on[-1]["val_loss"]
    assert (tmp_path / "again" / "model.weights.h5").read_bytes() == weights

    assert (tmp_path / "on" / "model.json").read_bytes() == (tmp_path / "off" / "model.json").read_bytes()
    kinds = set()
    with h5py.File(tmp_path / "on" / "model.weights.h5") as stored:
        stored.visititems(lambda name, item: kinds.add(item.dtype) if isinstance(item, h5py.Dataset) else None)
    assert kinds == {np.dtype(np.float32)}
    model = load_model(tmp_path / "on", EMOTIONS)
    assert not bfloat16_operations(tf.function(model.graph), tf.TensorSpec([None, 12, 14], tf.float32))
    values, targets = batch(easy)
    assert (model.logits(values.numpy()).argmax(axis=1) == targets.numpy().argmax(axis=1)).mean() > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_products_alone_are_in_bfloat16_and_only_if_it_is_on(easy: Path, mixed_precision: bool) -> None:
    network = small_network()
    learning = trainer(easy, network, mixed_precision=mixed_precision)
    values, targets = batch(easy)
    found = bfloat16_operations(learning._step, values, targets)
    products = {"Conv2D": 4, "Conv2DBackpropFilter": 4, "Conv2DBackpropInput": 4} if mixed_precision else {}
    assert {kind: len(names) for kind, names in found.items() if kind != "Cast"} == products
    assert len(found.get("Cast", [])) == (12 if mixed_precision else 0)  # input, kernel and gradient of each
    assert not bfloat16_operations(learning._predict, values)

    loss, _ = learning._step.get_concrete_function(values, targets).structured_outputs
    assert loss.dtype == tf.float32
    assert {variable.dtype for variable in learning._everything()} <= {"float32", tf.float32, "int64", tf.int64}
    assert network(values).dtype == tf.float32
    assert {layer.dtype_policy.name for layer in network.layers} == {"float32"}
    assert "bfloat16" not in network.to_json()


def test_the_layer_of_the_logits_and_frozen_layers_stay_in_float32() -> None:
    network = build_perceptron(6, hidden_units=5, dropout=0.1, classes=3, name="small")
    whole = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, trainable=False), network])
    seen: dict[tuple[int, ...], str] = {}

    def step(values: tf.Tensor) -> tf.Tensor:
        for layer in (whole.layers[0], *network.layers):
            if isinstance(layer, keras.layers.Dense):
                seen[tuple(layer.kernel.shape)] = layer.compute_dtype
        return whole(values, training=True)

    traced = tf.function(in_mixed_precision(whole, step)).get_concrete_function(tf.ones([2, 4]))
    assert traced.structured_outputs.dtype == tf.float32
    assert seen == {(4, 6): "float32", (6, 5): "bfloat16", (5, 3): "float32"}


def test_a_step_that_fails_leaves_the_network_in_float32() -> None:
    network = build_perceptron(6, hidden_units=5, dropout=0.1, classes=3, name="small")

    def step(values: tf.Tensor) -> tf.Tensor:
        raise ArithmeticError("no step")

    with pytest.raises(ArithmeticError, match="no step"):
        in_mixed_precision(network, step)(tf.ones([2, 6]))
    assert {layer.dtype_policy.name for layer in network.layers} == {"float32"}
