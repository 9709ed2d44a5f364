"""Intervals that contain the true value as often as stated."""

import tracemalloc

import numpy as np
import pytest

from deepemo.evaluation import bootstrap
from deepemo.evaluation.comparison import swap


def _interval(right: np.ndarray, units: np.ndarray, samples: int = 400) -> np.ndarray:
    counts = bootstrap.unit_counts(right.astype(np.int64), units, 2)
    drawn = bootstrap.resample(bootstrap.kinds_of(counts), samples=samples, seed=3)
    return bootstrap.interval(drawn[:, 1] / drawn.sum(axis=1), len(counts))


def by_speaker(right: np.ndarray, speakers: np.ndarray) -> bootstrap.Kinds:
    return bootstrap.kinds_of(bootstrap.unit_counts(right, speakers, 2))


def test_counts_of_each_unit() -> None:
    counts = bootstrap.unit_counts(np.array([0, 1, 1, 2]), np.array(["b", "a", "b", "b"]), 3)
    assert counts.tolist() == [[0, 1, 0], [1, 1, 1]]


def test_a_resample_has_as_many_units_and_their_mean_is_the_whole() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (30, 4))
    kinds = bootstrap.kinds_of(np.hstack([counts, np.ones((30, 1), dtype=np.int64)]))
    drawn = bootstrap.resample(kinds, samples=4000, seed=1)
    assert (drawn[:, -1] == 30).all()
    assert drawn[:, :-1].mean(axis=0) == pytest.approx(counts.sum(axis=0), rel=0.02)


def test_merging_like_units_leaves_the_spread_as_drawing_each_would() -> None:
    right = np.array([1] * 70 + [0] * 30)
    drawn = bootstrap.resample(bootstrap.kinds_of_clips([right], 2), samples=20000, seed=1)
    assert (drawn[:, 1] / 100).std() == pytest.approx(np.sqrt(0.7 * 0.3 / 100), rel=0.03)


@pytest.mark.parametrize("predictors", [1, 2])
def test_kinds_of_clips_are_those_of_a_row_for_each_clip(predictors: int) -> None:
    cells = list(np.random.default_rng(4).integers(0, 9, (predictors, 60)))
    rows = np.hstack([bootstrap.unit_counts(each, np.arange(60), each.max() + 1) for each in cells])
    assert rows.shape == (60, 9 * predictors)
    expected, found = bootstrap.kinds_of(rows), bootstrap.kinds_of_clips(cells, 9)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.frequencies, expected.frequencies)
    assert (found.units, found.total.tolist()) == (60, rows.sum(axis=0).tolist())


def test_kinds_of_clips_hold_no_row_for_each_clip() -> None:
    cells = [np.random.default_rng(seed).integers(0, 49, 100_000) for seed in (1, 2)]
    tracemalloc.start()
    kinds = bootstrap.kinds_of_clips(cells, 49)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kinds.units == 100_000
    assert peak < 8_000_000  # rows of 98 numbers would take 78 MB


def test_draws_in_parts_are_those_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = bootstrap.kinds_of(np.random.default_rng(2).integers(0, 99, (40, 4)))
    draws = np.random.default_rng(7).multinomial(40, kinds.frequencies / 40, size=100)
    swaps = np.random.default_rng(7).binomial(kinds.frequencies, 0.5, size=(100, 40))
    monkeypatch.setattr(bootstrap, "_DRAWN_TOGETHER", 7 * 40)
    assert list(bootstrap.in_parts(100, 40)) == [7] * 14 + [2]
    np.testing.assert_array_equal(bootstrap.resample(kinds, samples=100, seed=7), draws @ kinds.counts)
    moved = swaps @ (kinds.counts[:, 2:] - kinds.counts[:, :2])
    np.testing.assert_array_equal(swap(kinds, samples=100, seed=7)[:, 0], kinds.total[:2] + moved)


def test_the_same_seed_draws_the_same() -> None:
    kinds = bootstrap.kinds_of(np.arange(12).reshape(6, 2))
    first, again = (bootstrap.resample(kinds, samples=50, seed=5) for _ in range(2))
    other = bootstrap.resample(kinds, samples=50, seed=6)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.5, 0.8])
def test_interval_holds_the_truth_of_a_binomial_nineteen_times_of_twenty(truth: float) -> None:
    random = np.random.default_rng(11)
    held = 0
    for _ in range(600):
        low, high = _interval(random.random(80) < truth, np.arange(80))
        held += low <= truth <= high
    assert 0.92 <= held / 600 <= 0.98


@pytest.mark.slow
def test_clips_of_one_voice_need_a_bootstrap_by_speaker() -> None:
    """Speakers differ, so drawing clips as if they were independent gives far too narrow intervals."""
    random = np.random.default_rng(12)
    speakers = np.repeat(np.arange(10), 40)
    by_speaker, by_clip = 0, 0
    for _ in range(400):
        skill = np.clip(random.normal(0.6, 0.12, 10), 0, 1)
        right = random.random(400) < skill[speakers]
        low, high = _interval(right, speakers)
        by_speaker += low <= 0.6 <= high
        low, high = _interval(right, np.arange(400))
        by_clip += low <= 0.6 <= high
    assert by_speaker / 400 >= 0.91
    assert by_clip / 400 <= 0.8


def test_nothing_is_said_of_fewer_than_two_units_or_of_what_never_varies() -> None:
    varying = np.linspace(0, 1, 100)
    assert np.isnan(bootstrap.interval(varying, 1)).all()
    both = bootstrap.interval(np.column_stack([varying, np.ones(100)]), 50)
    assert np.isnan(both[:, 1]).all()
    assert not np.isnan(both[:, 0]).any()


def test_few_units_give_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(size=10000)
    low, high = bootstrap.interval(values, 5)
    assert bootstrap.interval(values, 10**6) == pytest.approx([-1.96, 1.96], abs=0.06)
    assert high - low > 1.5 * 2 * 1.96


def test_resamples_without_a_value_are_left_out() -> None:
    values = np.array([np.nan, *np.linspace(0, 1, 1001)])
    assert bootstrap.interval(values, 10**6) == pytest.approx([0.025, 0.975], abs=1e-3)


def test_speakers_that_fare_alike_by_luck_promise_nothing() -> None:
    right = np.tile([1, 1, 1, 0], 20)
    kinds = {
        "speaker": by_speaker(right, np.repeat([0, 1], 40)),  # both right in three of four
        "clip": bootstrap.kinds_of_clips([right], 2),
    }
    drawn = bootstrap.draw_widest(kinds, lambda drawn: drawn[:, 1] / drawn.sum(axis=1), samples=500, seed=0)
    assert (drawn.unit, drawn.units) == ("clip", 80)
    low, high = drawn.interval(lambda drawn: drawn[:, 1] / drawn.sum(axis=1))
    assert low < 0.7
    assert high > 0.8


def test_speakers_that_differ_are_drawn_as_speakers() -> None:
    right = np.repeat([1, 0, 1, 0, 1], 20)
    kinds = {
        "clip": bootstrap.kinds_of_clips([right], 2),
        "speaker": by_speaker(right, np.repeat(np.arange(5), 20)),
    }
    drawn = bootstrap.draw_widest(kinds, lambda drawn: drawn[:, 1] / drawn.sum(axis=1), samples=500, seed=0)
    assert (drawn.unit, drawn.units) == ("speaker", 5)
