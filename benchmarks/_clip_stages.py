"""The work of the stages that map over clips, for threads, processes and a cluster in `benchmarks.scale`.

Each stage's packages are imported only when needed, so that a process that measures one stage loads no others.
"""

import math
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from deepemo.corpora.catalogue.synthetic import CORPUS
from deepemo.files import FEATURES, RAW
from deepemo.parallel import CHUNK, map_clips
from deepemo.params import Params

# The cost of sending a chunk and its result: the work only counts bytes.
NOTHING = "nothing"
# Workers that share nothing: the most that a second worker can gain on this machine.
PRODUCTS = "matrix products alone"
# Number of passes over the clips, for fast work and for work in large items: it then lasts long and has many items.
PASSES = 4
PRODUCTS_AN_ITEM = 100


@dataclass(frozen=True)
class Task:
    """The work of a stage on its clips, as the stage's own code maps over them.

    Attributes:
        here: maps over the first clips in this process, given their maximum number and the number of workers.
        work: called with each item, in other processes.
        items: of all clips.
        chunk: items that a process takes at once.
        start: called once in each process.
        carry: turns an item that names a file into one that holds its content.
        clips_in: how many clips an item holds.
        passes: number of passes over the clips.
    """

    here: Callable[[int, int], Iterable[object]]
    work: Callable[[Any], Any]
    items: Callable[[], Iterable[Any]]
    chunk: int = CHUNK
    start: Callable[[], None] | None = None
    carry: Callable[[Any], Any] | None = None
    clips_in: Callable[[Any], int] = lambda item: 1
    passes: int = 1


@dataclass(frozen=True)
class Done:
    """An item that was done: its process, its time by the clock of the machine, its number of clips, its result."""

    process: int
    at: float
    clips: int
    result: object


@dataclass(frozen=True)
class Timed:
    """Work that records its process and time. It is defined in this module so that other processes can import it.

    Attributes:
        pickled: the work. It is unpickled at the first call, after a process has set up TensorFlow.
    """

    pickled: bytes

    @cached_property
    def _work(self) -> Callable[[Any], Any]:
        work: Callable[[Any], Any] = pickle.loads(self.pickled)
        return work

    def __call__(self, item: tuple[int, int, Any]) -> Done:
        """Do an item, which is its pass, its number of clips and its content.

        The pass makes items differ, because a cluster does equal items only once.
        """
        _, clips, content = item
        result = self._work(content)
        return Done(os.getpid(), time.monotonic(), clips, result)


def validate_task(clips: pd.DataFrame, params: Params) -> Task:
    """Inspections of recordings, as `validate` makes them by processes."""
    from deepemo.corpora.registry import corpus_in
    from deepemo.dataset.inspect import MAX_BYTES
    from deepemo.dataset.validate import Inspector, find_archives
    from deepemo.threads import one_thread_a_product

    (archive,) = find_archives(RAW)
    inspector = Inspector(params.validate_, {archive.name: corpus_in(archive)})
    members = [(archive, member) for member in clips["member"]]

    def here(count: int, workers: int) -> Iterable[object]:
        one_thread_a_product()
        return map_clips(inspector, members[:count], name="validate", total=count, workers=workers)

    return Task(
        here,
        inspector,
        lambda: members,
        start=one_thread_a_product,
        carry=lambda member: (member[0].carried(member[1], most_bytes=MAX_BYTES), member[1]),
    )


def featurize_task(clips: pd.DataFrame, params: Params) -> Task:
    """Features of recordings, as `featurize` makes them by threads."""
    from deepemo.audio.features import Featurizer
    from deepemo.audio.spec import FeatureSpec
    from deepemo.corpora.archive import Archive
    from deepemo.dataset.featurize import Features, featurize_clips, give_cores_to_clips

    featurizer = Featurizer(FeatureSpec.from_params(params.featurize))
    archive = Archive(RAW / f"{CORPUS.name}.zip")

    def here(count: int, workers: int) -> Iterable[object]:
        return featurize_clips(clips.head(count), RAW, featurizer, workers=workers)

    return Task(
        here,
        Features(featurizer),
        lambda: [(clip, archive, member) for clip, member in zip(clips["clip"], clips["member"], strict=True)],
        start=give_cores_to_clips,
        carry=lambda row: (row[0], row[1].carried(row[2]), row[2]),
        passes=PASSES,
    )


