"""The stage on a made-up run whose models give memorised answers: right on two corpora, wrong on the third."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from deepemo.dataset.shards import SPEC_FILE, read_spec
from deepemo.dataset.split import fingerprint_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.cross_corpus import why_not, without
from deepemo.evaluation.predictions import read_predictions
from deepemo.evaluation.siblings import judged_families
from deepemo.files import write_json
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages import cross_corpus
from tests.fixtures.rote import CORPORA, Rote, RoteVoiceModel, check_that_a_killed_run_goes_on, rote_split

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    section = params.cross_corpus.model_copy(update={"bootstrap_samples": 100, "pairs": False, "workers": 1})
    return params.model_copy(update={"cross_corpus": section})


@pytest.mark.slow
def test_every_corpus_is_judged_by_models_that_never_heard_it(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    split = write_run()
    assert cross_corpus.main(params).startswith("cross_corpus: mean UAR over 3 corpora")
    for left_out, learned in zip(CORPORA, rote.trained, strict=True):
        for role in ("train", "validation"):
            rows = learned[learned["role"] == role]
            expected = split[(split["role"] == role) & (split["corpus"] != left_out)]
            assert fingerprint_clips(rows["clip"]) == fingerprint_clips(expected["clip"])
    content = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert content["asked"] == 1
    found = {name: corpus["predictors"] for name, corpus in content["corpora"].items()}
    assert {name: corpus["rote"]["uar"] for name, corpus in found.items()} == {"east": 1, "north": 1, "west": 0}
    assert {name: corpus["ensemble"]["accuracy"] for name, corpus in found.items()} == {
        "east": 1,
        "north": 1,
        "west": 0,
    }
    assert {name: corpus["clips"] for name, corpus in content["corpora"].items()} == {
        "east": 30,
        "north": 35,
        "west": 35,
    }
    assert content["corpora"]["east"]["chance"] == {"uar": round(1 / 6, 4)}
    assert content["corpora"]["east"]["learned_from"] == ["north", "west"]
    mean = {"corpora": 3, "clips": 100, "accuracy": 0.6667, "lowest_accuracy": 0, "highest_accuracy": 1}
    assert content["mean"]["rote"] == {**mean, "uar": 0.6667, "lowest_uar": 0, "highest_uar": 1}
    assert content["chance"] == {"uar": round((1 / 6 + 2 / 7) / 3, 4)}
    said = read_predictions(tmp_path / "data/cross_corpus.csv", EMOTIONS)
    assert sorted(said.clips["clip"]) == sorted(split["clip"])
    assert set(said.clips["role"]) == {"test_corpus"}
    assert said.predictors == ("rote", "ensemble")
    assert not (tmp_path / ".resume/cross_corpus").exists()


@pytest.mark.slow
def test_clips_of_a_corpus_left_out_are_answered_with_references_too(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run()
    cross_corpus.main(params)
    without = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert without["known_voices"] == {}
    rote.family = replace(rote.family, load=RoteVoiceModel)
    cross_corpus.main(params)
    content = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert content["mean"] == without["mean"]
    # West shows every emotion one place further on: right with a reference of the voice there, wrong elsewhere.
    known = {name: corpus["known_voices"] for name, corpus in content["corpora"].items()}
    assert {name: sizes["all"]["uar"] for name, sizes in known.items()} == {"east": 0, "north": 0, "west": 1}
    assert known["west"]["3"]["clips"] == 35
    assert list(content["known_voices"]) == ["3", "10", "all"]
    assert content["known_voices"]["all"]["uar"] == 0.3333


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_and_ends_alike(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run()
    files = [tmp_path / "metrics/cross_corpus.json", tmp_path / "data/cross_corpus.csv"]
    check_that_a_killed_run_goes_on(lambda: cross_corpus.main(params), rote, files, killed_at=2, models=3)


def kill_at_the_second(write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params) -> None:
    """Begin a run that is killed at its second model."""
    write_run()
    rote.killed_at = 2
    with pytest.raises(KeyboardInterrupt):
        cross_corpus.main(params)
    rote.killed_at = None


@pytest.mark.slow
def test_models_of_another_seed_are_not_taken_up(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params
) -> None:
    kill_at_the_second(write_run, rote, params)
    cross_corpus.main(params.model_copy(update={"seed": params.seed + 1}))
    assert len(rote.trained) == 2 + 3


@pytest.mark.slow
def test_models_of_other_embeddings_are_not_taken_up(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params
) -> None:
    kill_at_the_second(write_run, rote, params)
    spec = rote.family.shards / SPEC_FILE
    # The params of the run are the same, but the file that they name has changed.
    write_json(spec, {**read_spec(rote.family.shards), "encoder_sha256": "0"})
    cross_corpus.main(params)
    assert len(rote.trained) == 2 + 3


def test_of_one_corpus_the_question_cannot_be_asked(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run({"north": EMOTIONS})
    line = cross_corpus.main(params)
    content = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert rote.trained == []
    assert (content["asked"], content["mean"], content["corpora"]) == (0, {}, {})
    assert content["reason"] in line
    assert content["reason"].endswith("cannot be asked: the models learn from one corpus alone, north")
    table = pd.read_csv(tmp_path / "data/cross_corpus.csv")
    assert len(table) == 0
    assert set(EMOTIONS) < set(table.columns)


@pytest.mark.slow
def test_a_corpus_that_alone_has_an_emotion_cannot_be_left_out(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run({"east": EMOTIONS[:6], "north": EMOTIONS})
    cross_corpus.main(params)
    content = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert list(content["corpora"]) == ["east"]
    assert content["refused"] == {"north": "without north, no training clip is left of surprise"}


@pytest.mark.slow
def test_a_corpus_that_the_split_holds_out_is_neither_learned_from_nor_left_out(
    write_run: Callable[..., pd.DataFrame], rote: Rote, params: Params, tmp_path: Path
) -> None:
    split = write_run()
    split.loc[split["corpus"] == "west", "role"] = "test_corpus"
    split.to_csv(tmp_path / "data/split.csv", index=False)
    cross_corpus.main(params)
    content = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())
    assert list(content["corpora"]) == ["east"]  # without north, surprise is left in west alone
    assert all("west" not in set(learned.loc[learned["role"] == "train", "corpus"]) for learned in rote.trained)
    assert set(read_predictions(tmp_path / "data/cross_corpus.csv", EMOTIONS).clips["corpus"]) == {"east"}


def test_a_recording_that_two_corpora_share_stops_it(
    write_run: Callable[..., pd.DataFrame], params: Params, tmp_path: Path
) -> None:
    write_run()
    clips = pd.read_csv(tmp_path / "data/clips.csv", dtype=str, keep_default_na=False)
    twin = clips.loc[clips["clip"] == "north/sad_0", "sha256"].item()
    clips.loc[clips["clip"] == "east/sad_0", "sha256"] = twin
    clips.to_csv(tmp_path / "data/clips.csv", index=False)
    with pytest.raises(InputError, match=r"split without east: the same content in two roles: east/sad_0"):
        cross_corpus.main(params)


def test_reasons_against_leaving_out() -> None:
    split = rote_split(CORPORA)
    assert why_not(split, "north", EMOTIONS) == ""
    no_validation = split[(split["role"] != "validation") | (split["corpus"] == "north")]
    assert why_not(no_validation, "north", EMOTIONS) == "without north, no validation clip is left"
    assert without(split, "north").query("corpus == 'north'")["role"].unique().tolist() == ["test_corpus"]


def test_a_run_without_an_emotion_needs_no_clips_of_it_from_the_other_corpora() -> None:
    split = rote_split({"east": EMOTIONS[:-1], "north": EMOTIONS})
    assert why_not(split, "north", EMOTIONS) == "without north, no training clip is left of surprise"
    assert why_not(split[split["emotion"] != "surprise"], "north", EMOTIONS[:-1]) == ""


def test_families_on_embeddings_are_judged_and_the_others_if_wanted(params: Params) -> None:
    assert [family.name for family in judged_families(params.cross_corpus)] == ["transfer", "speech"]
    section = params.cross_corpus.model_copy(update={"train_on_features": True})
    assert [family.name for family in judged_families(section)] == ["shallow", "transfer", "speech"]
