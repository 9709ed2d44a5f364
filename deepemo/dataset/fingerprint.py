"""Which clips a model or a calibration was fitted on, short enough to keep beside it."""

import hashlib
from collections.abc import Iterable
from typing import TypedDict


class Fingerprint(TypedDict):
    """How many clips, and the sha256 of their sorted ids, one a line."""

    clips: int
    sha256: str


def fingerprint_clips(clips: Iterable[str]) -> Fingerprint:
    """Fingerprint of a set of clip ids, whatever their order."""
    ids = sorted(clips)
    return {"clips": len(ids), "sha256": hashlib.sha256("".join(f"{clip}\n" for clip in ids).encode()).hexdigest()}
