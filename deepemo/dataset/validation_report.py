"""What validation leaves for people: counts, and the list of quarantined clips."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.dataset.clips import GOOD, QUARANTINED, write_table
from deepemo.dataset.inspection import REPAIRS
from deepemo.dataset.verdicts import REASONS, Verdict

_DESCRIBING = ("clip", "corpus", "member", "reason")
_MEASURED = ("emotion", "speaker", "rate_hz", "channels", "seconds", "rms_dbfs", "clipped_share", "voice_share")


def count_verdicts(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Counts over all clips and by corpus, every reason and repair named even where it counts none."""
    corpora = sorted({verdict.clip.corpus for verdict in verdicts})
    return {
        "all": _counts(verdicts),
        "by_corpus": {
            corpus: _counts([verdict for verdict in verdicts if verdict.clip.corpus == corpus]) for corpus in corpora
        },
    }


def write_quarantine(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write one row a quarantined clip: the reason with its explanation, and the other reasons that hold."""
    rows = [
        {name: getattr(verdict.clip, name) for name in _DESCRIBING}
        | {"detail": verdict.faults[verdict.clip.reason], "also": ";".join(list(verdict.faults)[1:])}
        | {name: getattr(verdict.clip, name) for name in _MEASURED}
        for verdict in verdicts
        if verdict.clip.verdict == QUARANTINED
    ]
    table = pd.DataFrame(rows, columns=[*_DESCRIBING, "detail", "also", *_MEASURED])
    write_table(path, table)


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
