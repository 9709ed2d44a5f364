"""The split: the role of every good clip, the same for all models.

There are three tests: new clips of speakers that are in training (`test_seen`), clips of speakers that are not
(`test_unseen`), and clips of held-out corpora (`test_corpus`). All draws are stable hashes of ids and the seed. Roles
therefore do not depend on other corpora, and few roles change when a corpus gains or loses clips. All recordings of one
performance have the same role.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

import pandas as pd

from deepemo.emotions import EMOTIONS, MIN_EMOTIONS, Emotions
from deepemo.errors import InputError
from deepemo.params import Split

TRAIN = "train"
VALIDATION = "validation"
TEST_SEEN = "test_seen"
TEST_UNSEEN = "test_unseen"
TEST_CORPUS = "test_corpus"
ROLES = (TRAIN, VALIDATION, TEST_SEEN, TEST_UNSEEN, TEST_CORPUS)
COLUMNS = ("clip", "corpus", "language", "speaker", "gender", "emotion", "role")

# If fewer speakers than this are left, validation takes some of their clips instead of some of the speakers.
MIN_SPEAKERS_FOR_VALIDATION = 6


def _draw(key: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _draw_speakers(speakers: pd.DataFrame, share: float, seed: int) -> set[str]:
    """A share of the speakers of each gender: at least one if there are several, none if there is only one."""
    chosen: set[str] = set()
    for _, group in speakers.groupby("gender", sort=True):
        names = sorted(group["speaker"], key=lambda name: _draw(name, seed))
        if len(names) > 1:
            chosen.update(names[: max(1, round(share * len(names)))])
    return chosen


def _named_speakers(corpus: str, named: Sequence[str], free: set[str], unseen: set[str], what: str) -> set[str]:
    """Ids, as in the clip table, of the speakers that params.yaml names for a role.

    Args:
        corpus: its name, with which the ids begin.
        named: the speakers' names in the corpus.
        free: ids of the speakers that may have the role.
        unseen: ids of the speakers that have the role `test_unseen` already.
        what: the param, for the error.
    """
    found = {f"{corpus}/{name}" for name in named}
    expected = f"expected some of {_names(corpus, free)}"
    if unknown := found - free - unseen:
        raise InputError(f"split.{what}.{corpus}: no clips of {_names(corpus, unknown)}, {expected}")
    if taken := found & unseen:
        raise InputError(
            f"split.{what}.{corpus}: {_names(corpus, taken)} in the test of unseen speakers, {expected}; "
            f"split.unseen_speakers.{corpus} chooses the speakers of that test"
        )
    if not found:
        raise InputError(f"split.{what}.{corpus}: found no names, {expected}")
    return found


def _names(corpus: str, speakers: set[str]) -> list[str]:
    return sorted(speaker.removeprefix(f"{corpus}/") for speaker in speakers)


def split_corpus(clips: pd.DataFrame, section: Split, *, seed: int) -> pd.Series:
    """Roles of the clips of one corpus.

    Speakers that the section names for a role get that role. If it names none of this corpus, they are drawn: a share
    of the speakers of each gender for `test_unseen`, and a share of the remaining speakers for validation. If too few
    speakers remain, validation gets a share of their clips instead. The section's `test_share` of the training
    speakers' clips of each emotion goes to `test_seen`.

    Args:
        clips: rows of the clip table, all of one corpus.
        section: shares and named speakers.
        seed: of every draw.

    Returns:
        A role for each row, aligned with `clips`.

    Raises:
        InputError: a speaker named for a role has no clip, or one named for validation is in the unseen test.
    """
    corpus = clips["corpus"].iloc[0]
    speakers = clips[["speaker", "gender"]].drop_duplicates()
    present = set(speakers["speaker"])
    unseen, validation = section.unseen_speakers.get(corpus), section.validation_speakers.get(corpus)
    if unseen is None:
        unseen_speakers = _draw_speakers(speakers, section.unseen_share, seed)
    else:
        unseen_speakers = _named_speakers(corpus, unseen, present, set(), "unseen_speakers")
    left = speakers[~speakers["speaker"].isin(unseen_speakers)]
    if validation is not None:
        free = present - unseen_speakers
        validation_speakers = _named_speakers(corpus, validation, free, unseen_speakers, "validation_speakers")
    elif len(left) >= MIN_SPEAKERS_FOR_VALIDATION:
        validation_speakers = _draw_speakers(left, section.validation_share, seed + 1)
    else:
        validation_speakers = set()
    roles = pd.Series(TRAIN, index=clips.index)
    roles[clips["speaker"].isin(unseen_speakers)] = TEST_UNSEEN
    roles[clips["speaker"].isin(validation_speakers)] = VALIDATION
    heard = clips[roles == TRAIN]
    for _, group in heard.groupby("emotion", sort=True):
        # A performance is drawn by the id of its first clip. If it has only one clip, that is the clip's own id.
        first_clips: dict[str, str] = {}
        for performance, clip in sorted(zip(performances(group), group["clip"], strict=True)):
            first_clips.setdefault(performance, clip)
        order = sorted(first_clips, key=lambda performance: _draw(first_clips[performance], seed))
        tested = round(section.test_share * len(order))
        drawn = dict.fromkeys(order[:tested], TEST_SEEN)
        if not validation_speakers:
            drawn |= dict.fromkeys(order[tested : tested + round(section.validation_share * len(order))], VALIDATION)
        roles[group.index] = performances(group).map(drawn).fillna(TRAIN)
    return roles


def performances(clips: pd.DataFrame) -> pd.Series:
    """The performance of each clip, aligned with `clips`; the clip's own id if it has none."""
    return clips["performance"].where(clips["performance"] != "", clips["clip"])


