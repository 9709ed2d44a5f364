"""Features of many clips, computed in parallel with a bounded number of clips in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from deepemo.audio.features import Featurizer
from deepemo.audio.io.decode import read_recording
from deepemo.corpora.archive import Archive, Recordings
from deepemo.eigen import hold_caches
from deepemo.operations import keep_operations
from deepemo.parallel import map_clips

# Clips under way at once, per worker: enough to keep it busy while the oldest is written.
_AHEAD = 8


def give_cores_to_clips() -> None:
    """Run each TensorFlow operation on one thread, because the cores already work on different clips.

    This saves a quarter of the time of `featurize_clips`. The number of threads determines the order of sums, so the
    last bits of the features are those of one thread. They do not depend on the processor, see `deepemo.eigen` and
    `deepemo.operations`.

    Raises:
        RuntimeError: TensorFlow has computed something in this process before.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keep_operations()
    hold_caches()


def featurize_clips(
    clips: pd.DataFrame, raw_dir: Path, featurizer: Featurizer, *, workers: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Compute the features of clips, in the order of the table.

    Decoding, resampling and TensorFlow all release Python's lock, so threads keep every core busy.

    Args:
        clips: rows of the clip table, all of good clips.
        raw_dir: folder of `<corpus>.zip`.
        featurizer: computes features from samples.
        workers: number of threads.

    Yields:
        Clip id and float16 [frames, bands].
    """
    archives = {name: Archive(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}
    rows = zip(clips["clip"], (archives[corpus] for corpus in clips["corpus"]), clips["member"], strict=True)
    yield from map_clips(
        Features(featurizer),
        rows,
        name="featurize",
        total=len(clips),
        workers=workers,
        ahead=_AHEAD,
        start=give_cores_to_clips,
        carry=lambda row: (row[0], row[1].carried(row[2]), row[2]),
    )


@dataclass(frozen=True)
class Features:
    """Computes the features of a clip, given as its id, an archive and the path inside it."""

    featurizer: Featurizer

    def __call__(self, row: tuple[str, Recordings, str]) -> tuple[str, np.ndarray]:
        """The clip's id and its features float16 [frames, bands], the precision that shards keep."""
        clip, archive, member = row
        recording = read_recording(archive.read(member), name=f"{archive.name}/{member}")
        return clip, self.featurizer(recording.mono(), recording.rate_hz).astype(np.float16)
