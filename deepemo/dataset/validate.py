"""Validate the recordings of all corpora: inspect each on all cores, judge them, and report the verdicts."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.corpora.archive import Archive, Recordings
from deepemo.corpora.definition import Corpus
from deepemo.corpora.parts import belongs_to_another
from deepemo.corpora.registry import corpus_in
from deepemo.dataset.clips import GOOD, QUARANTINED
from deepemo.dataset.inspect import MAX_BYTES, REPAIRS, Inspection, inspect_recording
from deepemo.dataset.verdicts import REASONS, Verdict, pass_verdicts
from deepemo.errors import InputError
from deepemo.files import write_csv
from deepemo.parallel import map_clips
from deepemo.params import Validate, VoiceDecision
from deepemo.recordings import SUFFIXES
from deepemo.threads import one_thread_a_product

# Below this number of recordings, starting processes takes longer than they save.
_MIN_FOR_PROCESSES = 256

# Columns of the list of quarantined clips, before and after the explanation.
_DESCRIBING = ("clip", "corpus", "member", "reason")
_MEASURED = ("emotion", "speaker", "rate_hz", "channels", "seconds", "rms_dbfs", "clipped_share", "voice_share")

_Member = tuple[Archive, str]


def find_archives(folder: Path) -> list[Archive]:
    """Open the archives of known corpora in a folder, in the order of their names.

    Raises:
        InputError: there is none; or one is not a zip, belongs to no known corpus, or lacks a table of its corpus.
    """
    paths = [path for path in sorted(folder.glob("*.zip")) if not belongs_to_another(path)]
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
    found: list[_Member] = []
    for archive in archives:
        members = archive.recordings()
        if not members:
            raise InputError(f"{archive.path}: holds no recording, expected files that end in one of {list(SUFFIXES)}")
        found += [(archive, member) for member in members]
    if workers is None:
        workers = (os.cpu_count() or 1) if len(found) >= _MIN_FOR_PROCESSES else 1
    inspections = map_clips(
        Inspector(limits, {archive.name: corpus_in(archive) for archive in archives}),
        found,
        name="validate",
        total=len(found),
        workers=workers,
        in_processes=True,
        start=one_thread_a_product,
        carry=lambda member: (member[0].carried(member[1], most_bytes=MAX_BYTES), member[1]),
    )
    return pass_verdicts(inspections, limits)


@dataclass(frozen=True)
class Inspector:
    """Inspects recordings, each given as an archive and the path inside it.

    Attributes:
        gate: when a frame counts as speech.
        corpora: by the names of their archives.
    """

    gate: VoiceDecision
    corpora: Mapping[str, Corpus]

    def __call__(self, member: tuple[Recordings, str]) -> Inspection:
        """Inspect one recording."""
        archive, path = member
        return inspect_recording(self.corpora[archive.name], path, archive, self.gate)


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
    """Write one row for each quarantined clip: its reason with an explanation, and all further reasons."""
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
