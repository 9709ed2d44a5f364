"""Give every good clip its role, once and for all models.

One split serves both questions: how good is a model on new clips of speakers it has heard (`test_seen`), and on
speakers it never heard (`test_unseen`). Everything is drawn by stable hashes of ids and the seed, so that a clip keeps
its role when others come or go. All recordings of one performance have the same role.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError

TRAIN = "train"
VALIDATION = "validation"
TEST_SEEN = "test_seen"
TEST_UNSEEN = "test_unseen"
TEST_CORPUS = "test_corpus"
ROLES = (TRAIN, VALIDATION, TEST_SEEN, TEST_UNSEEN, TEST_CORPUS)
COLUMNS = ("clip", "corpus", "speaker", "gender", "emotion", "role")

# A corpus with fewer speakers than this left for training gives clips, not speakers, to validation.
SPEAKERS_TO_SPARE = 6


def _draw(key: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _draw_speakers(speakers: pd.DataFrame, share: float, seed: int) -> set[str]:
    """A share of the speakers, at least one of each gender that has two or more."""
    chosen: set[str] = set()
    for _, group in speakers.groupby("gender", sort=True):
        names = sorted(group["speaker"], key=lambda name: _draw(name, seed))
        if len(names) > 1:
            chosen.update(names[: max(1, round(share * len(names)))])
    return chosen


def _named_speakers(corpus: str, named: Iterable[str], present: set[str], what: str) -> set[str]:
    found = {f"{corpus}/{name}" for name in named} & present
    if not found:
        raise InputError(
            f"split.{what}.{corpus}: none of {sorted(named)} is heard in the clips, found {sorted(present)}"
        )
    return found


def split_corpus(
    clips: pd.DataFrame,
    *,
    unseen: Sequence[str] | None,
    validation: Sequence[str] | None,
    unseen_share: float,
    validation_share: float,
    test_share: float,
    seed: int,
) -> pd.Series:
    """Roles of the clips of one corpus.

    Args:
        clips: rows of the clip table, all of one corpus.
        unseen: speaker codes for the unseen test; None draws a share of the speakers of each gender.
        validation: speaker codes for validation; None draws a share of the speakers left, or of their performances
            where the corpus has too few.
        unseen_share: share of speakers drawn for the unseen test.
        validation_share: share drawn for validation.
        test_share: share of the training speakers' performances of each emotion that go to the seen test.
        seed: of every draw.

    Returns:
        A role for each row, aligned with `clips`.

    Raises:
        InputError: none of the named speakers is there.
    """
    corpus = clips["corpus"].iloc[0]
    speakers = clips[["speaker", "gender"]].drop_duplicates()
    present = set(speakers["speaker"])
    if unseen is None:
        unseen_speakers = _draw_speakers(speakers, unseen_share, seed)
    else:
        unseen_speakers = _named_speakers(corpus, unseen, present, "unseen_speakers")
    left = speakers[~speakers["speaker"].isin(unseen_speakers)]
    if validation is not None:
        validation_speakers = _named_speakers(corpus, validation, set(left["speaker"]), "validation_speakers")
    elif len(left) >= SPEAKERS_TO_SPARE:
        validation_speakers = _draw_speakers(left, validation_share, seed + 1)
    else:
        validation_speakers = set()
    roles = pd.Series(TRAIN, index=clips.index)
    roles[clips["speaker"].isin(unseen_speakers)] = TEST_UNSEEN
    roles[clips["speaker"].isin(validation_speakers)] = VALIDATION
    heard = clips[roles == TRAIN]
    for _, group in heard.groupby("emotion", sort=True):
        # A performance is drawn by its first clip: one of a single recording as that clip alone was always drawn.
        first_clips = group.groupby(performances(group))["clip"].min()
        order = sorted(first_clips.index, key=lambda performance: _draw(str(first_clips[performance]), seed))
        tested = round(test_share * len(order))
        drawn = dict.fromkeys(order[:tested], TEST_SEEN)
        if not validation_speakers:
            drawn |= dict.fromkeys(order[tested : tested + round(validation_share * len(order))], VALIDATION)
        roles[group.index] = performances(group).map(drawn).fillna(TRAIN)
    return roles


def performances(clips: pd.DataFrame) -> pd.Series:
    """The performance of each clip, aligned with `clips`; a clip without one is its own."""
    return clips["performance"].where(clips["performance"] != "", clips["clip"])


def split_clips(
    clips: pd.DataFrame,
    *,
    unseen_speakers: Mapping[str, Sequence[str]],
    validation_speakers: Mapping[str, Sequence[str]],
    held_out_corpora: Sequence[str],
    unseen_share: float,
    validation_share: float,
    test_share: float,
    seed: int,
) -> pd.DataFrame:
    """The split table, in the order of the clips.

    Args:
        clips: the good rows of the clip table.
        unseen_speakers: by corpus, who is kept for the unseen test.
        validation_speakers: by corpus, who is kept for validation.
        held_out_corpora: corpora whose clips all go to `test_corpus`.
        unseen_share: see `split_corpus`.
        validation_share: see `split_corpus`.
        test_share: see `split_corpus`.
        seed: of every draw.

    Raises:
        InputError: nothing is left for training, a held-out corpus is not there, or an emotion has no training clip.
    """
    present = sorted(clips["corpus"].unique())
    absent = sorted(set(held_out_corpora) - set(present))
    if absent:
        raise InputError(f"split.held_out_corpora: no clips of {absent}, expected some of {present}")
    roles = pd.Series(TEST_CORPUS, index=clips.index)
    for corpus in present:
        if corpus not in held_out_corpora:
            rows = clips[clips["corpus"] == corpus]
            roles[rows.index] = split_corpus(
                rows,
                unseen=unseen_speakers.get(corpus),
                validation=validation_speakers.get(corpus),
                unseen_share=unseen_share,
                validation_share=validation_share,
                test_share=test_share,
                seed=seed,
            )
    table = clips.assign(role=roles)[list(COLUMNS)]
    learned = set(table.loc[table["role"] == TRAIN, "emotion"])
    unlearned = [emotion for emotion in EMOTIONS if emotion not in learned]
    if unlearned:
        raise InputError(f"split: no training clip of {unlearned} among {len(table)} good clips; use more recordings")
    return table


def read_split(path: Path) -> pd.DataFrame:
    """Read the split table; every column is text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)
