"""The training loop of all networks: AdamW, a one-cycle rate, averaged weights, the best epoch kept, checkpoints."""

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

from deepemo.params import Learning
from deepemo.training.batches import Batches, Labelled
from deepemo.training.devices import check_agreement, is_chief, replicas, shared_out, summed
from deepemo.training.precision import in_mixed_precision

CHECKPOINT = "checkpoint.npz"
CLIP_NORM = 5.0
# Settings of the one-cycle schedule.
WARM_UP_SHARE = 0.25
START_DIVISOR = 25.0
END_DIVISOR = 1e4


@keras.saving.register_keras_serializable(package="deepemo")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to a peak in the first quarter and then falls to almost 0, each by half a cosine.

    Smith and Topin, "Super-Convergence" (2018), in the cosine form of PyTorch's OneCycleLR.

    >>> schedule = OneCycle(peak=0.01, steps=100)
    >>> [round(float(schedule(step)), 4) for step in (0, 25, 99)]
    [0.0004, 0.01, 0.0]
    """

    def __init__(self, peak: float, steps: int) -> None:
        self.peak = peak
        self.steps = steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Rate at a step, counted from 0."""
        top = max(1.0, WARM_UP_SHARE * self.steps)
        position = tf.cast(step, tf.float32)
        rising = 0.5 - 0.5 * tf.cos(math.pi * tf.minimum(position / top, 1.0))
        falling = 0.5 + 0.5 * tf.cos(
            math.pi * tf.clip_by_value((position - top) / max(1.0, self.steps - top), 0.0, 1.0)
        )
        start, end = self.peak / START_DIVISOR, self.peak / END_DIVISOR
        return tf.where(position < top, start + (self.peak - start) * rising, end + (self.peak - end) * falling)

    def get_config(self) -> dict[str, float]:
        """Arguments to build it again."""
        return {"peak": self.peak, "steps": self.steps}


@dataclass(kw_only=True)
class RateGroup:
    """Weights that learn at a share of the learning rate."""

    weights: list[Any]
    factor: float = 1.0


