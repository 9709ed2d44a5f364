"""Inspect every recording of every corpus on all cores, a few at a time, and judge them."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from deepemo.corpora.raw import RawCorpus
from deepemo.corpora.registry import CORPORA
from deepemo.dataset.inspect import Inspection, inspect_recording
from deepemo.dataset.verdicts import Verdict, pass_verdicts
from deepemo.errors import InputError
from deepemo.params import Validate, VoiceDecision
from deepemo.recordings import SUFFIXES

_BATCH = 32
_BATCHES_AHEAD = 4
# Below this, starting processes takes longer than they save.
_WORTH_PROCESSES = 256

Batch = tuple[RawCorpus, list[str]]


def find_archives(folder: Path) -> list[RawCorpus]:
    """The archives of known corpora in a folder, ordered by name.

    Raises:
        InputError: there is none, or one is of no corpus in the registry.
    """
    paths = sorted(folder.glob("*.zip"))
    if not paths:
        raise InputError(f"{folder}: no <corpus>.zip in it; run the stage `download` first")
    for path in paths:
        if path.stem not in CORPORA:
            raise InputError(f"{path}: {path.stem!r} is no known corpus, expected one of {sorted(CORPORA)}")
    return [RawCorpus(path) for path in paths]


def validate_recordings(
    archives: Sequence[RawCorpus], limits: Validate, *, workers: int | None = None
) -> list[Verdict]:
    """Inspect and judge every recording.

    Args:
        archives: one a corpus.
        limits: when a clip is quarantined.
        workers: processes to use; by default one a core. The outcome does not depend on it.

    Raises:
        RawCorpusError: an archive is no zip.
        InputError: an archive holds no recording.
    """
    batches: list[Batch] = []
    for archive in archives:
        members = archive.members()
        if not members:
            raise InputError(f"{archive.path}: holds no recording, expected files that end in one of {list(SUFFIXES)}")
        batches += [(archive, members[start : start + _BATCH]) for start in range(0, len(members), _BATCH)]
    recordings = sum(len(members) for _, members in batches)
    processes = (workers or os.cpu_count() or 1) if recordings >= _WORTH_PROCESSES or workers else 1
    inspections = []
    with tqdm(total=recordings, desc="validate", unit="clip", disable=None) as progress:
        for inspected in _inspect_batches(batches, limits, processes):
            inspections += inspected
            progress.update(len(inspected))
    return pass_verdicts(inspections, limits)


def _inspect_batches(batches: Sequence[Batch], gate: VoiceDecision, workers: int) -> Iterator[list[Inspection]]:
    if workers == 1:
        for batch in batches:
            yield _inspect_batch(batch, gate)
        return
    # A fork of a process that runs TensorFlow or threads may hang: start fresh ones.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, fresh, initializer=_Worker.start, initargs=(gate,)) as pool:
        waiting: deque[Future[list[Inspection]]] = deque()
        for batch in batches:
            waiting.append(pool.submit(_Worker.run, batch))
            if len(waiting) >= workers * _BATCHES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _Worker:
    """What a process keeps between batches: the voice gate and the open archives."""

    gate: VoiceDecision
    archives: dict[Path, RawCorpus]

    @classmethod
    def start(cls, gate: VoiceDecision) -> None:
        # One process a core: more threads than that would only wait for each other.
        threadpool_limits(1, user_api="blas")
        cls.gate = gate
        cls.archives = {}

    @classmethod
    def run(cls, batch: Batch) -> list[Inspection]:
        archive, members = batch
        return _inspect_batch((cls.archives.setdefault(archive.path, archive), members), cls.gate)


def _inspect_batch(batch: Batch, gate: VoiceDecision) -> list[Inspection]:
    archive, members = batch
    corpus = CORPORA[archive.name]
    return [inspect_recording(corpus, member, archive, gate) for member in members]
