"""The split: roles that keep voices apart and are drawn the same way every time."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.dataset.split import (
    ROLES,
    TEST_SEEN,
    TEST_UNSEEN,
    TRAIN,
    VALIDATION,
    fingerprint_clips,
    other_emotions,
    read_split,
    split_clips,
    unlearned_emotions,
)
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.errors import InputError
from deepemo.params import Split

SECTION = Split.model_construct(
    unseen_share=0.2,
    validation_share=0.1,
    test_share=0.15,
    unseen_speakers={},
    validation_speakers={},
    held_out_corpora=[],
)
SEED = 5


def changed(**values: object) -> Split:
    """The section with other values; corpora may have any name."""
    return SECTION.model_copy(update=values)


def divide(
    table: pd.DataFrame, section: Split = SECTION, *, emotions: Emotions = EMOTIONS, seed: int = SEED
) -> pd.DataFrame:
    return split_clips(table, section, emotions=emotions, seed=seed)


def clips(corpus: str, speakers: int, each: int = 6) -> pd.DataFrame:
    rows = [
        {
            "clip": f"{corpus}/{speaker:02d}_{emotion}_{take}",
            "performance": f"{corpus}/{speaker:02d}_{emotion}_{take}",
            "corpus": corpus,
            "language": "en",
            "speaker": f"{corpus}/{speaker:02d}",
            "gender": ("female", "male")[speaker % 2],
            "emotion": emotion,
        }
        for speaker in range(speakers)
        for emotion in EMOTIONS
        for take in range(each)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.concat([clips("many", 20), clips("few", 3)], ignore_index=True)


def test_every_clip_has_one_role(table: pd.DataFrame) -> None:
    split = divide(table)
    assert split["clip"].tolist() == table["clip"].tolist()
    assert split["clip"].is_unique
    assert set(split["role"]) == {TRAIN, VALIDATION, TEST_SEEN, TEST_UNSEEN}


def test_no_speaker_of_the_unseen_test_is_heard_before(table: pd.DataFrame) -> None:
    split = divide(table)
    unseen = set(split.loc[split["role"] == TEST_UNSEEN, "speaker"])
    heard = set(split.loc[split["role"] != TEST_UNSEEN, "speaker"])
    assert unseen
    assert not unseen & heard


def test_seen_test_has_no_speaker_that_training_lacks(table: pd.DataFrame) -> None:
    split = divide(table)
    seen, train = (set(split.loc[split["role"] == role, "speaker"]) for role in (TEST_SEEN, TRAIN))
    assert seen <= train


def test_both_genders_are_unseen_in_a_corpus_that_has_enough(table: pd.DataFrame) -> None:
    split = divide(table)
    unseen = split[(split["role"] == TEST_UNSEEN) & (split["corpus"] == "many")]
    assert unseen.groupby("gender")["speaker"].nunique().to_dict() == {"female": 2, "male": 2}


def test_a_corpus_of_few_speakers_gives_clips_to_validation(table: pd.DataFrame) -> None:
    split = divide(table)
    few = split[(split["role"] == VALIDATION) & (split["corpus"] == "few")]
    many = split[(split["role"] == VALIDATION) & (split["corpus"] == "many")]
    train = set(split.loc[split["role"] == TRAIN, "speaker"])
    assert set(few["speaker"]) <= train
    assert not set(many["speaker"]) & train


def test_shares_are_kept_within_each_emotion(table: pd.DataFrame) -> None:
    split = divide(table)
    heard = split[split["role"].isin([TRAIN, TEST_SEEN]) & (split["corpus"] == "many")]
    shares = heard.groupby("emotion")["role"].agg(lambda roles: (roles == TEST_SEEN).mean())
    np.testing.assert_allclose(shares, 0.15, atol=0.02)


def test_named_speakers_take_the_roles_they_are_named_for(table: pd.DataFrame) -> None:
    named = changed(unseen_speakers={"many": ["03"]}, validation_speakers={"many": ["04", "05"]})
    split = divide(table, named)
    many = split[split["corpus"] == "many"]
    assert set(many.loc[many["role"] == TEST_UNSEEN, "speaker"]) == {"many/03"}
    assert set(many.loc[many["role"] == VALIDATION, "speaker"]) == {"many/04", "many/05"}


@pytest.mark.parametrize("param", ["unseen_speakers", "validation_speakers"])
@pytest.mark.parametrize(("named", "unknown"), [(["99"], "['99']"), (["2", "01", "99"], "['2', '99']")])
def test_every_named_speaker_without_clips_is_in_the_error(
    table: pd.DataFrame, param: str, named: list[str], unknown: str
) -> None:
    section = changed(**{"unseen_speakers": {"few": ["00"]}, param: {"few": named}})
    expected = ["01", "02"] if param == "validation_speakers" else ["00", "01", "02"]
    words = f"split.{param}.few: no clips of {unknown}, expected some of {expected}"
    with pytest.raises(InputError, match=f"^{re.escape(words)}$"):
        divide(table, section)


def test_a_speaker_cannot_be_in_validation_and_in_the_unseen_test(table: pd.DataFrame) -> None:
    both = changed(unseen_speakers={"few": ["00"]}, validation_speakers={"few": ["00", "01"]})
    with pytest.raises(InputError, match=r"^split\.validation_speakers\.few: \['00'\] in the test of unseen speakers"):
        divide(table, both)


def test_no_named_speaker_at_all_is_an_error(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"^split\.unseen_speakers\.few: found no names, expected some of \['00', "):
        divide(table, changed(unseen_speakers={"few": []}))


def test_a_held_out_corpus_is_tested_alone(table: pd.DataFrame) -> None:
    split = divide(table, changed(held_out_corpora=["few"]))
    assert set(split.loc[split["corpus"] == "few", "role"]) == {"test_corpus"}
    with pytest.raises(InputError, match=r"held_out_corpora: no clips of \['absent'\]"):
        divide(table, changed(held_out_corpora=["absent"]))


def test_roles_do_not_depend_on_order_or_on_other_corpora(table: pd.DataFrame) -> None:
    split = divide(table).set_index("clip")["role"]
    shuffled = divide(table.sample(frac=1, random_state=1).reset_index(drop=True))
    pd.testing.assert_series_equal(shuffled.set_index("clip")["role"].loc[split.index], split)
    alone = divide(clips("many", 20)).set_index("clip")["role"]
    pd.testing.assert_series_equal(alone, split.loc[alone.index])


def test_another_seed_draws_others(table: pd.DataFrame) -> None:
    first = divide(table)["role"]
    second = divide(table, seed=6)["role"]
    assert (first != second).any()


def test_emotions_without_training_clips_are_told(table: pd.DataFrame) -> None:
    assert unlearned_emotions(divide(table), EMOTIONS) == []
    without = table[~table["emotion"].isin(["surprise", "disgust"])].reset_index(drop=True)
    assert unlearned_emotions(divide(without), EMOTIONS) == [
        "disgust",
        "surprise",
    ]


FOUR = ("angry", "happy", "neutral", "sad")


def test_clips_of_other_emotions_have_no_role_and_all_others_keep_theirs(table: pd.DataFrame) -> None:
    every, four = divide(table), divide(table, emotions=FOUR)
    pd.testing.assert_frame_equal(four, every[every["emotion"].isin(FOUR)].reset_index(drop=True))
    assert other_emotions(table, FOUR) == {"disgust": 138, "fear": 138, "surprise": 138}
    assert other_emotions(table, EMOTIONS) == {}
    assert unlearned_emotions(four, FOUR) == []
    assert unlearned_emotions(four, (*FOUR, "surprise")) == ["surprise"]


def test_two_emotions_of_which_one_has_clips_are_an_error(table: pd.DataFrame) -> None:
    some = table[table["emotion"] != "fear"].reset_index(drop=True)
    with pytest.raises(InputError, match=r"training clips of \['sad'\] among 138 good clips, expected clips of 2"):
        divide(some, emotions=("fear", "sad"))


def test_a_split_of_other_emotions_is_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "split.csv"
    divide(table).to_csv(path, index=False)
    assert len(read_split(path)) == len(table)
    with pytest.raises(InputError, match=r"split\.csv: found clips of \['disgust', 'fear', 'surprise'\], exp"):
        read_split(path, FOUR)


def test_one_emotion_alone_is_an_error(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"training clips of \['sad'\] among 138 good clips, expected clips of 2"):
        divide(table[table["emotion"] == "sad"].reset_index(drop=True))


def test_roles_are_those_that_evaluation_knows(table: pd.DataFrame) -> None:
    assert set(divide(table)["role"]) <= set(ROLES)


def test_fingerprint_knows_sets_and_not_orders() -> None:
    assert fingerprint_clips(["b", "a"]) == fingerprint_clips(["a", "b"])
    assert fingerprint_clips(["a", "b"]) != fingerprint_clips(["a", "c"])
    assert fingerprint_clips(["ab"]) != fingerprint_clips(["a", "b"])


def test_a_clip_alone_of_its_performance_is_drawn_as_if_there_were_no_performances(table: pd.DataFrame) -> None:
    split = divide(table)
    unknown = divide(table.assign(performance=""))
    other_ids = divide(table.assign(performance=table["clip"] + " as performed"))
    pd.testing.assert_frame_equal(unknown, split)
    pd.testing.assert_frame_equal(other_ids, split)


def test_recordings_of_one_performance_have_one_role(table: pd.DataFrame) -> None:
    twins = table.assign(clip=table["clip"] + " by the camera")
    both = pd.concat([table, twins], ignore_index=True).sample(frac=1, random_state=3).reset_index(drop=True)
    split = divide(both).assign(performance=both["performance"])
    assert (split.groupby("performance")["role"].nunique() == 1).all()
    alone = divide(table).set_index("clip")["role"]
    with_twins = split.set_index("clip")["role"].loc[alone.index]
    pd.testing.assert_series_equal(with_twins, alone)
