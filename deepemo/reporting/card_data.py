"""Sections of the model card on the data: corpora, licences, quarantined clips, the split, and listeners."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from deepemo.charts.predictors import ROLE_TITLES
from deepemo.dataset.clips import QUARANTINED, SYNTHETIC, good_clips
from deepemo.dataset.split import ROLES, TEST_CORPUS, TEST_SEEN, TEST_UNSEEN, TRAIN, VALIDATION, other_emotions
from deepemo.emotions import Emotions
from deepemo.evaluation.agreement import AgreementBand
from deepemo.reporting.markdown import estimate, per_cent, table

ROLE_MEANINGS = {
    TRAIN: "learned from",
    VALIDATION: "chose epochs, temperatures and thresholds",
    TEST_SEEN: "new clips of speakers heard in training",
    TEST_UNSEEN: "speakers never heard",
    TEST_CORPUS: "a corpus never heard",
}

LISTENERS = """\
Makers of some corpora asked people what they heard in the voice alone. The agreement of a clip is the share of them who
named the emotion that was meant; its mean is how often people are right. Where few agree, the label is the actor's
intention alone, and a model that follows it has learned the actors.\
"""


def banner(split: pd.DataFrame) -> str:
    """A warning if any of the speech is synthetic; empty otherwise.

    Args:
        split: the split table.
    """
    if SYNTHETIC not in set(split["corpus"]):
        return ""
    only = set(split["corpus"]) == {SYNTHETIC}
    return (
        f"> **{'All' if only else 'Some'} of the speech is synthetic**, spoken by a program with made-up emotions. "
        "Figures on it show that the pipeline works; they say nothing about people.\n"
    )


def _origin(source: str) -> str:
    """Where recordings came from. The path of a local folder is left out, because it describes a machine."""
    if "://" in source:
        return source
    return "a local folder" if "/" in source or "\\" in source else source or "not recorded"


def _corpus_row(name: str, record: Mapping[str, Any], clips: pd.DataFrame) -> tuple[object, ...]:
    title = record.get("title", name)
    return (
        f"[{title}]({record['homepage']})" if record.get("homepage") else title,
        record.get("recordings", len(clips)),
        int((clips["verdict"] == QUARANTINED).sum()),
        clips.loc[clips["speaker"] != "", "speaker"].nunique(),
        ", ".join(sorted(filter(None, clips["language"].unique()))) or "-",
        record.get("licence", "not recorded"),
        _origin(str(record.get("source", ""))),
        str(record.get("fetched", ""))[:10] or "-",
        f"`{record['sha256'][:12]}`" if record.get("sha256") else "-",
    )


def data(provenance: Sequence[Mapping[str, Any]], clips: pd.DataFrame) -> str:
    """Corpora with their licences, quarantined clips and citations.

    Args:
        provenance: content of each data/raw/<corpus>.json; a corpus without one is listed with nothing recorded.
        clips: the clip table, quarantined clips included.
    """
    records = {str(record.get("corpus", "")): record for record in provenance}
    rows = [_corpus_row(str(name), records.get(str(name), {}), own) for name, own in clips.groupby("corpus", sort=True)]
    header = (
        "corpus",
        "recordings",
        "left out",
        "speakers",
        "language",
        "licence",
        "source",
        "fetched",
        "sha256 begins",
    )
    reasons = clips.loc[clips["verdict"] == QUARANTINED, "reason"].value_counts()
    because = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "none"
    used = [records[name] for name in sorted(clips["corpus"].unique()) if name in records]
    citations = (
        "\n".join(f"- {record['citation']}" for record in used if record.get("citation")) or "- nothing recorded"
    )
    return f"{table(header, rows)}\n\nLeft out, by reason: {because}.\n\nCite:\n\n{citations}\n"


def repeated_sentences(split: pd.DataFrame, clips: pd.DataFrame, role: str) -> float:
    """Share of a role's clips whose sentence also occurs in training clips of the same corpus; NaN without clips."""
    said = split.merge(clips[["clip", "sentence"]], on="clip")
    said["key"] = said["corpus"] + "/" + said["sentence"]
    known = set(said.loc[said["role"] == TRAIN, "key"])
    return float(said.loc[said["role"] == role, "key"].isin(known).mean())


def roles(split: pd.DataFrame, clips: pd.DataFrame, emotions: Emotions) -> str:
    """Numbers of clips and speakers of each role, and how many sentences roles have in common.

    Args:
        split: the split table.
        clips: the clip table.
        emotions: of the run.
    """
    corpora = sorted(split["corpus"].unique())
    present = [role for role in ROLES if (split["role"] == role).any()]
    rows = []
    for role in present:
        own = split[split["role"] == role]
        counts = [int((own["corpus"] == corpus).sum()) for corpus in corpora]
        rows.append((f"{role}: {ROLE_MEANINGS[role]}", len(own), own["speaker"].nunique(), *counts))
    by_role = table(("role", "clips", "speakers", *corpora), rows)
    languages = sorted(filter(None, split["language"].unique()))
    by_language = ""
    if len(languages) > 1:
        rows = [
            (language, *(int(((split["role"] == role) & (split["language"] == language)).sum()) for role in present))
            for language in languages
        ]
        by_language = "\n\n" + table(("language", *present), rows)
    by_emotion = table(
        ("emotion", *present),
        [(emotion, *(_count(split, role, emotion) for role in present)) for emotion in emotions],
    )
    shared = ", ".join(
        f"{per_cent(repeated_sentences(split, clips, role))} of {role}"
        for role in (TEST_SEEN, TEST_UNSEEN, TEST_CORPUS)
        if role in present
    )
    return (
        f"{by_role}{by_language}\n\n{by_emotion}\n\n{_left_out(clips, emotions)}"
        "Clips whose very sentence is also said, by others or otherwise, in "
        f"training clips of their corpus: {shared}.\n"
    )


def _left_out(clips: pd.DataFrame, emotions: Emotions) -> str:
    """Good clips without a role; empty if the run knows all emotions."""
    counts = other_emotions(good_clips(clips), emotions)
    if not counts:
        return ""
    named = ", ".join(f"{emotion} {count}" for emotion, count in counts.items())
    return f"Good clips of emotions that this run does not tell apart have no role: {named}.\n\n"


def _count(split: pd.DataFrame, role: str, emotion: str) -> int:
    return int(((split["role"] == role) & (split["emotion"] == emotion)).sum())


def listeners(bands: Mapping[str, Sequence[AgreementBand]]) -> str:
    """How well listeners name the emotions, and the model on the same clips; empty if nobody was asked.

    Args:
        bands: by test role, see `deepemo.evaluation.agreement.score_by_agreement`.
    """
    if not bands:
        return ""
    parts = [LISTENERS]
    for role, found in bands.items():
        rows = [
            (_shares(band), band.model.clips, per_cent(band.listeners), estimate(band.model.accuracy)) for band in found
        ]
        listed = table(("listeners who agreed", "clips", "accuracy of people", "accuracy of the model"), rows)
        parts.append(f"**{ROLE_TITLES[role].capitalize()}**\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _shares(band: AgreementBand) -> str:
    if (band.low, band.high) == (0.0, 1.0):
        return "any share"
    return f"{band.low:.0%} to {band.high:.0%}"