@dataclass
class _State:
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains a network that gives logits, validates it after each epoch, and leaves it with its best weights."""

    def __init__(
        self,
        network: keras.Model,
        section: Learning,
        batches: Batches,
        validation: Callable[[], Iterable[Labelled]],
        *,
        label_smoothing: float,
        class_weights: np.ndarray,
        groups: Sequence[RateGroup] | None = None,
        train_mode: bool = True,
    ) -> None:
        """Create the optimizers.

        Args:
            network: inputs to logits float32 [n, classes]; trained in place.
            section: epochs, patience, learning rate, weight decay, averaging of weights and precision.
            batches: training batches.
            validation: returns the labelled validation arrays at each call.
            label_smoothing: share of each target that is spread evenly over the classes.
            class_weights: float32 [classes], of the loss.
            groups: the weights that learn, and their rates; by default all trainable weights learn at the same rate.
            train_mode: whether the network is called as in training (dropout, batch statistics).
        """
        self.network = network
        self.section = section
        self.batches = batches
        self.validation = validation
        self._label_smoothing = label_smoothing
        self._class_weights = class_weights
        self.groups = list(groups) if groups else [RateGroup(weights=network.trainable_variables)]
        self._train_mode = train_mode
        steps = section.epochs * batches.steps_per_epoch
        self._optimizers = []
        for group in self.groups:
            optimizer = keras.optimizers.AdamW(
                OneCycle(section.learning_rate * group.factor, steps), weight_decay=section.weight_decay
            )
            optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
            optimizer.build(group.weights)
            self._optimizers.append(optimizer)
        self._learned = [weight for group in self.groups for weight in group.weights]
        self._averages = [tf.Variable(tf.identity(weight.value), trainable=False) for weight in self._learned]
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        step = self._train_step if replicas() == 1 else self._shared_step
        if section.mixed_precision:
            step = in_mixed_precision(network, step)
        self._step = tf.function(step, reduce_retracing=True)
        self._predict = tf.function(lambda values: network(values, training=False), reduce_retracing=True)

    def _train_step(self, values: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        gradients, loss, right = self._gradients(values, targets)
        self._learn(gradients)
        return loss, right

    def _shared_step(self, values: Any, targets: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """A step on a batch that is given as one part per replica."""
        strategy = tf.distribute.get_strategy()

        results = strategy.run(self._replica_step, args=(values, targets))
        loss, right = (strategy.experimental_local_results(each)[0] for each in results)
        return loss, right

    def _replica_step(self, values: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A replica's step on its part of a batch; all replicas apply the same gradients."""
        count = summed(tf.cast(tf.shape(targets)[0], tf.float32))
        gradients, loss, right = self._gradients(values, targets, count)
        *gradients, loss, right = summed([*gradients, loss, right])
        self._learn(gradients)
        return loss, right

    def _gradients(
        self, values: tf.Tensor, targets: tf.Tensor, count: tf.Tensor | None = None
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Gradients of the loss, the loss, and the share of right answers.

        Args:
            values: inputs of the network.
            targets: float32 [n, classes].
            count: number of clips in the whole batch, if this is a part of it. Gradients, loss and share are then this
                part's contribution to those of the whole batch.
        """

        def mean(figures: tf.Tensor) -> tf.Tensor:
            return tf.reduce_mean(figures) if count is None else tf.reduce_sum(figures) / count

        smoothing = self._label_smoothing
        classes = tf.cast(tf.shape(targets)[1], tf.float32)
        smoothed = targets * (1.0 - smoothing) + smoothing / classes
        with tf.GradientTape() as tape:
            logits = self.network(values, training=self._train_mode)
            loss = mean(-tf.reduce_sum(smoothed * self._class_weights * tf.nn.log_softmax(logits), axis=1))
        gradients = tape.gradient(loss, [weight.value for weight in self._learned])
        right = tf.equal(tf.argmax(logits, axis=1), tf.argmax(targets, axis=1))
        return gradients, loss, mean(tf.cast(right, tf.float32))

    def _learn(self, gradients: list[tf.Tensor]) -> None:
        """Update the weights by the gradients of a whole batch, and update their averages."""
        gradients, _ = tf.clip_by_global_norm(gradients, CLIP_NORM)
        if replicas() > 1:
            # Optimizers sum the gradients of all replicas, which are the same here.
            gradients = [gradient / replicas() for gradient in gradients]
        start = 0
        for group, optimizer in zip(self.groups, self._optimizers, strict=True):
            end = start + len(group.weights)
            optimizer.apply(gradients[start:end], group.weights)
            start = end
        # At first the average follows the weights closely, so that the first epochs are not validated on initial
        # weights.
        self._updates.assign_add(1)
        updates = tf.cast(self._updates, tf.float32)
        decay = tf.minimum(self.section.average_weights, (1.0 + updates) / (10.0 + updates))
        for average, weight in zip(self._averages, self._learned, strict=True):
            average.assign(decay * average + (1.0 - decay) * weight.value)

    def _swap_averages(self) -> None:
        if self.section.average_weights:
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
        """Train to the end, and set the network to its best weights.

        Args:
            resume: folder for a checkpoint after each epoch, removed at the end. A run that was killed continues from
                the checkpoint and ends with the same weights as an uninterrupted one. If there are several workers, the
                first writes the checkpoint and all read it.
            fingerprint: digest of everything that affects the training; a checkpoint with another fingerprint is
                ignored.

        Returns:
            One row per epoch: epoch (from 1), loss and accuracy on augmented batches, val_loss, val_accuracy, val_uar,
            seconds.
        """
        state, best = self._restore(resume, fingerprint)
        check_agreement(state.epoch, str(resume))
        batches = self.batches.from_epoch(state.epoch, self.section.epochs)
        progress = tqdm(
            initial=state.epoch,
            total=self.section.epochs,
            desc=self.network.name,
            unit="epoch",
            disable=None,
            mininterval=5,
        )
        with progress:
            while state.epoch < self.section.epochs and state.epoch - state.best_epoch < self.section.patience:
                began = time.monotonic()
                figures = [self._step(*self._parts(next(batches))) for _ in range(self.batches.steps_per_epoch)]
                state.epoch += 1
                self._swap_averages()
                row = {
                    "epoch": state.epoch,
                    "loss": float(np.mean([loss for loss, _ in figures])),
                    "accuracy": float(np.mean([right for _, right in figures])),
                    **self._validate(),
                }
                # The UAR of a few hundred clips jumps by points from epoch to epoch, so that its best value is mostly
                # luck. The loss of the same clips is smooth.
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
        if is_chief():
            shutil.rmtree(resume, ignore_errors=True)
        return state.history

    def _parts(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Sequence[Any]:
        return batch if replicas() == 1 else shared_out(*batch)

    def _everything(self) -> list[Any]:
        optimizers = [variable for optimizer in self._optimizers for variable in optimizer.variables]
        return [*self.network.variables, *optimizers, *self._averages, self._updates]

    def _save(self, resume: Path, fingerprint: str, state: _State, best: list[np.ndarray]) -> None:
        if not is_chief():
            return
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
