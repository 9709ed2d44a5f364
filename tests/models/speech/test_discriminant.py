"""The linear discriminant: the same as scikit-learn's, but from batches; it never gives an emotion it did not learn."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from deepemo.models.speech.discriminant import TEMPERATURE, linear_discriminant

WIDTH, CLASSES = 12, 4


def made(count: int = 600, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Clips of classes whose means differ, with correlations that all classes have."""
    random = np.random.default_rng(seed)
    labels = random.integers(CLASSES, size=count)
    mixing = np.random.default_rng(7).normal(size=(WIDTH, WIDTH))
    means = np.random.default_rng(8).normal(size=(CLASSES, WIDTH))
    return (means[labels] + random.normal(size=(count, WIDTH)) @ mixing).astype(np.float32), labels


@pytest.mark.parametrize("shrinkage", [0.05, 0.3, 1.0])
def test_it_is_that_of_scikit_learn_for_classes_of_equal_size(shrinkage: float) -> None:
    values, labels = made()
    kept = np.concatenate([np.flatnonzero(labels == label)[:100] for label in range(CLASSES)])
    values, labels = values[kept], labels[kept]
    kernel, bias = linear_discriminant([(values, labels)], width=WIDTH, classes=CLASSES, shrinkage=shrinkage)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(values.astype(np.float64), labels)
    ours, expected = TEMPERATURE * (values @ kernel + bias), theirs.decision_function(values)
    ours -= ours.mean(axis=1, keepdims=True)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


def test_batches_are_as_good_as_all_at_once() -> None:
    values, labels = made()
    whole = linear_discriminant([(values, labels)], width=WIDTH, classes=CLASSES, shrinkage=0.3)
    parts = linear_discriminant(
        zip(np.split(values, 6), np.split(labels, 6), strict=True), width=WIDTH, classes=CLASSES, shrinkage=0.3
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_it_names_clips_that_it_did_not_learn() -> None:
    kernel, bias = linear_discriminant([made()], width=WIDTH, classes=CLASSES, shrinkage=0.05)
    values, labels = made(seed=2)
    right = ((values @ kernel + bias).argmax(axis=1) == labels).mean()
    moved, _ = linear_discriminant([made()], width=WIDTH, classes=CLASSES, shrinkage=1.0)
    assert right > 0.8
    assert np.abs(kernel).max() > 2 * np.abs(moved).max(), "what is alike within classes counts more"


def test_a_class_without_clips_is_never_the_likeliest() -> None:
    values, labels = made()
    kept = labels != 2
    kernel, bias = linear_discriminant([(values[kept], labels[kept])], width=WIDTH, classes=CLASSES, shrinkage=0.3)
    logits = 100.0 * values @ kernel + bias
    assert not (logits.argmax(axis=1) == 2).any()
    assert np.isfinite(kernel).all()


def test_more_clips_of_one_class_do_not_make_it_likelier() -> None:
    values, labels = made(4000)
    few = np.concatenate([np.flatnonzero(labels == 0), *(np.flatnonzero(labels == label)[:50] for label in (1, 2, 3))])
    kernel, bias = linear_discriminant([(values[few], labels[few])], width=WIDTH, classes=CLASSES, shrinkage=0.05)
    judged, actual = made(seed=3)
    named = (judged @ kernel + bias).argmax(axis=1)
    assert 0.6 < (named == 0).mean() / (actual == 0).mean() < 1.5
