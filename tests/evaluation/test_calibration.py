"""Temperatures that are known beforehand, and calibration errors worked out by hand."""

import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.evaluation.calibration import fit_temperature, negative_log_likelihood, reliability, scale, softmax


def _drawn(clips: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that a network of this temperature would give, and labels drawn from the right ones."""
    random = np.random.default_rng(4)
    logits = random.normal(scale=1.5, size=(clips, 7))
    labels = np.array([random.choice(7, p=row) for row in softmax(logits)])
    return softmax(logits * temperature), labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_finds_the_temperature_that_was_put_in(temperature: float) -> None:
    probabilities, labels = _drawn(6000, temperature)
    assert fit_temperature(probabilities, labels) == pytest.approx(temperature, rel=0.06)


def test_no_other_temperature_is_likelier() -> None:
    probabilities, labels = _drawn(500, 3.0)
    best = negative_log_likelihood(scale(probabilities, fit_temperature(probabilities, labels)), labels)
    for temperature in np.geomspace(0.1, 10, 200):
        assert best <= negative_log_likelihood(scale(probabilities, temperature), labels) + 1e-9


def test_calibration_brings_confidence_and_accuracy_together() -> None:
    probabilities, labels = _drawn(6000, 3.0)
    calibrated = scale(probabilities, fit_temperature(probabilities, labels))
    assert reliability(probabilities, labels).ece > 0.15
    assert reliability(calibrated, labels).ece < 0.02


def test_scale_is_softmax_of_logits_over_temperature_and_keeps_answers() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7))
    scaled = scale(softmax(logits), 1.7)
    assert scaled == pytest.approx(softmax(logits / 1.7))
    assert np.array_equal(scaled.argmax(axis=1), logits.argmax(axis=1))


def test_a_probability_of_zero_stays_finite() -> None:
    sure = np.eye(7)[[0, 1]]
    assert np.isfinite(scale(sure, 2.0)).all()
    assert np.isfinite(negative_log_likelihood(sure, np.array([3, 3])))


def test_ece_by_hand() -> None:
    # Four answers of 0.9 with three right, one of 0.6 that is right: (4 * |0.9 - 0.75| + 1 * |0.6 - 1|) / 5.
    top = np.array([0.9, 0.9, 0.9, 0.9, 0.6])
    probabilities = np.column_stack([top, 1 - top, *np.zeros((5, 5))])
    found = reliability(probabilities, np.array([0, 0, 0, 1, 0]), bins=10)
    assert found.ece == pytest.approx((4 * 0.15 + 0.4) / 5)
    assert found.clips.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 4, 0]
    assert found.accuracy[8] == pytest.approx(0.75)
    assert np.isnan(found.accuracy[0])


def test_certainty_falls_into_the_last_bin() -> None:
    assert reliability(np.eye(7), np.arange(7), bins=15).clips[-1] == 7


def test_without_clips_there_is_nothing_to_fit() -> None:
    with pytest.raises(InputError, match="validation"):
        fit_temperature(np.empty((0, 7)), np.empty(0, dtype=np.int64))
