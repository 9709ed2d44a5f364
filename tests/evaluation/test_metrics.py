"""Scores against scikit-learn's, and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from deepemo.evaluation import metrics as scores


@pytest.fixture(params=range(5))
def answers(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(request.param)
    labels = random.integers(0, 7, 200)
    return labels, np.where(random.random(200) < 0.6, labels, random.integers(0, 7, 200))


def test_agree_with_scikit_learn(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, predicted = answers
    counts = scores.confusion(labels, predicted, 7)
    assert np.array_equal(counts, metrics.confusion_matrix(labels, predicted, labels=range(7)))
    assert scores.accuracy(counts) == pytest.approx(metrics.accuracy_score(labels, predicted))
    assert scores.uar(counts) == pytest.approx(metrics.balanced_accuracy_score(labels, predicted))
    assert scores.macro_f1(counts) == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(labels, predicted, zero_division=np.nan)
    assert scores.precisions(counts) == pytest.approx(precision, nan_ok=True)
    assert scores.recalls(counts) == pytest.approx(recall)
    assert scores.f1_scores(counts) == pytest.approx(f1)


def test_a_class_without_clips_is_left_out_of_the_means() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 6, 1, 1])
    counts = scores.confusion(labels, predicted, 7)
    assert np.isnan(scores.recalls(counts)[2:]).all()
    assert scores.uar(counts) == pytest.approx((0.5 + 1.0) / 2)
    expected = metrics.f1_score(labels, predicted, labels=[0, 1], average="macro")
    assert scores.macro_f1(counts) == pytest.approx(expected)


def test_one_answer_for_all_has_the_uar_of_chance() -> None:
    labels = np.repeat(np.arange(7), [50, 1, 1, 1, 1, 1, 1])
    counts = scores.confusion(labels, np.zeros_like(labels), 7)
    assert scores.uar(counts) == pytest.approx(1 / 7)
    assert scores.accuracy(counts) == pytest.approx(50 / 56)


def test_many_matrices_at_once_give_what_each_gives_alone(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, predicted = answers
    halves = [scores.confusion(labels[part], predicted[part], 7) for part in (slice(0, 100), slice(100, 200))]
    for figure in scores.HEADLINES.values():
        assert figure(np.stack(halves)) == pytest.approx(np.array([float(figure(half)) for half in halves]))


def test_nothing_gives_no_figure() -> None:
    empty = np.zeros((7, 7), dtype=np.int64)
    assert all(np.isnan(figure(empty)) for figure in scores.HEADLINES.values())
