"""Every predictor has its own colour, the same in every chart, and legends are read row by row."""

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from deepemo.charts.predictors import ENSEMBLE_COLOUR, FAMILY_COLOURS, draw_legend, predictor_colours
from deepemo.charts.style import page_figure, styled
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


@styled
def with_legend(names: list[str]) -> Figure:
    figure = page_figure(3.0)
    axes = figure.subplots()
    for name in names:
        axes.plot([0, 1], [0, 1], label=name)
    draw_legend(figure, axes)
    figure.draw_without_rendering()
    return figure


def rows_of(figure: Figure) -> list[list[str]]:
    """The words of a figure's legend as they are drawn, row by row from the top, each from the left."""
    (legend,) = figure.legends
    rows: dict[int, list[tuple[float, str]]] = {}
    for text in legend.get_texts():
        box = text.get_window_extent()
        rows.setdefault(round(box.y0 / 5), []).append((box.x0, text.get_text()))
    return [[word for _, word in sorted(rows[height])] for height in sorted(rows, reverse=True)]


@pytest.mark.slow
@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("letters", [6, 30, 60])
def test_a_legend_is_read_row_by_row_and_is_no_wider_than_its_figure(count: int, letters: int) -> None:
    names = [f"{number} ".ljust(letters, "x") for number in range(count)]
    figure = with_legend(names)
    rows = rows_of(figure)
    assert [name for row in rows for name in row] == names
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
    lengths = {len(row) for row in rows[:-1]}
    assert len(lengths) <= 1, "all rows but the last are full"


def test_five_short_names_are_one_row_and_five_long_ones_two() -> None:
    short = ["shallow", "transfer", "speech", "ensemble", "chance"]
    assert rows_of(with_legend(short)) == [short]
    long = [f"{name} (confidence 0.54)" for name in short]
    assert rows_of(with_legend(long)) == [long[:3], long[3:]]