def split_clips(clips: pd.DataFrame, section: Split, *, emotions: Emotions, seed: int) -> pd.DataFrame:
    """The split table, in the order of the clips.

    Args:
        clips: the good rows of the clip table.
        section: see `split_corpus`; all clips of its held-out corpora go to `test_corpus`.
        emotions: of the run; clips of other emotions have no role and no row.
        seed: of every draw.

    Raises:
        InputError: a held-out corpus has no clips, or fewer than two emotions have training clips.
    """
    clips = clips[clips["emotion"].isin(emotions)]
    present = sorted(clips["corpus"].unique())
    absent = sorted(set(section.held_out_corpora) - set(present))
    if absent:
        raise InputError(f"split.held_out_corpora: no clips of {absent}, expected some of {present}")
    roles = pd.Series(TEST_CORPUS, index=clips.index)
    for corpus in present:
        if corpus not in section.held_out_corpora:
            rows = clips[clips["corpus"] == corpus]
            roles[rows.index] = split_corpus(rows, section, seed=seed)
    table = clips.assign(role=roles)[list(COLUMNS)]
    unlearned = unlearned_emotions(table, emotions)
    learned = [emotion for emotion in emotions if emotion not in unlearned]
    if len(learned) < MIN_EMOTIONS:
        raise InputError(
            f"split: training clips of {learned or 'no emotion'} among {len(table)} good clips, expected clips of "
            f"{MIN_EMOTIONS} emotions or more; use more recordings"
        )
    return table.reset_index(drop=True)


def unlearned_emotions(split: pd.DataFrame, emotions: Emotions) -> list[str]:
    """Emotions of a run without a training clip, which no model can learn to name."""
    learned = set(split.loc[split["role"] == TRAIN, "emotion"])
    return [emotion for emotion in emotions if emotion not in learned]


def other_emotions(clips: pd.DataFrame, emotions: Emotions) -> dict[str, int]:
    """Number of clips of each emotion that a run leaves out. Emotions without clips are not named.

    Args:
        clips: the good rows of the clip table.
        emotions: of the run.
    """
    counts = clips["emotion"].value_counts()
    return {emotion: int(counts[emotion]) for emotion in EMOTIONS if emotion not in emotions and emotion in counts}


def read_split(path: Path, emotions: Emotions = EMOTIONS) -> pd.DataFrame:
    """Read the split table; every column is text.

    Args:
        path: of the table.
        emotions: of the run.

    Raises:
        InputError: a clip has another emotion.
    """
    split = pd.read_csv(path, dtype=str, keep_default_na=False)
    others = sorted(set(split["emotion"]) - set(emotions))
    if others:
        raise InputError(f"{path}: found clips of {others}, expected only those of {list(emotions)}; run split again")
    return split


class Fingerprint(TypedDict):
    """Number of clips, and the sha256 of their sorted ids, one per line."""

    clips: int
    sha256: str


def voices_heard(split: pd.DataFrame) -> frozenset[str]:
    """The speakers of the training clips of a split table."""
    return frozenset(split.loc[split["role"] == TRAIN, "speaker"])


def fingerprint_clips(clips: Iterable[str]) -> Fingerprint:
    """Fingerprint of a set of clip ids, in any order. It is stored with everything that was fitted on these clips.

    Example:
        >>> fingerprint_clips(["b", "a"]) == fingerprint_clips(["a", "b"])
        True
    """
    ids = sorted(clips)
    return {"clips": len(ids), "sha256": hashlib.sha256("".join(f"{clip}\n" for clip in ids).encode()).hexdigest()}
