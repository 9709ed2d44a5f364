"""Every leak, planted and caught."""

import pandas as pd
import pytest

from deepemo.dataset.split import fingerprint_clips
from deepemo.errors import InputError
from deepemo.evaluation.confidence import fit_confidence
from deepemo.evaluation.leakage import check_content, check_fitted_on, check_roles
from deepemo.evaluation.predictions import Predictions


@pytest.fixture
def split(made_split: pd.DataFrame) -> pd.DataFrame:
    return made_split.copy()


@pytest.fixture
def clips(made_split: pd.DataFrame) -> pd.DataFrame:
    digests = [f"{row:064x}" for row in range(len(made_split))]
    return made_split[["clip"]].assign(sha256=digests, performance=made_split["clip"])


def test_a_clean_split_passes(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    check_roles(split, source="data/split.csv")
    check_content(split, clips, source="data/clips.csv")
    check_fitted_on(fingerprint_clips(split.query("role == 'train'")["clip"]), split, "train", source="model.json")


@pytest.mark.parametrize("role", ["train", "validation"])
def test_an_unseen_speaker_heard_while_learning(split: pd.DataFrame, role: str) -> None:
    row = split.index[split["speaker"] == "north/01"][0]
    split.loc[row, "role"] = role
    with pytest.raises(InputError, match=rf"data/split\.csv: speaker north/01 in test_unseen and in {role}"):
        check_roles(split, source="data/split.csv")


@pytest.mark.parametrize("column", ["speaker", "corpus"])
def test_a_held_out_corpus_heard_while_learning(split: pd.DataFrame, column: str) -> None:
    split.loc[split["corpus"] == "south", "role"] = "test_corpus"
    check_roles(split, source="data/split.csv")
    if column == "corpus":
        split.loc[split.index[-1], ["speaker", "role"]] = ["south/99", "train"]
    else:
        split.loc[split["speaker"] == "north/05", "speaker"] = "south/12"
    with pytest.raises(InputError, match=f"{column} south.* in test_corpus"):
        check_roles(split, source="data/split.csv")


def test_a_clip_in_two_roles(split: pd.DataFrame) -> None:
    again = split[split["role"] == "test_seen"].head(1).assign(role="train")
    with pytest.raises(InputError, match=r"data/split\.csv: north/04_angry_0 listed .*'test_seen', 'train'"):
        check_roles(pd.concat([split, again]), source="data/split.csv")


def test_the_same_content_in_two_roles(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    trained, tested = (split.index[split["role"] == role][0] for role in ("train", "test_unseen"))
    clips.loc[tested, "sha256"] = clips.loc[trained, "sha256"]
    with pytest.raises(
        InputError, match=r"data/clips\.csv: the same content .*00_angry_0 \(test_unseen\) = north/04_angry_4 \(train\)"
    ):
        check_content(split, clips, source="data/clips.csv")


def test_the_same_content_twice_in_one_role_is_no_leak(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    first, second = split.index[split["role"] == "train"][:2]
    clips.loc[first, "sha256"] = clips.loc[second, "sha256"]
    check_content(split, clips, source="data/clips.csv")


def test_one_performance_in_two_roles(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    trained, tested = (split.index[split["role"] == role][0] for role in ("train", "test_seen"))
    clips.loc[tested, "performance"] = clips.loc[trained, "performance"]
    twins = r"north/04_angry_0 \(test_seen\) = north/04_angry_4 \(train\)"
    with pytest.raises(InputError, match=f"recordings of one performance in two roles: {twins}"):
        check_content(split, clips, source="data/clips.csv")


def test_performances_that_nobody_named_are_not_one(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    check_content(split, clips.assign(performance=""), source="data/clips.csv")


def test_a_clip_of_unknown_content(split: pd.DataFrame, clips: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"data/clips\.csv: north/00_angry_0 of the split not among its good clips"):
        check_content(split, clips.iloc[1:], source="data/clips.csv")


@pytest.mark.parametrize("tested", ["test_seen", "test_unseen"])
def test_a_model_fitted_on_a_test_clip(split: pd.DataFrame, tested: str) -> None:
    learned = split[split["role"] == "train"]["clip"].tolist()
    learned[0] = split.loc[split["role"] == tested, "clip"].iloc[0]  # as many clips, one of them a wrong one
    with pytest.raises(InputError, match=r"models/shallow/model\.json: fitted on .* expected .* role train"):
        check_fitted_on(fingerprint_clips(learned), split, "train", source="models/shallow/model.json")


def test_a_calibration_fitted_on_test_clips(split: pd.DataFrame, made_predictions: Predictions) -> None:
    honest = fit_confidence(made_predictions.where("role", "validation"), "shallow", 0.8)
    check_fitted_on(honest.fitted_on, split, "validation", source="calibration")
    cheat = fit_confidence(made_predictions.where("role", "test_seen"), "shallow", 0.8)
    with pytest.raises(InputError, match="role validation"):
        check_fitted_on(cheat.fitted_on, split, "validation", source="calibration")


@pytest.mark.parametrize("recorded", [None, {}, {"clips": 3}, "all of them"])
def test_a_model_that_does_not_say(split: pd.DataFrame, recorded: object) -> None:
    with pytest.raises(InputError, match="does not say which clips"):
        check_fitted_on(recorded, split, "train", source="model.json")