def embed_transfer_task(clips: pd.DataFrame, params: Params) -> Task:
    """Embeddings of features, as `embed transfer` makes them by one network on all cores."""
    from deepemo.dataset.shards import read_batches, read_feature_spec
    from deepemo.models.imagenet.embed import Embedder
    from deepemo.models.imagenet.family import Embed
    from deepemo.training.seeding import seed_everything

    section = params.section("embed", Embed)
    embedder = Embedder(section, read_feature_spec(FEATURES), seed=params.seed)

    def batches() -> Iterator[tuple[list[str], Any]]:
        return read_batches(FEATURES, batch_size=section.batch_size)

    def here(count: int, workers: int) -> Iterable[object]:
        return map(embedder, islice(batches(), math.ceil(count / section.batch_size)))

    return Task(
        here,
        embedder,
        batches,
        chunk=1,
        start=partial(seed_everything, params.seed),
        clips_in=lambda batch: len(batch[0]),
    )


def embed_speech_task(clips: pd.DataFrame, params: Params) -> Task:
    """Embeddings of recordings, as `embed speech` makes them: threads read for one network on all cores."""
    from deepemo.corpora.archive import Archive
    from deepemo.models.speech.embed import WINDOW_CLIPS, EmbedWindow, EncoderSource, embed_clips
    from deepemo.models.speech.family import SPEECH_EMBEDDINGS, EmbedSpeech
    from deepemo.models.speech.front_end import SpeechFrontEnd
    from deepemo.training.seeding import seed_everything

    section = params.section("embed_speech", EmbedSpeech)
    source = EncoderSource(
        section.model_dump(include={"encoder", "taps", "segments"}), SPEECH_EMBEDDINGS.resolve(), section.batch_size
    )
    embedder, front_end = source.open(), SpeechFrontEnd(section)
    archive = Archive(RAW / f"{CORPUS.name}.zip")
    rows = [(clip, archive, member) for clip, member in zip(clips["clip"], clips["member"], strict=True)]

    def here(count: int, workers: int) -> Iterable[object]:
        return embed_clips(embedder, source, front_end, clips.head(count), RAW, workers=workers)

    return Task(
        here,
        EmbedWindow(front_end, source),
        lambda: [rows[begin : begin + WINDOW_CLIPS] for begin in range(0, len(rows), WINDOW_CLIPS)],
        chunk=1,
        start=partial(seed_everything, params.seed),
        carry=lambda window: [(clip, archive.carried(member), member) for clip, archive, member in window],
        clips_in=len,
        passes=PASSES,
    )


def products_task(clips: pd.DataFrame, params: Params) -> Task:
    """Matrix products of one thread each, which fit into the cache of a core; one item for each recording."""
    from deepemo.threads import one_thread_a_product

    def here(count: int, workers: int) -> Iterable[object]:
        one_thread_a_product()
        return map_clips(multiply, range(count), name="products", total=count, workers=workers)

    return Task(here, multiply, lambda: range(len(clips)), start=one_thread_a_product)


def multiply(number: int) -> float:
    """The sum of a product of many matrices, float32 [128, 128]; the work is the same for every number."""
    matrix = np.full((128, 128), 1 / 128 + number % 2, dtype=np.float32)
    result = matrix
    for _ in range(PRODUCTS_AN_ITEM):
        result = (matrix @ result) / np.float32(129)
    return float(result.sum())


def nothing_task(clips: pd.DataFrame, params: Params) -> Task:
    """Recordings that are only sent and counted."""
    from deepemo.corpora.archive import Archive

    archive = Archive(RAW / f"{CORPUS.name}.zip")
    contents = [archive.read(member) for member in clips["member"]]
    return Task(lambda count, workers: map(len, contents[:count]), len, lambda: contents)


TASKS: dict[str, Callable[[pd.DataFrame, Params], Task]] = {
    "validate": validate_task,
    "featurize": featurize_task,
    "embed transfer": embed_transfer_task,
    "embed speech": embed_speech_task,
    PRODUCTS: products_task,
    NOTHING: nothing_task,
}
