"""Every predictor has its own colour, the same in every chart."""

from itertools import pairwise

import pytest

from deepemo.charts.predictors import ENSEMBLE_COLOUR, FAMILY_COLOURS, predictor_colours
from deepemo.evaluation.predictions import ENSEMBLE


def test_the_colour_does_not_depend_on_the_other_predictors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepemo.charts.predictors.family_names", lambda: ("first", "second", "third"))
    names = ["first", "second", "third", ENSEMBLE]
    together = predictor_colours(names)
    assert len(set(together.values())) == len(names)
    for name in names:
        assert predictor_colours([name]) == {name: together[name]}
    assert list(predictor_colours(reversed(names))) == names[::-1]


def test_any_number_of_predictors_is_coloured() -> None:
    names = [f"model_{number:02d}" for number in range(20)]
    colours = predictor_colours([*names, ENSEMBLE])
    assert list(colours) == [*names, ENSEMBLE]
    assert {colours[name] for name in names} == set(FAMILY_COLOURS)
    assert all(colours[first] != colours[second] for first, second in pairwise(names))


def test_no_family_looks_like_the_ensemble() -> None:
    assert len({*FAMILY_COLOURS, ENSEMBLE_COLOUR}) == len(FAMILY_COLOURS) + 1
