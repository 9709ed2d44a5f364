"""Models of one corpus alone, on a made-up run whose models are right on two corpora and wrong on the third."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deepemo.dataset.split import fingerprint_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages import cross_corpus
from tests.fixtures.rote import CORPORA, Rote, check_that_a_killed_run_goes_on

ROOT = Path(__file__).parents[2]
Write = Callable[..., pd.DataFrame]


@pytest.fixture
def params() -> Params:
    params = load_params(ROOT / "params.yaml")
    section = params.cross_corpus.model_copy(update={"bootstrap_samples": 100, "workers": 1})
    return params.model_copy(update={"cross_corpus": section})


def pairs_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics/cross_corpus_pairs.json").read_text())
    return content


def change_roles(folder: Path, corpus: str, roles: dict[str, str]) -> None:
    """Give other roles to clips of a corpus; a clip with an empty role is left out."""
    split = pd.read_csv(folder / "data/split.csv")
    own = split["corpus"] == corpus
    split.loc[own, "role"] = split.loc[own, "role"].replace(roles)
    split[split["role"] != ""].to_csv(folder / "data/split.csv", index=False)


@pytest.mark.slow
def test_every_corpus_is_judged_by_models_of_every_corpus_alone(
    write_run: Write, rote: Rote, params: Params, tmp_path: Path
) -> None:
    split = write_run()
    cross_corpus.main(params)
    assert rote.emotions == [EMOTIONS] * 3 + list(CORPORA.values())
    for corpus, learned in zip(CORPORA, rote.trained[3:], strict=True):
        for role in ("train", "validation"):
            rows = learned[learned["role"] == role]
            expected = split[(split["role"] == role) & (split["corpus"] == corpus)]
            assert fingerprint_clips(rows["clip"]) == fingerprint_clips(expected["clip"])
    pairs = pairs_in(tmp_path)
    assert (pairs["asked"], pairs["corpora"], pairs["refused"]) == (1, list(CORPORA), {})
    judged = {name: row["judged_on"] for name, row in pairs["trained_on"].items()}
    uars = {
        name: {other: cell["predictors"]["rote"]["uar"] for other, cell in row.items()} for name, row in judged.items()
    }
    assert uars["north"] == {"east": 1, "north": 1, "west": 0}
    assert uars["west"] == {"east": 1, "north": 1, "west": 0}
    assert (uars["east"]["east"], uars["east"]["north"]) == (1, 1)
    # On the diagonal only speaker c, whom neither training nor validation heard; elsewhere all clips.
    clips = {name: {other: cell["clips"] for other, cell in row.items()} for name, row in judged.items()}
    assert clips["north"] == {"east": 30, "north": 7, "west": 35}
    assert (judged["north"]["north"]["role"], judged["north"]["north"]["speakers"]) == ("test_unseen", 1)
    assert (judged["north"]["west"]["role"], judged["north"]["west"]["speakers"]) == ("test_corpus", 3)
    figures = judged["north"]["east"]["predictors"]["ensemble"]
    assert set(figures) == {"clips", "accuracy", "uar", "accuracy_ci95", "uar_ci95"}
    shown = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())["pairs"]
    assert shown["uar"]["rote"] == uars
    assert shown["mean"]["rote"] == pairs["mean"]["rote"]
    assert pairs["mean"]["rote"]["same_corpus"] == pytest.approx(2 / 3, abs=1e-4)


@pytest.mark.slow
def test_a_pair_is_judged_on_the_emotions_that_both_corpora_have(
    write_run: Write, rote: Rote, params: Params, tmp_path: Path
) -> None:
    some = {"east": EMOTIONS[:6], "north": EMOTIONS, "south": ("angry", "surprise"), "west": EMOTIONS}
    write_run(some)
    cross_corpus.main(params)
    pairs = pairs_in(tmp_path)
    assert list(some.values()) == rote.emotions[-4:]
    cell = pairs["trained_on"]["north"]["judged_on"]["east"]
    assert (cell["emotions"], cell["clips"], cell["chance"]) == (list(EMOTIONS[:6]), 30, {"uar": round(1 / 6, 4)})
    assert pairs["trained_on"]["east"]["judged_on"]["north"]["clips"] == 30
    cell = pairs["trained_on"]["south"]["judged_on"]["north"]
    assert (cell["emotions"], cell["clips"], cell["chance"]) == (["angry", "surprise"], 10, {"uar": 0.5})
    assert cell["predictors"]["rote"]["uar"] == 1
    # Less than two emotions in common leave nothing to tell apart.
    assert set(pairs["trained_on"]["east"]["judged_on"]) == {"east", "north", "west"}
    assert pairs["trained_on"]["east"]["not_judged"] == {"south": "east and south have angry alone in common"}


@pytest.mark.slow
def test_without_speakers_never_heard_new_clips_of_those_heard_are_judged(
    write_run: Write, params: Params, tmp_path: Path
) -> None:
    write_run()
    change_roles(tmp_path, "north", {"test_unseen": "train"})
    change_roles(tmp_path, "west", {"test_unseen": "", "test_seen": ""})
    cross_corpus.main(params)
    rows = pairs_in(tmp_path)["trained_on"]
    assert (rows["north"]["judged_on"]["north"]["role"], rows["north"]["judged_on"]["north"]["clips"]) == (
        "test_seen",
        7,
    )
    assert rows["west"]["not_judged"] == {"west": "west has test clips of no emotion alone"}
    assert rows["east"]["judged_on"]["west"]["clips"] == 6 * 3


@pytest.mark.slow
def test_a_corpus_that_cannot_be_learned_from_alone_says_why_and_is_judged(
    write_run: Write, rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run()
    change_roles(tmp_path, "north", {"validation": "test_seen"})
    cross_corpus.main(params)
    pairs = pairs_in(tmp_path)
    assert pairs["refused"] == {"north": "north has no validation clip"}
    assert list(pairs["trained_on"]) == ["east", "west"]
    assert pairs["trained_on"]["east"]["judged_on"]["north"]["clips"] == 30
    assert len(rote.trained) == 3 + 2


@pytest.mark.slow
def test_a_run_that_was_killed_among_the_pairs_goes_on_and_ends_alike(
    write_run: Write, rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run()
    files = [tmp_path / f"metrics/cross_corpus{part}.json" for part in ("", "_pairs")]
    check_that_a_killed_run_goes_on(lambda: cross_corpus.main(params), rote, files, killed_at=4, models=6)
    assert not (tmp_path / ".resume/cross_corpus").exists()


@pytest.mark.parametrize(
    ("corpora", "pairs", "reason"),
    [
        ({"north": EMOTIONS}, True, "the models learn from one corpus alone, north"),
        ({"north": EMOTIONS}, False, "cross_corpus.pairs is false"),
    ],
)
def test_what_was_not_asked_says_why(
    write_run: Write,
    rote: Rote,
    params: Params,
    tmp_path: Path,
    corpora: dict[str, tuple[str, ...]],
    pairs: bool,
    reason: str,
) -> None:
    write_run(corpora)
    section = params.cross_corpus.model_copy(update={"pairs": pairs})
    cross_corpus.main(params.model_copy(update={"cross_corpus": section}))
    found = pairs_in(tmp_path)
    assert (found["asked"], found["reason"], found["trained_on"]) == (0, reason, {})
    assert rote.trained == []
    shown = json.loads((tmp_path / "metrics/cross_corpus.json").read_text())["pairs"]
    assert (shown["asked"], shown["reason"], shown["uar"]) == (0, reason, {})


def test_a_recording_that_two_corpora_share_stops_it(
    write_run: Write, rote: Rote, params: Params, tmp_path: Path
) -> None:
    write_run({"east": EMOTIONS[:6], "north": EMOTIONS[1:]})  # neither can be left out of training
    clips = pd.read_csv(tmp_path / "data/clips.csv", dtype=str, keep_default_na=False)
    twin = clips.loc[clips["clip"] == "north/sad_0", "sha256"].item()
    clips.loc[clips["clip"] == "east/sad_0", "sha256"] = twin
    clips.to_csv(tmp_path / "data/clips.csv", index=False)
    with pytest.raises(InputError, match=r"split with east alone: the same content in two roles: east/sad_0"):
        cross_corpus.main(params)
    assert rote.trained == []
