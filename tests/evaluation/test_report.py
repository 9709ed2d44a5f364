"""The whole report, on made-up predictions whose figures scikit-learn can compute too."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score

from deepemo.emotions import EMOTIONS, Emotions
from deepemo.evaluation.files import confusion_table, details, headlines, write_details
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.report import Evaluation

Evaluated = Callable[[Predictions], Evaluation]


@pytest.fixture(scope="module")
def evaluation(made_evaluation: Evaluation) -> Evaluation:
    return made_evaluation


@pytest.mark.parametrize(("role", "name"), [("test_seen", "seen_speakers"), ("test_unseen", "unseen_speakers")])
@pytest.mark.parametrize("predictor", ["shallow", "transfer", "ensemble"])
def test_headlines_are_those_of_scikit_learn(
    made_predictions: Predictions, evaluation: Evaluation, role: str, name: str, predictor: str
) -> None:
    chosen = made_predictions.where("role", role)
    labels, answers = chosen.labels, chosen.answers(predictor)
    expected = {
        "accuracy": round((labels == answers).mean(), 4),
        "uar": round(balanced_accuracy_score(labels, answers), 4),
        "macro_f1": round(f1_score(labels, answers, labels=np.unique(labels), average="macro"), 4),
        "clips": len(chosen),
    }
    assert headlines(evaluation)[predictor][name] == expected


def test_a_corpus_without_an_emotion_is_scored_on_those_it_has(
    made_predictions: Predictions, evaluation: Evaluation
) -> None:
    north = made_predictions.where("role", "test_unseen").where("corpus", "north")
    report = evaluation.roles["unseen_speakers"].predictors["shallow"].corpora["north"]
    assert "surprise" not in report.emotions
    answers = north.answers("shallow")
    assert (answers == EMOTIONS.index("surprise")).any()  # an answer that no clip of this corpus can make right
    recalls = [(answers[north.labels == label] == label).mean() for label in range(6)]
    assert report.uar.value == pytest.approx(np.mean(recalls))


def test_every_figure_lies_in_its_interval(evaluation: Evaluation) -> None:
    for role in evaluation.roles.values():
        for report in role.predictors.values():
            groups = [report.overall, *report.corpora.values(), *report.genders.values()]
            for estimate in (getattr(group, figure) for group in groups for figure in ("accuracy", "uar", "macro_f1")):
                if estimate.value < 1:
                    assert estimate.low < estimate.high
                    assert estimate.low <= estimate.value <= estimate.high
                else:
                    assert np.isnan(estimate.low)


def test_precision_of_an_emotion(made_predictions: Predictions, evaluation: Evaluation) -> None:
    chosen = made_predictions.where("role", "test_seen")
    expected = precision_score(
        chosen.labels, chosen.answers("transfer"), labels=[EMOTIONS.index("fear")], average="macro"
    )
    found = evaluation.roles["seen_speakers"].predictors["transfer"].overall.emotions["fear"]
    assert found.precision.value == pytest.approx(expected)
    assert found.clips == (chosen.labels == EMOTIONS.index("fear")).sum()


def test_unseen_speakers_are_drawn_as_speakers_and_one_alone_by_clip(evaluation: Evaluation) -> None:
    unseen = evaluation.roles["unseen_speakers"].predictors["shallow"]
    assert (unseen.overall.resampled_by, unseen.overall.units) == ("speaker", 4)
    assert (unseen.corpora["south"].speakers, unseen.corpora["south"].resampled_by) == (1, "clip")
    assert evaluation.roles["seen_speakers"].predictors["shallow"].overall.resampled_by == "clip"


def test_the_gap_is_seen_minus_unseen(evaluation: Evaluation) -> None:
    seen, unseen = (
        evaluation.roles[role].predictors["shallow"].overall for role in ("seen_speakers", "unseen_speakers")
    )
    gap = evaluation.gaps["shallow"]["uar"]
    assert gap.value == pytest.approx(seen.uar.value - unseen.uar.value)
    assert gap.low < gap.value < gap.high
    assert gap.high - gap.low > unseen.uar.high - unseen.uar.low  # the spread of both
    assert set(evaluation.corpus_gaps["shallow"]) == {"north", "south"}


def test_the_better_predictor_wins_the_comparison(evaluation: Evaluation) -> None:
    pairs = {(found.first, found.second): found for found in evaluation.roles["seen_speakers"].comparisons}
    assert set(pairs) == {("transfer", "shallow"), ("ensemble", "shallow"), ("ensemble", "transfer")}
    lost = pairs["transfer", "shallow"]
    assert lost.differences["uar"].high < 0
    assert lost.mcnemar.p < 0.05


def test_confused_and_speakers_come_worst_first(evaluation: Evaluation) -> None:
    report = evaluation.roles["unseen_speakers"].predictors["transfer"]
    shares = [mistake.share for mistake in report.confused]
    assert shares == sorted(shares, reverse=True)
    first = report.confused[0]
    assert first.clips == report.overall.counts[EMOTIONS.index(first.actual), EMOTIONS.index(first.predicted)]
    accuracies = [accuracy for _, accuracy in report.speakers.values()]
    assert accuracies == sorted(accuracies)
    assert sum(clips for clips, _ in report.speakers.values()) == report.overall.clips


def test_the_majority_baseline_is_one_emotion_for_all(evaluation: Evaluation, made_predictions: Predictions) -> None:
    chosen = made_predictions.where("role", "test_seen")
    majority = evaluation.roles["seen_speakers"].majority
    assert majority["accuracy"] == pytest.approx((chosen.labels == EMOTIONS.index("angry")).mean())
    assert majority["uar"] == pytest.approx(1 / 7)


@pytest.mark.slow
def test_a_held_out_corpus_is_a_role_of_its_own(made_predictions: Predictions, evaluated: Evaluated) -> None:
    clips = made_predictions.clips.copy()
    clips.loc[clips["corpus"] == "south", "role"] = "test_corpus"
    found = evaluated(Predictions(clips, made_predictions.probabilities, EMOTIONS))
    assert set(found.roles) == {"seen_speakers", "unseen_speakers", "unseen_corpus"}
    assert found.roles["unseen_corpus"].predictors["shallow"].overall.speakers == 2
    assert headlines(found)["ensemble"]["unseen_corpus"]["clips"] == found.roles["unseen_corpus"].clips


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(
    tmp_path: Path, made_predictions: Predictions, evaluated: Evaluated
) -> None:
    for name in ("first.json", "second.json"):
        write_details(tmp_path / name, evaluated(made_predictions))
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


def test_files_hold_plain_json(tmp_path: Path, evaluation: Evaluation) -> None:
    write_details(tmp_path / "details.json", evaluation)
    assert json.loads((tmp_path / "details.json").read_text()) == details(evaluation)
    assert json.loads(json.dumps(headlines(evaluation), allow_nan=False)) == headlines(evaluation)
    unseen = details(evaluation)["roles"]["unseen_speakers"]["predictors"]["shallow"]
    low, high = unseen["uar_ci95"]
    assert low <= unseen["uar"] <= high
    assert '"uar_ci95": [0.' in (tmp_path / "details.json").read_text()


def test_confidence_reaches_the_wanted_accuracy_on_validation(evaluation: Evaluation) -> None:
    assert set(evaluation.confidences) == {"shallow", "transfer", "ensemble"}
    for kept in evaluation.confidences.values():
        assert kept.temperature > 0
        assert 0 < kept.threshold <= 1
        assert kept.wanted_accuracy == 0.8
        assert kept.validation.accuracy is not None
        assert kept.validation.accuracy >= 0.8


def test_the_predictor_to_use_is_chosen_on_validation(made_predictions: Predictions, evaluation: Evaluation) -> None:
    validation = made_predictions.where("role", "validation")
    uars = {
        name: balanced_accuracy_score(validation.labels, validation.answers(name)) for name in validation.predictors
    }
    assert evaluation.validation_uar == pytest.approx(uars)
    assert evaluation.chosen == max(uars, key=uars.get)


def test_without_never_heard_speakers_there_is_no_gap(made_predictions: Predictions, evaluated: Evaluated) -> None:
    chosen = (made_predictions.clips["role"] != "test_unseen").to_numpy()
    probabilities = {name: values[chosen] for name, values in made_predictions.probabilities.items()}
    found = evaluated(Predictions(made_predictions.clips[chosen].reset_index(drop=True), probabilities, EMOTIONS))
    assert set(found.roles) == {"seen_speakers"}
    assert found.gaps == {}
    assert "seen_minus_unseen" not in headlines(found)["shallow"]


def test_a_run_of_four_emotions_is_judged_among_four(
    made_predictions: Predictions,
    among: Callable[[Predictions, Emotions], Predictions],
    evaluated: Callable[..., Evaluation],
) -> None:
    four = ("angry", "fear", "sad", "surprise")
    found = evaluated(among(made_predictions, four), left_out=False)
    assert (found.emotions, found.chance) == (four, 0.25)
    assert headlines(found)["chance"] == {"accuracy": 0.25, "uar": 0.25}
    report = found.roles["unseen_speakers"].predictors["ensemble"]
    assert report.overall.counts.shape == (4, 4)
    assert report.corpora["north"].missing == ["surprise"]
    assert set(report.overall.emotions) == set(four)
    assert {emotion for one in report.confused for emotion in (one.actual, one.predicted)} <= set(four)
    table = confusion_table(report.overall.counts, four)
    assert table["actual"].tolist() == [emotion for emotion in four for _ in four]
    chosen = among(made_predictions, four).where("role", "test_unseen")
    shares = table.set_index(["actual", "predicted"])["clips"]
    assert shares["fear"].sum() == (chosen.clips["emotion"] == "fear").sum()
