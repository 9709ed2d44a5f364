"""Arrays of many clips in TFRecord shards, as many as the clips need; a stable hash of a clip's id chooses its shard.

A record holds the clip's id and one float16 array. Its role and emotion are looked up when it is read, so that a new
split needs no new shards. Beside the shards, `spec.json` describes the arrays.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deepemo.audio.spec import FeatureSpec
from deepemo.errors import InputError
from deepemo.files import read_json, write_json

SPEC_FILE = "spec.json"
# All shards are open at once while they are written, and a process may open about a thousand files.
MOST_SHARDS = 512
_RECORD = {"clip": tf.io.FixedLenFeature([], tf.string), "values": tf.io.FixedLenFeature([], tf.string)}


def shards_for(clips: int, clips_per_shard: int) -> int:
    """Number of shards for a number of clips, from 1 to `MOST_SHARDS`. Beyond that, each shard holds more clips.

    Example:
        >>> [shards_for(clips, 300) for clips in (0, 300, 9_532, 10_000_000)]
        [1, 1, 32, 512]
    """
    return min(max(-(-clips // clips_per_shard), 1), MOST_SHARDS)


def shard_of(clip: str, shards: int) -> int:
    """Number of a clip's shard, the same in every run and on every machine.

    Example:
        >>> shard_of("synthetic/spk01_s01_ang_t1", 32)
        6
    """
    return int.from_bytes(hashlib.blake2b(clip.encode(), digest_size=8).digest(), "big") % shards


def write_shards(
    folder: Path,
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    shards: int,
    shape: Sequence[int],
    about: Mapping[str, Any],
) -> int:
    """Write clips' arrays to shards in the order in which they come, with one array in memory at a time.

    Args:
        folder: folder of the shards; made if missing.
        arrays: pairs of clip id and float array of `shape`; stored as float16.
        shards: number of shards.
        shape: shape of every array.
        about: description of the arrays, written to `spec.json` with their shape and the numbers of shards and clips.

    Returns:
        Number of clips.

    Raises:
        InputError: an array has another shape.
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
    write_json(folder / SPEC_FILE, content)
    return count


def read_spec(folder: Path) -> dict[str, Any]:
    """Read the description of the arrays in a folder of shards.

    Raises:
        InputError: the folder holds no shards, or its description is not JSON.
    """
    content: dict[str, Any] = read_json(folder / SPEC_FILE, expected="a folder of shards")
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
    """Read every clip of a folder of shards in batches, in the order of the shards.

    Yields:
        The ids of at most `batch_size` clips and their float32 arrays [n, *shape].
    """
    shape = read_spec(folder)["shape"]
    records = tf.data.TFRecordDataset(shard_files(folder)).batch(batch_size)
    for clips, values in records.map(lambda batch: parse_records(batch, shape)).prefetch(2):
        yield [clip.decode() for clip in clips.numpy()], values.numpy()


def read_features(folder: Path, clips: Iterable[str], *, batch_size: int) -> Iterator[tuple[list[str], np.ndarray]]:
    """Read some of the clips of a folder of shards, as `read_batches` does.

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
