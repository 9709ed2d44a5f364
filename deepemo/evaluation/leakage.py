"""Leak checks: no voice, clip, performance or content is in both training and a test, and no fit used test clips."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from deepemo.dataset.split import (
    TEST_CORPUS,
    TEST_SEEN,
    TEST_UNSEEN,
    TRAIN,
    VALIDATION,
    fingerprint_clips,
    performances,
)
from deepemo.errors import InputError

TEST_ROLES = (TEST_SEEN, TEST_UNSEEN, TEST_CORPUS)
LEARNED_FROM = (TRAIN, VALIDATION)
SHOWN = 3


def _some(values: list[str]) -> str:
    shown = ", ".join(values[:SHOWN])
    return shown if len(values) <= SHOWN else f"{shown} and {len(values) - SHOWN} more"


def check_roles(split: pd.DataFrame, *, source: str) -> None:
    """Check that every clip has one role, and that no unseen speaker or corpus is in training or validation.

    Args:
        split: the split table.
        source: the file it was read from, for the error.

    Raises:
        InputError: a clip has two rows; or training or validation has a speaker of the test of unseen speakers, or a
            speaker or a corpus of the test of an unseen corpus.
    """
    twice = sorted(split.loc[split["clip"].duplicated(), "clip"].unique())
    if twice:
        first = split.loc[split["clip"] == twice[0], "role"].tolist()
        raise InputError(f"{source}: {_some(twice)} listed more than once (roles {first}), expected one role a clip")
    learned = split[split["role"].isin(LEARNED_FROM)]
    for role, columns in ((TEST_UNSEEN, ("speaker",)), (TEST_CORPUS, ("speaker", "corpus"))):
        for column in columns:
            shared = sorted(set(split.loc[split["role"] == role, column]) & set(learned[column]))
            if shared:
                roles = sorted(set(learned.loc[learned[column].isin(shared), "role"]))
                raise InputError(
                    f"{source}: {column} {_some(shared)} in {role} and in {' and '.join(roles)}, "
                    f"expected a {column} of {role} nowhere else"
                )


def check_content(split: pd.DataFrame, clips: pd.DataFrame, *, source: str) -> None:
    """Check that no content of a recording, and no performance, is in two roles under two names.

    Args:
        split: the split table.
        clips: the good rows of the clip table.
        source: the file that the clip table was read from, for the error.

    Raises:
        InputError: two clips of different roles hold the same samples or are recordings of one performance, or a clip
            of the split is not among the good clips, so that its content is unknown.
    """
    unknown = sorted(set(split["clip"]) - set(clips["clip"]))
    if unknown:
        raise InputError(f"{source}: {_some(unknown)} of the split not among its good clips, run split again")
    clips = clips.assign(performance=performances(clips))
    known = split.merge(clips[["clip", "sha256", "performance"]], on="clip", validate="one_to_one")
    for column, shared in (("sha256", "the same content"), ("performance", "recordings of one performance")):
        roles = known[[column, "role"]].drop_duplicates()
        in_two = roles.loc[roles[column].duplicated(), column]
        twins = known[known[column].isin(in_two)].sort_values([column, "clip"])
        if len(twins):
            pairs = [
                " = ".join(f"{clip} ({role})" for clip, role in zip(group["clip"], group["role"], strict=True))
                for _, group in twins.groupby(column)
            ]
            raise InputError(f"{source}: {shared} in two roles: {_some(pairs)}; quarantine one of each")


def check_fitted_on(fitted_on: Mapping[str, Any] | None, split: pd.DataFrame, role: str, *, source: str) -> None:
    """Check that something was fitted on exactly the clips of one role.

    Args:
        fitted_on: the fingerprint recorded with it.
        split: the split table.
        role: the role that it must have been fitted on.
        source: the file that records it, for the error.

    Raises:
        InputError: nothing is recorded, or it was fitted on other clips.
    """
    if not isinstance(fitted_on, Mapping) or not {"clips", "sha256"} <= set(fitted_on):
        raise InputError(f"{source}: does not say which clips it was fitted on (clips, sha256), found {fitted_on!r}")
    expected = fingerprint_clips(split.loc[split["role"] == role, "clip"])
    if (fitted_on["clips"], fitted_on["sha256"]) != (expected["clips"], expected["sha256"]):
        raise InputError(
            f"{source}: fitted on {fitted_on['clips']} clips with fingerprint {str(fitted_on['sha256'])[:12]}, "
            f"expected the {expected['clips']} clips of role {role} in the split ({expected['sha256'][:12]}); "
            "a model that may have learned from test clips cannot be evaluated: train it on this split"
        )
