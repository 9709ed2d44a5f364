"""Embeddings of a frozen speech encoder: one pass over the recordings of all clips."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.audio.io.decode import read_recording
from deepemo.audio.samples import resample
from deepemo.corpora.archive import Archive, Recordings
from deepemo.dataset.shards import shards_for, write_shards
from deepemo.errors import InputError
from deepemo.models.speech.embedder import build_embedder, rounded_up
from deepemo.models.speech.family import EmbedSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.onnx_encoder import DIGEST, ENCODER_FILE, OnnxEncoder, keep_encoder
from deepemo.models.speech.weights import load_encoder
from deepemo.parallel import map_clips, on_cluster
from deepemo.threads import map_in_threads
from deepemo.training.seeding import seed_everything
from deepemo.yaml12 import read_yaml

# Clips are sorted by length in windows of this size, so that clips of similar length share a batch, in bounded memory.
WINDOW_CLIPS = 256
# Clips that each thread decodes in advance while a window is embedded.
_AHEAD = 64

# From a clip's id and its samples, float32 [n] at the front end's rate, to samples [m].
Change = Callable[[str, Float32Array], Float32Array]


class Embedder(Protocol):
    """A frozen encoder with the statistics of its outputs.

    Attributes:
        width: of an embedding.
        segment_width: numbers that an embedding has for each segment, at its end; 0 if it has no segments.
    """

    width: int
    segment_width: int

    def __call__(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings float32 [n, width] of prepared clips, float32 [samples] each, in their order."""


class SpeechEmbedder:
    """Embeds clips of any length by a Keras network, in batches of clips of similar length.

    Apart from rounding, a clip's embedding does not depend on the other clips in its batch.
    """

    def __init__(self, network: keras.Model, *, segments: int = 0, batch_size: int = 16) -> None:
        """Take a network of `build_embedder`, its number of segments, and the number of clips per batch."""
        self.network = network
        self.width: int = network.output_shape[-1]
        self.segment_width: int = self.width // (2 + segments) if segments else 0
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


def embed_in_order(embedder: Embedder, clips: Iterable[tuple[Any, np.ndarray]]) -> Iterator[tuple[Any, np.ndarray]]:
    """Embed a stream of keys and prepared clips; yields keys and embeddings, with a bounded number in memory."""
    stream = iter(clips)
    while window := list(islice(stream, WINDOW_CLIPS)):
        yield from zip((key for key, _ in window), embedder([clip for _, clip in window]), strict=True)


