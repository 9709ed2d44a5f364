"""Paired tests on predictors whose difference is known."""

import numpy as np
import pandas as pd
import pytest

from deepemo.emotions import EMOTIONS
from deepemo.evaluation.bootstrap import kinds_of
from deepemo.evaluation.comparison import Comparison, compare, mcnemar, swap
from deepemo.evaluation.groups import Resampling
from deepemo.evaluation.predictions import Predictions

TRUTH = np.arange(560) % 7
SPEAKERS = np.repeat(np.arange(8), 70)


def _compare(
    first: np.ndarray,
    second: np.ndarray,
    unit: str = "clip",
    speakers: np.ndarray = SPEAKERS,
    samples: int = 1000,
) -> Comparison:
    """Compare two predictors that are right where `first` and `second` say so, and otherwise name the next emotion."""
    clips = pd.DataFrame({"emotion": [EMOTIONS[label] for label in TRUTH], "speaker": speakers})
    answers = {"first": np.where(first, TRUTH, (TRUTH + 1) % 7), "second": np.where(second, TRUTH, (TRUTH + 1) % 7)}
    predictions = Predictions(clips, {name: np.eye(7)[values] for name, values in answers.items()}, EMOTIONS)
    return compare(predictions, "first", "second", Resampling(samples, 1, unit))


def test_a_clear_winner_is_found_and_the_sign_is_the_firsts() -> None:
    random = np.random.default_rng(0)
    better, worse = random.random(560) < 0.8, random.random(560) < 0.6
    found = _compare(better, worse)
    assert found.differences["accuracy"].value == pytest.approx(better.mean() - worse.mean())
    for difference in found.differences.values():
        assert 0 < difference.low < difference.value < difference.high
        assert difference.p < 0.01
    turned = _compare(worse, better)
    assert turned.differences["uar"].value == pytest.approx(-found.differences["uar"].value)
    assert turned.mcnemar.second_only == found.mcnemar.first_only


def test_pairing_sees_what_two_intervals_would_not() -> None:
    """Both predictors have the same luck, so differences vary far less than either figure."""
    right = np.random.default_rng(1).random(560) < 0.6
    better = right.copy()
    better[np.flatnonzero(~right)[:14]] = True
    found = _compare(better, right).differences["accuracy"]
    assert found.low > 0
    assert found.high - found.low < 0.04  # of either figure alone: 0.08
    assert found.p < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["clip", "speaker"])
def test_luck_is_called_luck_nineteen_times_of_twenty(unit: str) -> None:
    """Equal predictors; each speaker is biased towards one of them."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(200):
        bias = (random.normal(0, 0.1, 8) if unit == "speaker" else np.zeros(8))[SPEAKERS]
        found.append(_compare(random.random(560) < 0.6 + bias, random.random(560) < 0.6 - bias, unit, samples=200))
    wrongly_sure = np.mean([comparison.differences["accuracy"].p < 0.05 for comparison in found])
    assert wrongly_sure <= 0.085
    held = np.mean([found.differences["accuracy"].low <= 0 <= found.differences["accuracy"].high for found in found])
    assert held >= 0.9


def test_one_speakers_win_is_no_win_by_speaker() -> None:
    wins = np.zeros(560, dtype=bool)
    wins[SPEAKERS == 0] = True
    nothing = np.zeros(560, dtype=bool)
    assert _compare(wins, nothing, "clip").differences["accuracy"].p < 0.01
    by_speaker = _compare(wins, nothing, "speaker")
    assert by_speaker.resampled_by == "speaker"
    assert by_speaker.differences["accuracy"].p > 0.3
    assert by_speaker.differences["accuracy"].low == 0.0


def test_two_speakers_never_prove_anything() -> None:
    found = _compare(np.ones(560, dtype=bool), np.zeros(560, dtype=bool), "speaker", np.repeat([0, 1], 280))
    assert found.differences["uar"].value == 1.0
    assert found.differences["uar"].p == pytest.approx(0.5, abs=0.06)  # two of the four ways to swap


def test_equal_predictors_do_not_differ() -> None:
    found = _compare(np.ones(560, dtype=bool), np.ones(560, dtype=bool))
    difference = found.differences["uar"]
    assert (difference.value, difference.p) == (0.0, 1.0)
    assert np.isnan(difference.low)
    assert found.mcnemar.p == 1.0


def test_a_swap_moves_counts_and_loses_none() -> None:
    random = np.random.default_rng(5)
    ours, theirs = random.integers(0, 9, (6, 4)), random.integers(0, 9, (6, 4))
    swapped = swap(kinds_of(np.hstack([ours, theirs])), samples=300, seed=2)
    assert (swapped.sum(axis=1) == (ours + theirs).sum(axis=0)).all()
    possible = {
        tuple(np.where(np.array(choice)[:, None], theirs, ours).sum(axis=0)) for choice in np.ndindex(*(2,) * 6)
    }
    assert {tuple(row) for row in swapped[:, 0]} <= possible
    assert len({tuple(row) for row in swapped[:, 0]}) > 40  # of 64


def test_mcnemar_by_hand() -> None:
    labels = np.zeros(20, dtype=np.int64)
    first = np.array([0] * 10 + [1] * 10)
    second = np.array([0] * 2 + [1] * 8 + [0] + [1] * 9)
    found = mcnemar(labels, first, second)
    assert (found.first_only, found.second_only) == (8, 1)
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9)  # two tails of 1 or fewer of 9
