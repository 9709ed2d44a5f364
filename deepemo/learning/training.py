"""The training loop of every network: AdamW on a one-cycle rate, averaged weights, the best epoch kept, resumable."""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import balanced_accuracy_score
from tqdm import tqdm

from deepemo.learning.batches import Labelled, TrainingBatches
from deepemo.learning.schedule import OneCycle

CHECKPOINT = "checkpoint.npz"
CLIP_NORM = 5.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network learns.

    Attributes:
        epochs: at most so many.
        patience: epochs without a lower validation loss before it stops.
        learning_rate: the peak of the one-cycle schedule.
        weight_decay: of AdamW.
        label_smoothing: share of each target spread evenly over the classes.
        average_weights: decay of the running mean of weights that is validated and kept; 0 for the weights themselves.
        class_weights: float32 [7].
    """

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    average_weights: float
    class_weights: np.ndarray


@dataclass(kw_only=True)
class RateGroup:
    """Weights that learn at a share of the plan's rate."""

    weights: list[Any]
    factor: float = 1.0


@dataclass
class _State:
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def seed_everything(seed: int) -> None:
    """Make what follows in this process repeatable to the bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    # This joins sums of two gradients into longer ones, whose order is not the same in every run: see `Handover`.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


class Trainer:
    """Trains a network that gives logits, validating after each epoch, and leaves it with its best weights."""

    def __init__(
        self,
        network: keras.Model,
        plan: Plan,
        batches: TrainingBatches,
        validation: Callable[[], Iterable[Labelled]],
        *,
        groups: Sequence[RateGroup] | None = None,
        train_mode: bool = True,
    ) -> None:
        """Prepare.

        Args:
            network: inputs to logits float32 [n, 7]; trained in place.
            plan: how.
            batches: what it learns from.
            validation: gives the labelled arrays of validation anew at each call.
            groups: which weights learn, and how fast; by default all trainable ones alike.
            train_mode: whether the network is called as in training (dropout, batch statistics).
        """
        self.network = network
        self.plan = plan
        self.batches = batches
        self.validation = validation
        self.groups = list(groups) if groups else [RateGroup(weights=network.trainable_variables)]
        self._train_mode = train_mode
        steps = plan.epochs * batches.steps_per_epoch
        self._optimizers = []
        for group in self.groups:
            optimizer = keras.optimizers.AdamW(
                OneCycle(plan.learning_rate * group.factor, steps), weight_decay=plan.weight_decay
            )
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            optimizer.build(group.weights)
            self._optimizers.append(optimizer)
        self._learned = [weight for group in self.groups for weight in group.weights]
        self._averages = [tf.Variable(weight.value, trainable=False) for weight in self._learned]
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._predict = tf.function(lambda values: network(values, training=False), reduce_retracing=True)

    def _train_step(self, values: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        plan = self.plan
        classes = tf.cast(tf.shape(targets)[1], tf.float32)
        smoothed = targets * (1.0 - plan.label_smoothing) + plan.label_smoothing / classes
        with tf.GradientTape() as tape:
            logits = self.network(values, training=self._train_mode)
            each = -tf.reduce_sum(smoothed * plan.class_weights * tf.nn.log_softmax(logits), axis=1)
            loss = tf.reduce_mean(each)
        gradients = tape.gradient(loss, [weight.value for weight in self._learned])
        gradients, _ = tf.clip_by_global_norm(gradients, CLIP_NORM)
        start = 0
        for group, optimizer in zip(self.groups, self._optimizers, strict=True):
            end = start + len(group.weights)
            optimizer.apply(gradients[start:end], group.weights)
            start = end
        # Young averages follow the weights closely, so that the first epochs are not judged by the initial ones.
        self._updates.assign_add(1)
        updates = tf.cast(self._updates, tf.float32)
        decay = tf.minimum(plan.average_weights, (1.0 + updates) / (10.0 + updates))
        for average, weight in zip(self._averages, self._learned, strict=True):
            average.assign(decay * average + (1.0 - decay) * weight.value)
        right = tf.equal(tf.argmax(logits, axis=1), tf.argmax(targets, axis=1))
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    def _swap_averages(self) -> None:
        if self.plan.average_weights:
            for average, weight in zip(self._averages, self._learned, strict=True):
                kept = tf.identity(weight.value)
                weight.assign(average)
                average.assign(kept)

    def _validate(self) -> dict[str, float]:
        losses, right, labels = [], [], []
        for values, truth in self.validation():
            logits = self._predict(tf.constant(values))
            losses.append(tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits).numpy())
            right.append(np.argmax(logits.numpy(), axis=1))
            labels.append(truth)
        truth, answers = np.concatenate(labels), np.concatenate(right)
        return {
            "val_loss": float(np.concatenate(losses).mean()),
            "val_accuracy": float((truth == answers).mean()),
            "val_uar": float(balanced_accuracy_score(truth, answers)),
        }

    def run(self, resume: Path, fingerprint: str) -> list[dict[str, float]]:
        """Train to the end, and give the network its best weights.

        Args:
            resume: folder for a checkpoint after each epoch, removed at the end. A run that was killed goes on from it
                and ends with the same weights as one that was not.
            fingerprint: of all that shapes the training; a checkpoint of another is thrown away.

        Returns:
            One row an epoch: epoch (from 1), loss and accuracy on augmented batches, val_loss, val_accuracy, val_uar,
            seconds.
        """
        state, best = self._restore(resume, fingerprint)
        batches = self.batches.from_epoch(state.epoch, self.plan.epochs)
        progress = tqdm(
            initial=state.epoch,
            total=self.plan.epochs,
            desc=self.network.name,
            unit="epoch",
            disable=None,
            mininterval=5,
        )
        with progress:
            while state.epoch < self.plan.epochs and state.epoch - state.best_epoch < self.plan.patience:
                began = time.monotonic()
                figures = [self._step(*next(batches)) for _ in range(self.batches.steps_per_epoch)]
                state.epoch += 1
                self._swap_averages()
                row = {
                    "epoch": state.epoch,
                    "loss": float(np.mean([loss for loss, _ in figures])),
                    "accuracy": float(np.mean([right for _, right in figures])),
                    **self._validate(),
                }
                # The UAR of some hundred clips jumps by points from epoch to epoch, so that its best is the luckiest;
                # the loss of the same clips is smooth.
                if row["val_loss"] < state.best_loss:
                    state.best_loss, state.best_epoch = row["val_loss"], state.epoch
                    best = [variable.numpy() for variable in self.network.variables]
                self._swap_averages()
                row["seconds"] = round(time.monotonic() - began, 3)
                state.history.append(row)
                self._save(resume, fingerprint, state, best)
                progress.update()
                progress.set_postfix(loss=f"{row['loss']:.3f}", val_uar=f"{row['val_uar']:.3f}")
        for variable, value in zip(self.network.variables, best, strict=True):
            variable.assign(value)
        shutil.rmtree(resume, ignore_errors=True)
        return state.history

    def _everything(self) -> list[Any]:
        optimizers = [variable for optimizer in self._optimizers for variable in optimizer.variables]
        return [*self.network.variables, *optimizers, *self._averages, self._updates]

    def _save(self, resume: Path, fingerprint: str, state: _State, best: list[np.ndarray]) -> None:
        resume.mkdir(parents=True, exist_ok=True)
        arrays = {f"all{number}": variable.numpy() for number, variable in enumerate(self._everything())}
        arrays |= {f"best{number}": value for number, value in enumerate(best)}
        about = json.dumps({"fingerprint": fingerprint, **vars(state)})
        unfinished = resume / "unfinished.npz"
        np.savez(unfinished, about=np.array(about), **arrays)
        unfinished.replace(resume / CHECKPOINT)

    def _restore(self, resume: Path, fingerprint: str) -> tuple[_State, list[np.ndarray]]:
        best = [variable.numpy() for variable in self.network.variables]
        path = resume / CHECKPOINT
        if not path.exists():
            return _State(), best
        with np.load(path) as stored:
            about = json.loads(str(stored["about"]))
            if about.pop("fingerprint") != fingerprint:
                return _State(), best
            for number, variable in enumerate(self._everything()):
                variable.assign(stored[f"all{number}"])
            return _State(**about), [stored[f"best{number}"] for number in range(len(best))]
