"""The clip table: one row for each recording, with its properties and its verdict."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepemo.files import write_csv

GOOD = "good"
QUARANTINED = "quarantined"
# Name of the corpus that this package generates; no person speaks in it.
SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """One row of the clip table.

    Attributes:
        clip: unique id, `<corpus>/<canonical file stem>`; the same for every layout of the corpus.
        corpus: name of the corpus.
        language: of the corpus, ISO 639-1.
        member: path of the recording inside the corpus's zip.
        performance: `<corpus>/<name of the preferred recording>`, shared by all recordings of one performance; empty if
            the name is unknown.
        speaker: `<corpus>/<speaker code>`, empty if the name is unknown.
        gender: `female` or `male`, empty if the name is unknown.
        emotion: one of the seven, or the corpus's own word for an emotion outside them.
        intensity: the corpus's word for it, or empty.
        sentence: the words, or the corpus's code for them.
        agreement: share of the listeners who named this emotion from the sound alone; None if nobody was asked.
        rate_hz: native sample rate.
        channels: number of channels.
        seconds: duration.
        rms_dbfs: level of the mono mix, RMS relative to full scale (a full-scale sine has -3.01 dBFS).
        peak_dbfs: highest sample of the mono mix relative to full scale.
        clipped_share: share of the samples of all channels at full scale.
        voice_share: share of 32 ms frames that the voice gate counts as speech.
        voice_seconds: duration of the longest run of such frames.
        sha256: digest of the decoded samples and their rate.
        verdict: `good` or `quarantined`.
        reason: why it is quarantined, from `verdicts.REASONS`; empty if good.
        repairs: oddities that were corrected, from `inspect.REPAIRS`, joined by `;`.
    """

    clip: str
    corpus: str
    language: str = ""
    member: str
    performance: str = ""
    speaker: str = ""
    gender: str = ""
    emotion: str = ""
    intensity: str = ""
    sentence: str = ""
    agreement: float | None = None
    rate_hz: int = 0
    channels: int = 0
    seconds: float = 0.0
    rms_dbfs: float = -240.0
    peak_dbfs: float = -240.0
    clipped_share: float = 0.0
    voice_share: float = 0.0
    voice_seconds: float = 0.0
    sha256: str = ""
    verdict: str = GOOD
    reason: str = ""
    repairs: str = ""


COLUMNS = tuple(Clip.__dataclass_fields__)
TEXT_COLUMNS = tuple(name for name, field in Clip.__dataclass_fields__.items() if field.type is str)


def write_clips(path: Path, clips: Iterable[Clip]) -> None:
    """Write the clip table, in the order given."""
    rows = list(clips)
    write_csv(path, pd.DataFrame({name: [getattr(clip, name) for clip in rows] for name in COLUMNS}))


def read_clips(path: Path) -> pd.DataFrame:
    """Read the clip table. Empty text stays empty text; a missing agreement is NaN."""
    missing = {"agreement": [""]}
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=missing)


def good_clips(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that may be used."""
    return table[table["verdict"] == GOOD].reset_index(drop=True)
