from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepemo.eda.recommend import (
    Recommendation,
    holding,
    measure_coverage,
    quantiles,
    reached_by,
    recommend,
    round_up,
    warn_if_far,
)
from deepemo.errors import InputError
from deepemo.params import Featurize
from deepemo.pipeline import load_params


def table(*rows: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["emotion", "rate_hz", "seconds"])


CLIPS = table(
    *[("angry", 16000, 1.0 + number / 10) for number in range(5)],
    *[("angry", 48000, 2.0) for _ in range(5)],
    *[("sad", 44100, 3.0 + number / 10) for number in range(8)],
    *[("sad", 22050, 9.0) for _ in range(2)],
)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_the_quantiles_hold_their_share_and_no_better_value_does(values: list[int], share: float) -> None:
    found = np.array(values)
    high, low = reached_by(values, share), holding(values, share)
    assert np.mean(found >= high) >= share - 1e-9
    assert np.mean(found <= low) >= share - 1e-9
    if (higher := found[found > high]).size:
        assert np.mean(found >= higher.min()) < share
    if (lower := found[found < low]).size:
        assert np.mean(found <= lower.max()) < share


def test_exact_shares_are_not_missed_by_rounding() -> None:
    values = list(range(1, 11))
    for tenths in range(1, 11):
        assert holding(values, tenths / 10) == tenths
        assert reached_by(values, tenths / 10) == 11 - tenths


def test_the_rate_is_the_lowest_of_the_classes_and_the_length_the_longest() -> None:
    assert recommend(CLIPS, 0.5) == Recommendation(coverage=0.5, sample_rate_hz=44100, clip_seconds=3.4)
    assert recommend(CLIPS, 0.8) == Recommendation(coverage=0.8, sample_rate_hz=16000, clip_seconds=3.7)
    assert recommend(CLIPS, 0.9) == Recommendation(coverage=0.9, sample_rate_hz=16000, clip_seconds=9.0)


def test_a_recommendation_holds_what_it_promises() -> None:
    for coverage in (0.3, 0.5, 0.8, 0.95):
        found = recommend(CLIPS, coverage)
        reached = measure_coverage(CLIPS, sample_rate_hz=found.sample_rate_hz, clip_seconds=found.clip_seconds)
        assert reached.least_native_share >= coverage
        assert reached.least_held_share >= coverage
        assert found.frames == pytest.approx(found.sample_rate_hz * found.clip_seconds, abs=0.5)


def test_the_table_has_a_row_a_class_and_coverage() -> None:
    found = quantiles(CLIPS, (0.5, 1.0))
    assert found[["emotion", "coverage", "clips"]].to_numpy().tolist() == [
        ["angry", 0.5, 10], ["angry", 1.0, 10], ["sad", 0.5, 10], ["sad", 1.0, 10],
    ]  # fmt: skip
    assert found["sample_rate_hz"].tolist() == [48000, 16000, 44100, 22050]
    assert found["frames"].tolist() == [48000 * 14 // 10, 32000, 149940, 198450]


def test_no_clip_of_an_emotion_is_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="no good clip"):
        recommend(table(("calm", 16000, 1.0)), 0.8)


def test_lengths_are_rounded_up_but_not_past_themselves() -> None:
    assert [round_up(seconds) for seconds in (2.4, 2.41, 3.0, 2.9999999)] == [2.4, 2.5, 3.0, 3.0]


RECOMMENDED = recommend(CLIPS, 0.8)


def featurize(sample_rate_hz: int, clip_seconds: float) -> Featurize:
    section = load_params(Path(__file__).parents[2] / "params.yaml").featurize
    return section.model_copy(update={"sample_rate_hz": sample_rate_hz, "clip_seconds": clip_seconds})


@pytest.mark.parametrize(
    ("sample_rate_hz", "clip_seconds", "expected"),
    [
        (16000, 3.7, []),
        (16000, 4.5, []),
        (44100, 3.7, ["featurize.sample_rate_hz 44100: only 65% of the clips reach it"]),
        (6000, 3.7, ["featurize.sample_rate_hz 6000: 16000 Hz is recommended"]),
        (16000, 1.5, ["featurize.clip_seconds 1.5: holds 25% of the clips whole before trimming, and 0% in one class"]),
        (16000, 6.0, ["featurize.clip_seconds 6: most of a clip will be padding"]),
        (48000, 0.5, ["featurize.sample_rate_hz 48000", "featurize.clip_seconds 0.5"]),
    ],
)
def test_only_a_choice_far_off_is_warned_of(sample_rate_hz: int, clip_seconds: float, expected: list[str]) -> None:
    found = warn_if_far(CLIPS, RECOMMENDED, featurize(sample_rate_hz, clip_seconds))
    assert len(found) == len(expected)
    assert all(warning.startswith(start) for warning, start in zip(found, expected, strict=True))
