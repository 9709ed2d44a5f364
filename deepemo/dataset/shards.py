"""Arrays of many clips on disk: a fixed number of TFRecord shards, a clip's shard by a stable hash of its id.

A record holds the clip's id and one float16 array; which role and emotion a clip has is looked up when it is read, so
that a new split needs no new shards. Beside the shards, `spec.json` says what the arrays are.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deepemo.audio.spec import FeatureSpec
from deepemo.errors import InputError

SPEC_FILE = "spec.json"
_RECORD = {"clip": tf.io.FixedLenFeature([], tf.string), "values": tf.io.FixedLenFeature([], tf.string)}


def shard_of(clip: str, shards: int) -> int:
    """Number of a clip's shard: the same in every run and on every machine."""
    return int.from_bytes(hashlib.blake2b(clip.encode(), digest_size=8).digest(), "big") % shards


def write_shards(
    folder: Path,
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    shards: int,
    shape: Sequence[int],
    about: Mapping[str, Any],
) -> int:
    """Write clips' arrays to shards, in the order in which they come, holding one at a time.

    Args:
        folder: where the shards go; made if missing.
        arrays: pairs of clip id and float array of `shape`; stored as float16.
        shards: how many shards.
        shape: shape of every array.
        about: what the arrays are, written to `spec.json` with the shape, shard and clip counts.

    Returns:
        How many clips were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with ExitStack() as stack:
        writers = [
            stack.enter_context(tf.io.TFRecordWriter(str(folder / f"{number:04d}.tfrecord")))
            for number in range(shards)
        ]
        for clip, values in arrays:
            if values.shape != tuple(shape):
                raise InputError(f"{clip}: array of shape {values.shape}, expected {tuple(shape)}")
            record = {"clip": clip.encode(), "values": values.astype("<f2").tobytes()}
            feature = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in record.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writers[shard_of(clip, shards)].write(example.SerializeToString(deterministic=True))
            count += 1
    content = {**about, "shape": list(shape), "shards": shards, "clips": count}
    (folder / SPEC_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return count


def read_spec(folder: Path) -> dict[str, Any]:
    """What the arrays in a folder of shards are.

    Raises:
        InputError: the folder holds no shards.
    """
    try:
        content: dict[str, Any] = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder / SPEC_FILE}: no such file, expected a folder of shards") from error
    return content


def read_feature_spec(folder: Path) -> FeatureSpec:
    """The spec of the features in a folder of shards, or of those that its embeddings were made from.

    Raises:
        InputError: the folder holds no shards, or does not say which features they are.
    """
    about = read_spec(folder)
    if "features" not in about:
        raise InputError(f"{folder / SPEC_FILE}: found {sorted(about)}, expected the parameters of the features")
    return FeatureSpec.from_dict(about["features"], source=str(folder / SPEC_FILE))


def shard_files(folder: Path) -> list[str]:
    """Paths of the shards, in order."""
    return [str(path) for path in sorted(folder.glob("*.tfrecord"))]


def parse_records(records: tf.Tensor, shape: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Clip ids [n] and float32 arrays [n, *shape] of a batch of serialized records."""
    parsed = tf.io.parse_example(records, _RECORD)
    values = tf.io.decode_raw(parsed["values"], tf.float16)  # [n, product of shape]
    return parsed["clip"], tf.reshape(tf.cast(values, tf.float32), [-1, *shape])


def read_batches(folder: Path, *, batch_size: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """Every clip of a folder of shards, in shard order, a batch at a time.

    Yields:
        The ids of at most `batch_size` clips and their float32 arrays [n, *shape].
    """
    shape = read_spec(folder)["shape"]
    records = tf.data.TFRecordDataset(shard_files(folder)).batch(batch_size)
    for clips, values in records.map(lambda batch: parse_records(batch, shape)).prefetch(2):
        yield [clip.decode() for clip in clips.numpy()], values.numpy()


def read_features(folder: Path, clips: Iterable[str], *, batch_size: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """Like `read_batches`, for some of the clips alone.

    Raises:
        InputError: some of the clips are in no shard.
    """
    wanted = set(clips)
    for batch, values in read_batches(folder, batch_size=batch_size):
        kept = [position for position, clip in enumerate(batch) if clip in wanted]
        if kept:
            names = [batch[position] for position in kept]
            wanted.difference_update(names)
            yield names, values[kept]
    if wanted:
        raise InputError(f"{folder}: no record of {len(wanted)} clips, among them {min(wanted)}")
