"""Embeddings of a frozen speech encoder: one pass over the recordings of all clips."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.samples import resample
from deepemo.corpora.archive import Archive
from deepemo.dataset.shards import write_shards
from deepemo.models.speech.embedder import build_embedder, rounded_up
from deepemo.models.speech.family import EmbedSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine_weights import load_encoder
from deepemo.parallel import map_in_threads

# Clips of similar length share a batch; the window in which they are sorted bounds memory.
_WINDOW_CLIPS = 256
# Clips that a thread has decoded while a window is embedded.
_AHEAD = 64


class SpeechEmbedder:
    """Embeds clips of any lengths, in batches of similar ones.

    A clip's embedding does not depend on the others in its batch, rounding apart.
    """

    def __init__(self, network: keras.Model, *, batch_size: int = 16) -> None:
        """Take a network of `build_embedder`, and how many clips are embedded at once."""
        self.network = network
        self.width: int = network.output_shape[-1]
        self.batch_size = batch_size
        signature = [tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32)]
        self._embed = tf.function(lambda *batch: network(list(batch), training=False), input_signature=signature)

    def __call__(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings float32 [n, width] of prepared clips, float32 [samples] each, in their order."""
        embeddings = np.empty((len(clips), self.width), np.float32)
        order = np.argsort([len(clip) for clip in clips], kind="stable")
        for start in range(0, len(clips), self.batch_size):
            members = order[start : start + self.batch_size]
            embeddings[members] = self._embed(*_pad([clips[member] for member in members])).numpy()
        return embeddings

    def in_order(self, clips: Iterable[tuple[Any, np.ndarray]]) -> Iterator[tuple[Any, np.ndarray]]:
        """Embed a stream of keys and prepared clips, a bounded number in memory, and yield keys and embeddings."""
        stream = iter(clips)
        while window := list(islice(stream, _WINDOW_CLIPS)):
            yield from zip((key for key, _ in window), self([clip for _, clip in window]), strict=True)


def _pad(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Join clips to float32 [n, samples], with zeros after the shorter ones, and their lengths int32 [n]."""
    lengths = np.array([len(clip) for clip in clips], np.int32)
    batch = np.zeros((len(clips), rounded_up(int(lengths.max()))), np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    return batch, lengths


def prepare_clips(
    clips: pd.DataFrame,
    raw_dir: Path,
    front_end: SpeechFrontEnd,
    *,
    workers: int,
    change: Callable[[str, Float32Array], Float32Array] = lambda _, samples: samples,
) -> Iterator[tuple[str, np.ndarray]]:
    """Ids of clips and what the encoder is fed of them, float32 [samples] each, in the order of the table.

    Args:
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        front_end: what makes recordings ready.
        workers: threads.
        change: a clip's id and its samples, float32 [n] at the front end's rate, to those that are prepared, [m].
    """
    archives = {name: Archive(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}

    def prepare(row: tuple[str, str, str]) -> tuple[str, np.ndarray]:
        clip, corpus, member = row
        recording = read_recording(archives[corpus].read(member), name=f"{corpus}/{member}")
        samples = resample(recording.mono(), recording.rate_hz, front_end.sample_rate_hz)
        return clip, front_end.prepare(change(clip, samples), front_end.sample_rate_hz)

    rows = zip(clips["clip"], clips["corpus"], clips["member"], strict=True)
    return map_in_threads(prepare, rows, workers=workers, ahead=_AHEAD)


def write_embeddings(section: EmbedSpeech, *, clips: pd.DataFrame, raw_dir: Path, embeddings: Path) -> tuple[int, int]:
    """Write the embeddings of clips.

    Args:
        section: how recordings are prepared, and which layers of which encoder are used.
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        embeddings: folder to write to.

    Returns:
        How many clips were written, and the width of an embedding.

    Raises:
        InputError: the encoder's weights are missing or are others.
    """
    front_end = SpeechFrontEnd(section)
    embedder = SpeechEmbedder(
        build_embedder(load_encoder(section.encoder), section.taps), batch_size=section.batch_size
    )
    prepared = prepare_clips(clips, raw_dir, front_end, workers=section.workers)
    progress = tqdm(
        embedder.in_order(prepared), total=len(clips), desc="embed_speech", unit="clip", disable=None, mininterval=1
    )
    count = write_shards(
        embeddings,
        progress,
        shards=section.shards,
        shape=(embedder.width,),
        about={"features": front_end.describe(), **section.model_dump(include={"encoder", "taps"})},
    )
    return count, embedder.width
