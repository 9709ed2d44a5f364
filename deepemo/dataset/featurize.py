"""Features of many clips, a bounded number of them in hand at a time."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from deepemo.audio.features import Featurizer
from deepemo.audio.io.decode import read_recording
from deepemo.corpora.raw import RawCorpus

# Clips under way at once, a worker: enough to keep it busy while the oldest is written.
IN_HAND = 8


def give_cores_to_clips() -> None:
    """Keep TensorFlow from splitting an operation over the cores, which the clips share already.

    It saves a quarter of the time of `featurize_clips` and changes no value.

    Raises:
        RuntimeError: TensorFlow has computed something in this process before.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def featurize_clips(
    clips: pd.DataFrame, raw_dir: Path, featurizer: Featurizer, *, workers: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Features of clips, in the order of the table.

    Decoding, resampling and TensorFlow all let go of Python's lock, so threads keep every core busy.

    Args:
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        featurizer: what turns samples into features.
        workers: threads.

    Yields:
        Clip id and float32 [frames, bands].
    """
    corpora = {name: RawCorpus(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}

    def featurize(corpus: str, member: str) -> np.ndarray:
        recording = read_recording(corpora[corpus].read(member), name=f"{corpus}/{member}")
        return featurizer(recording.mono(), recording.rate_hz)

    rows = zip(clips["clip"], clips["corpus"], clips["member"], strict=True)
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(clips), desc="featurize", unit="clip", disable=None, mininterval=1) as progress,
    ):
        pending: list[tuple[str, Future[np.ndarray]]] = []
        submit = ((clip, pool.submit(featurize, corpus, member)) for clip, corpus, member in rows)
        pending.extend(islice(submit, workers * IN_HAND))
        while pending:
            clip, future = pending.pop(0)
            yield clip, future.result()
            progress.update()
            pending.extend(islice(submit, 1))
