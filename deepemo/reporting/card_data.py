"""The model card's account of models and data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from deepemo.dataset.clips import QUARANTINED
from deepemo.dataset.split import ROLES, TEST_CORPUS, TEST_SEEN, TEST_UNSEEN, TRAIN, VALIDATION
from deepemo.emotions import EMOTIONS
from deepemo.models.registry import load_family
from deepemo.params import Params
from deepemo.reporting.markdown import per_cent, table

SYNTHETIC = "synthetic"
ROLE_MEANINGS = {
    TRAIN: "learned from",
    VALIDATION: "chose epochs, temperatures and thresholds",
    TEST_SEEN: "new clips of speakers heard in training",
    TEST_UNSEEN: "speakers never heard",
    TEST_CORPUS: "a corpus never heard",
}


def banner(split: pd.DataFrame) -> str:
    """A warning where any of the speech is made by a program."""
    if SYNTHETIC not in set(split["corpus"]):
        return ""
    only = set(split["corpus"]) == {SYNTHETIC}
    return (
        f"> **{'All' if only else 'Some'} of the speech is synthetic**, spoken by a program with made-up emotions. "
        "Figures on it show that the pipeline works; they say nothing about people.\n"
    )


def models(abouts: Mapping[str, Mapping[str, Any]], params: Params) -> str:
    """What the predictors are."""
    features = next(iter(abouts.values()))["features"]
    bands = f"{features['mel_bands']} mel bands" if features["kind"] == "mel" else "the bins of its Fourier transform"
    trimmed = "" if features["trim_below_db"] is None else "freed of quiet ends, "
    networks = "\n".join(
        f"- **{name}**: {load_family(about['kind']).describe(about, params)}" for name, about in abouts.items()
    )
    return f"""\
A recording is mixed to mono, resampled to {features["sample_rate_hz"]} Hz, {trimmed}cut or padded to
{features["clip_seconds"]:g} s and turned into a spectrogram of {bands}, one every
{1000 * features["hop_seconds"]:g} ms, in decibels below its peak. Three predictors name one of {len(EMOTIONS)}
emotions: {", ".join(EMOTIONS)}.

{networks}
- **ensemble**: the mean of both models' probabilities.
"""


def _origin(source: str) -> str:
    """Where recordings came from; a folder is called one, because its path tells of a machine and not of the data."""
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
        record.get("licence", "not recorded"),
        _origin(str(record.get("source", ""))),
        str(record.get("fetched", ""))[:10] or "-",
        f"`{record['sha256'][:12]}`" if record.get("sha256") else "-",
    )


def data(provenance: Sequence[Mapping[str, Any]], clips: pd.DataFrame) -> str:
    """Which corpora, on what terms, what was left out, and whom to cite.

    Args:
        provenance: content of each data/raw/<corpus>.json; a corpus without one is listed with nothing recorded.
        clips: the clip table, quarantined clips included.
    """
    records = {str(record.get("corpus", "")): record for record in provenance}
    rows = [_corpus_row(str(name), records.get(str(name), {}), own) for name, own in clips.groupby("corpus", sort=True)]
    header = ("corpus", "recordings", "left out", "speakers", "licence", "source", "fetched", "sha256 begins")
    reasons = clips.loc[clips["verdict"] == QUARANTINED, "reason"].value_counts()
    because = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items())) or "none"
    used = [records[name] for name in sorted(clips["corpus"].unique()) if name in records]
    citations = (
        "\n".join(f"- {record['citation']}" for record in used if record.get("citation")) or "- nothing recorded"
    )
    return f"{table(header, rows)}\n\nLeft out, by reason: {because}.\n\nCite:\n\n{citations}\n"


def repeated_sentences(split: pd.DataFrame, clips: pd.DataFrame, role: str) -> float:
    """Share of a role's clips whose sentence is also said in training clips of the same corpus; NaN without clips."""
    said = split.merge(clips[["clip", "sentence"]], on="clip")
    said["key"] = said["corpus"] + "/" + said["sentence"]
    known = set(said.loc[said["role"] == TRAIN, "key"])
    return float(said.loc[said["role"] == role, "key"].isin(known).mean())


def roles(split: pd.DataFrame, clips: pd.DataFrame) -> str:
    """How many clips and speakers have which role, and how much of what is said is shared."""
    corpora = sorted(split["corpus"].unique())
    present = [role for role in ROLES if (split["role"] == role).any()]
    rows = []
    for role in present:
        own = split[split["role"] == role]
        counts = [int((own["corpus"] == corpus).sum()) for corpus in corpora]
        rows.append((f"{role}: {ROLE_MEANINGS[role]}", len(own), own["speaker"].nunique(), *counts))
    by_role = table(("role", "clips", "speakers", *corpora), rows)
    by_emotion = table(
        ("emotion", *present),
        [(emotion, *(_count(split, role, emotion) for role in present)) for emotion in EMOTIONS],
    )
    shared = ", ".join(
        f"{per_cent(repeated_sentences(split, clips, role))} of {role}"
        for role in (TEST_SEEN, TEST_UNSEEN, TEST_CORPUS)
        if role in present
    )
    return (
        f"{by_role}\n\n{by_emotion}\n\nClips whose very sentence is also said, by others or otherwise, in training "
        f"clips of their corpus: {shared}.\n"
    )


def _count(split: pd.DataFrame, role: str, emotion: str) -> int:
    return int(((split["role"] == role) & (split["emotion"] == emotion)).sum())
