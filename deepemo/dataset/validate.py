"""Validate the recordings of all corpora: inspect each on all cores, judge them, and report the verdicts."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus
from deepemo.corpora.packed import corpus_in
from deepemo.dataset.clips import GOOD, QUARANTINED
from deepemo.dataset.inspect import REPAIRS, Inspection, inspect_recording
from deepemo.dataset.verdicts import REASONS, Verdict, pass_verdicts
from deepemo.errors import InputError
from deepemo.files import write_csv
from deepemo.parallel import map_in_processes
from deepemo.params import Validate, VoiceDecision
from deepemo.recordings import SUFFIXES

_BATCH = 32
# Below this number of recordings, starting processes takes longer than they save.
_MIN_FOR_PROCESSES = 256

# Columns of the list of quarantined clips, before and after the explanation.
_DESCRIBING = ("clip", "corpus", "member", "reason")
_MEASURED = ("emotion", "speaker", "rate_hz", "channels", "seconds", "rms_dbfs", "clipped_share", "voice_share")

# Path of an archive, and members of it.
_Batch = tuple[Path, list[str]]


def find_archives(folder: Path) -> list[Archive]:
    """Open the archives of known corpora in a folder, in the order of their names.

    Raises:
        InputError: there is none; or one is not a zip, is of no known corpus, or lacks a table of its corpus.
    """
    paths = sorted(folder.glob("*.zip"))
    if not paths:
        raise InputError(f"{folder}: no <corpus>.zip in it; run the stage `download` first")
    archives = [Archive(path) for path in paths]
    for archive in archives:
        corpus_in(archive)
    return archives


def validate_recordings(archives: Sequence[Archive], limits: Validate, *, workers: int | None = None) -> list[Verdict]:
    """Inspect and judge every recording.

    Args:
        archives: one for each corpus, named like the corpus.
        limits: when a clip is quarantined.
        workers: number of processes; by default one per core, or this process alone if there are few recordings. The
            result does not depend on it.

    Raises:
        InputError: an archive holds no recording.
    """
    batches: list[_Batch] = []
    for archive in archives:
        members = archive.recordings()
        if not members:
            raise InputError(f"{archive.path}: holds no recording, expected files that end in one of {list(SUFFIXES)}")
        batches += [(archive.path, members[start : start + _BATCH]) for start in range(0, len(members), _BATCH)]
    recordings = sum(len(members) for _, members in batches)
    if workers is None:
        workers = (os.cpu_count() or 1) if recordings >= _MIN_FOR_PROCESSES else 1
    inspections: list[Inspection] = []
    with tqdm(total=recordings, desc="validate", unit="clip", disable=None) as progress:
        for inspected in map_in_processes(
            _Inspector.inspect, batches, workers=workers, start=_Inspector.start, start_with=(limits,)
        ):
            inspections += inspected
            progress.update(len(inspected))
    return pass_verdicts(inspections, limits)


class _Inspector:
    """What a process keeps between batches: when a frame counts as speech, the open archives, and their corpora."""

    gate: VoiceDecision
    archives: dict[Path, tuple[Archive, Corpus]]

    @classmethod
    def start(cls, gate: VoiceDecision) -> None:
        if multiprocessing.parent_process() is not None:
            # There is one process per core: more threads would only wait for each other.
            threadpool_limits(1, user_api="blas")
        cls.gate = gate
        cls.archives = {}

    @classmethod
    def inspect(cls, batch: _Batch) -> list[Inspection]:
        path, members = batch
        if path not in cls.archives:
            opened = Archive(path)
            cls.archives[path] = opened, corpus_in(opened)
        archive, corpus = cls.archives[path]
        return [inspect_recording(corpus, member, archive, cls.gate) for member in members]


def count_verdicts(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Count verdicts, over all clips and by corpus; reasons and repairs that do not occur are counted as 0."""
    corpora = sorted({verdict.clip.corpus for verdict in verdicts})
    return {
        "all": _counts(verdicts),
        "by_corpus": {
            corpus: _counts([verdict for verdict in verdicts if verdict.clip.corpus == corpus]) for corpus in corpora
        },
    }


def write_quarantine(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write one row for each quarantined clip: its reason with an explanation, and the other reasons that hold."""
    rows = [
        {name: getattr(verdict.clip, name) for name in _DESCRIBING}
        | {"detail": verdict.faults[verdict.clip.reason], "also": ";".join(list(verdict.faults)[1:])}
        | {name: getattr(verdict.clip, name) for name in _MEASURED}
        for verdict in verdicts
        if verdict.clip.verdict == QUARANTINED
    ]
    table = pd.DataFrame(rows, columns=[*_DESCRIBING, "detail", "also", *_MEASURED])
    write_csv(path, table)


def _counts(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    clips = [verdict.clip for verdict in verdicts]
    reasons = Counter(clip.reason for clip in clips)
    repairs = Counter(repair for clip in clips for repair in clip.repairs.split(";"))
    good = [clip for clip in clips if clip.verdict == GOOD]
    return {
        "clips": len(clips),
        "good": len(good),
        "good_hours": round(sum(clip.seconds for clip in good) / 3600, 3),
        "quarantined": len(clips) - len(good),
        "reasons": {reason: reasons[reason] for reason in REASONS},
        "repairs": {repair: repairs[repair] for repair in REPAIRS},
        "good_without_voice": sum(verdict.clip.verdict == GOOD and not verdict.has_voice for verdict in verdicts),
    }