def _pad(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Join clips to float32 [n, samples], with zeros after the shorter ones, and their lengths int32 [n]."""
    lengths = np.array([len(clip) for clip in clips], np.int32)
    batch = np.zeros((len(clips), rounded_up(int(lengths.max()))), np.float32)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    return batch, lengths


def prepare_clips(
    clips: pd.DataFrame, raw_dir: Path, front_end: SpeechFrontEnd, *, workers: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Ids of clips and the samples that the encoder takes, float32 [samples] each, in the order of the table.

    Args:
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        front_end: prepares the recordings.
        workers: threads of this machine.
    """
    return map_in_threads(_Prepare(front_end), _rows(clips, raw_dir), workers=workers, ahead=_AHEAD)


def _rows(clips: pd.DataFrame, raw_dir: Path) -> Iterator[tuple[str, Archive, str]]:
    archives = {name: Archive(raw_dir / f"{name}.zip") for name in clips["corpus"].unique()}
    return zip(clips["clip"], (archives[corpus] for corpus in clips["corpus"]), clips["member"], strict=True)


def check_tracked(encoder: Path, pipeline: Path) -> None:
    """Check that DVC embeds again when an encoder's file changes, although params.yaml only names its path.

    Args:
        encoder: path of the file, as `embed_speech.encoder` has it.
        pipeline: dvc.yaml.

    Raises:
        InputError: neither the file nor a folder that holds it is a dep of `embed_speech`.
    """
    wanted = Path(os.path.normpath(encoder))
    deps = read_yaml(pipeline)["stages"]["embed_speech"]["deps"]
    named = {Path(os.path.normpath(dep if isinstance(dep, str) else next(iter(dep)))) for dep in deps}
    if named.isdisjoint({wanted, *wanted.parents}):
        raise InputError(
            f"{pipeline}: stages.embed_speech.deps: found no {encoder}, expected the encoder that params.yaml names: "
            f"add `{encoder}` to the list, so that another file at that path is not taken for this one"
        )


def write_embeddings(section: EmbedSpeech, *, clips: pd.DataFrame, raw_dir: Path, embeddings: Path) -> tuple[int, int]:
    """Write the embeddings of clips.

    Args:
        section: how recordings are prepared, the encoder, and the layers that are used.
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        embeddings: folder to write to.

    Returns:
        How many clips were written, and the width of an embedding.

    Raises:
        InputError: the encoder's weights are missing or wrong, or its ONNX file cannot be used.
    """
    file = section.onnx_file
    named = {"encoder": section.encoder} if file is None else keep_encoder(file, embeddings)
    made = {**named, "taps": section.taps, "segments": section.segments}
    source = EncoderSource(made, embeddings.resolve(), section.batch_size)
    embedder = source.open()
    count = write_shards(
        embeddings,
        embed_clips(embedder, source, SpeechFrontEnd(section), clips, raw_dir, workers=section.workers),
        shards=shards_for(len(clips), section.clips_per_shard),
        shape=(embedder.width,),
        about={"features": SpeechFrontEnd(section).describe(), **made, "segment_width": embedder.segment_width},
    )
    return count, embedder.width


@dataclass(frozen=True)
class EncoderSource:
    """The encoder of some embeddings, and where to load it from.

    Attributes:
        made: the entries of `spec.json` about the encoder: its name, the digest of an ONNX file, the outputs that are
            used, and the number of segments.
        folder: folder of the embeddings, which holds the ONNX file if there is one.
        batch_size: clips that a Keras network takes at once.
        content: of the ONNX file, for machines that cannot read the folder; None to read it there.
    """

    made: Mapping[str, Any]
    folder: Path
    batch_size: int
    content: bytes | None = field(default=None, repr=False)

    def carried(self) -> Self:
        """The encoder with the content of its ONNX file, if it has one."""
        if DIGEST not in self.made:
            return self
        return replace(self, content=(self.folder / ENCODER_FILE).read_bytes())

    def open(self) -> Embedder:
        """The encoder with its weights, ready to embed.

        Raises:
            InputError: its weights are missing or wrong, or its ONNX file cannot be used.
        """
        if DIGEST in self.made:
            if self.content is None:
                return OnnxEncoder(self.folder / ENCODER_FILE, self.made)
            with TemporaryDirectory(prefix="deepemo-") as folder:
                path = Path(folder) / ENCODER_FILE
                path.write_bytes(self.content)
                return OnnxEncoder(path, self.made)
        segments: int = self.made["segments"]
        network = build_embedder(load_encoder(self.made["encoder"]), self.made["taps"], segments=segments)
        return SpeechEmbedder(network, segments=segments, batch_size=self.batch_size)


def embed_clips(
    embedder: Embedder,
    source: EncoderSource,
    front_end: SpeechFrontEnd,
    clips: pd.DataFrame,
    raw_dir: Path,
    *,
    workers: int,
    name: str = "embed_speech",
    change: Change | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Ids and embeddings float32 [width] of clips, in the order of the table.

    On this machine, threads read recordings for one network, which uses all cores. On a cluster, each worker reads and
    embeds whole windows, so that every clip is in the same batch as without a cluster.

    Args:
        embedder: of the source.
        source: where workers of a cluster load the encoder from.
        front_end: prepares the recordings.
        clips: rows of the clip table; all must be decodable.
        raw_dir: folder of `<corpus>.zip`.
        workers: threads of this machine that read recordings.
        name: of the work, for the progress bar and for what a cluster has finished.
        change: applied to each clip before it is prepared; for clusters, it must be picklable.
    """
    rows = _rows(clips, raw_dir)
    if not on_cluster():
        prepare = _Prepare(front_end, change)
        prepared = map_clips(prepare, rows, name=name, total=len(clips), workers=workers, ahead=_AHEAD)
        return embed_in_order(embedder, prepared)
    windows = map_clips(
        EmbedWindow(front_end, source.carried(), change),
        iter(lambda: list(islice(rows, WINDOW_CLIPS)), []),
        name=name,
        total=len(clips),
        workers=workers,
        chunk=1,
        start=partial(seed_everything, 0),
        carry=lambda window: [(clip, archive.carried(member), member) for clip, archive, member in window],
        clips_in=len,
    )
    return (embedded for window in windows for embedded in window)


@dataclass(frozen=True)
class _Prepare:
    """Reads a recording, given as its id, an archive and the path inside it, and prepares it for the encoder."""

    front_end: SpeechFrontEnd
    change: Change | None = None

    def __call__(self, row: tuple[str, Recordings, str]) -> tuple[str, np.ndarray]:
        clip, archive, member = row
        recording = read_recording(archive.read(member), name=f"{archive.name}/{member}")
        samples = resample(recording.mono(), recording.rate_hz, self.front_end.sample_rate_hz)
        if self.change is not None:
            samples = self.change(clip, samples)
        return clip, self.front_end.prepare(samples, self.front_end.sample_rate_hz)


@dataclass(frozen=True)
class EmbedWindow:
    """Reads and embeds a window of rows, on a worker of a cluster."""

    front_end: SpeechFrontEnd
    source: EncoderSource
    change: Change | None = None

    @cached_property
    def _embedder(self) -> Embedder:
        return self.source.open()

    def __call__(self, window: Sequence[tuple[str, Recordings, str]]) -> list[tuple[str, np.ndarray]]:
        """Ids and embeddings float32 [width] of the window's clips."""
        prepare = _Prepare(self.front_end, self.change)
        return list(embed_in_order(self._embedder, map(prepare, window)))
