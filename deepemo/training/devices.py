"""The devices that train a network, chosen by the environment: cores, GPUs, or several machines.

- `TF_CONFIG` names several workers (the format of `tf.distribute`): each trains on its part of every batch.
- Several GPUs are visible (`CUDA_VISIBLE_DEVICES` limits them): each trains on its part of every batch.
- Otherwise one GPU or the cores, without any strategy.

Every replica holds the same weights. Normalisation, clipping of gradients and figures use the whole batch. So the
number of replicas changes only rounding, except for dropout: each replica draws its own masks.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from deepemo.errors import InputError

CONFIG = "TF_CONFIG"
# Errors of a collective operation when one of its members is gone.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.InternalError, tf.errors.CancelledError)


def workers_of_environment() -> tuple[list[str], int]:
    """Addresses of the workers that `TF_CONFIG` names, and the index of this process among them; ([], 0) without it.

    Raises:
        InputError: it has another format.
    """
    text = os.environ.get(CONFIG)
    if not text:
        return [], 0
    try:
        content = json.loads(text)
        workers, index = list(content["cluster"]["worker"]), int(content["task"]["index"])
        known = content["task"]["type"] == "worker" and set(content["cluster"]) == {"worker"}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{CONFIG}: found {text!r}, expected cluster.worker, task.type and task.index") from error
    if not known or not 0 <= index < len(workers):
        raise InputError(f"{CONFIG}: found {text!r}, expected a task of type worker among {len(workers)} workers alone")
    return workers, index


def is_chief() -> bool:
    """Whether this process writes the results of the training: it is the first worker, or the only one."""
    return workers_of_environment()[1] == 0


@contextmanager
def devices() -> Iterator[str]:
    """Let networks that are built and trained inside the block use the devices of the environment; yields their names.

    This must come before TensorFlow computes anything.

    Raises:
        InputError: `TF_CONFIG` is wrong, or another worker went away.
    """
    workers, index = workers_of_environment()
    gpus = tf.config.list_physical_devices("GPU")
    here = f"{len(gpus)} GPUs" if len(gpus) > 1 else "1 GPU" if gpus else "CPU"
    if len(workers) > 1:
        strategy: tf.distribute.Strategy = tf.distribute.MultiWorkerMirroredStrategy()
        words = f"{len(workers)} workers, this one ({index}) on {here}"
    elif len(gpus) > 1:
        strategy, words = tf.distribute.MirroredStrategy(), here
    else:
        yield here
        return
    try:
        with strategy.scope():
            yield words
    except _LOST as error:
        if len(workers) < 2:
            raise
        raise InputError(
            f"{CONFIG}: another of the {len(workers)} workers went away ({_first_line(error)}); start all of them "
            "again, and the training goes on from its last whole epoch"
        ) from error


def _first_line(error: tf.errors.OpError) -> str:
    return str(error.message).strip().splitlines()[0]


def replicas() -> int:
    """Number of replicas that share a batch."""
    count: int = tf.distribute.get_strategy().num_replicas_in_sync
    return count


def shared_out(*batch: tf.Tensor) -> Sequence[Any]:
    """The parts of a batch, each [n, ...], that the replicas of this process train on."""
    strategy = tf.distribute.get_strategy()

    def part_of(tensor: tf.Tensor) -> Any:
        def part(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            count, number = context.num_replicas_in_sync, context.replica_id_in_sync_group
            size = len(tensor)
            return tensor[size * number // count : size * (number + 1) // count]

        return strategy.experimental_distribute_values_from_function(part)

    return [part_of(tensor) for tensor in batch]


def summed(tensors: Any) -> Any:
    """The sum over replicas of a tensor or a list of tensors; unchanged if there is only one replica."""
    if replicas() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)


def check_agreement(epoch: int, what: str) -> None:
    """Check that all replicas start from the same epoch.

    Args:
        epoch: of this process.
        what: where the epoch was read from, for the error.

    Raises:
        InputError: another worker starts from another epoch.
    """
    count = replicas()
    if count == 1:
        return
    strategy = tf.distribute.get_strategy()

    def add() -> tf.Tensor:
        return summed(tf.constant(float(epoch)))

    def run() -> Any:
        return strategy.run(add)

    total = float(strategy.experimental_local_results(tf.function(run)())[0])
    if total != epoch * count:
        raise InputError(
            f"{what}: this worker starts from epoch {epoch} and another from a different one; all workers must see the "
            "same folder, or none a checkpoint"
        )
