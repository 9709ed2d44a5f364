"""Pictures of the evaluation show the measured figures."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from deepemo.charts.confidence import draw_reliability, draw_risk_coverage
from deepemo.charts.cross_corpus import draw_cross_corpus, draw_pairs
from deepemo.charts.evaluation import (
    draw_all,
    draw_class_recall,
    draw_confusion,
    draw_gap,
    draw_groups,
    draw_learning_curves,
)
from deepemo.emotions import EMOTIONS, Emotions
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.report import SEEN, UNSEEN, Evaluation
from tests.fixtures.pairs import Pairs

pytestmark = pytest.mark.slow


def _history(uars: list[float], phases: list[str] | None = None) -> pd.DataFrame:
    """A history with these UARs. A higher UAR has a lower loss, except in the last epoch, whose loss is the lowest."""
    losses = [1.0 - uar for uar in uars[:-1]] + [0.05]
    table = pd.DataFrame({"epoch": range(1, len(uars) + 1), "val_uar": uars, "val_loss": losses})
    for column in ("loss", "accuracy", "val_accuracy"):
        table[column] = 0.5
    return table if phases is None else table.assign(phase=phases)


HISTORIES = {"shallow": _history([0.2, 0.6, 0.5]), "transfer": _history([0.4, 0.3])}


def _labels(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def test_confusion_has_recall_in_its_cells_and_emotions_in_order(made_evaluation: Evaluation) -> None:
    figure = draw_confusion(made_evaluation, "shallow")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(EMOTIONS)
    assert [label.get_text() for label in axes.get_xticklabels()] == list(EMOTIONS)
    counts = made_evaluation.roles[SEEN].predictors["shallow"].overall.counts
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == f"{100 * counts[0, 0] / counts[0].sum():.0f}"
    assert texts[1] == str(counts[0, 0])
    assert len(texts) == 2 * 49
    assert len(figure.axes) == 2


@pytest.mark.slow
def test_an_emotion_without_clips_has_empty_cells(
    made_predictions: Predictions, evaluated: Callable[[Predictions], Evaluation]
) -> None:
    axes = draw_confusion(evaluated(made_predictions.where("corpus", "north")), "shallow").axes[0]
    assert len(axes.texts) == 2 * 42
    assert [label.get_text() for label in axes.get_yticklabels()] == list(EMOTIONS)


def test_recall_of_each_predictor_stands_where_it_was_measured(made_evaluation: Evaluation) -> None:
    axes = draw_class_recall(made_evaluation).axes[1]
    dots = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata())]
    expected = [
        found.recall.value
        for report in made_evaluation.roles[UNSEEN].predictors.values()
        for found in report.overall.emotions.values()
    ]
    assert dots == pytest.approx(expected)


def test_groups_name_corpora_and_genders_with_their_sizes(made_evaluation: Evaluation) -> None:
    axes = draw_groups(made_evaluation).axes[1]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "all\n250 clips, 4 speakers"
    assert "south, male\n70 clips, 1 speaker" in names


def test_the_gap_is_in_the_title(made_evaluation: Evaluation) -> None:
    gap = made_evaluation.gaps["transfer"]["uar"].value
    assert f"transfer: {100 * gap:+.1f} points" in _labels(draw_gap(made_evaluation))[1]


def test_reliability_shows_the_errors_before_and_after(made_evaluation: Evaluation) -> None:
    report = made_evaluation.roles[SEEN].predictors["shallow"].confidence
    labels = [text.get_text() for text in draw_reliability(made_evaluation).axes[0].get_legend().get_texts()]
    assert f"as given, ECE {100 * report.before.ece:.1f} %" in labels
    assert any(label.endswith(f"ECE {100 * report.after.ece:.1f} %") for label in labels[1:])


def test_risk_coverage_ends_at_the_accuracy_of_all(made_evaluation: Evaluation) -> None:
    axes = draw_risk_coverage(made_evaluation).axes[0]
    curve = axes.lines[0]
    overall = made_evaluation.roles[SEEN].predictors["shallow"].overall
    assert (curve.get_xdata()[-1], curve.get_ydata()[-1]) == pytest.approx((1.0, overall.accuracy.value))


def test_learning_curves_mark_the_epoch_that_was_kept() -> None:
    axes = draw_learning_curves(HISTORIES).axes[1]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(3, 0.5), (2, 0.3)]


def test_after_fine_tuning_the_kept_epoch_is_of_its_phase() -> None:
    history = _history([0.9, 0.3, 0.5], ["head", "finetune", "finetune"]).assign(val_loss=[0.1, 0.9, 0.5])
    axes = draw_learning_curves({"transfer": history}).axes[1]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(3, 0.5)]
    assert any("finetune starts" in str(line.get_label()) for line in axes.lines)


DRAWN = [draw_class_recall, draw_groups, draw_risk_coverage, lambda found: draw_cross_corpus(found.cross_corpus)]


@pytest.mark.parametrize("draw", DRAWN)
def test_legends_name_the_predictors_in_their_order_and_hide_nothing(
    made_evaluation: Evaluation, draw: Callable[[Evaluation], Figure]
) -> None:
    figure = draw(made_evaluation)
    figure.draw_without_rendering()
    (legend,) = figure.legends or [figure.axes[0].get_legend()]
    boxes = {text.get_text(): text.get_window_extent() for text in legend.get_texts()}
    read = sorted(boxes, key=lambda word: (-round(boxes[word].y0 / 5), boxes[word].x0))
    assert read == figure.axes[0].get_legend_handles_labels()[1]
    whole = legend.get_window_extent()
    assert 0 <= whole.x0 < whole.x1 <= figure.bbox.width
    others = [figure._suptitle, figure._supxlabel, *(axes.xaxis.label for axes in figure.axes)]
    others += [axes.patch for axes in figure.axes]
    assert not any(other.get_window_extent().overlaps(whole) for other in others if other is not None)


@pytest.mark.slow
def test_all_charts_are_the_same_bytes_every_time(
    tmp_path: Path, made_evaluation: Evaluation, made_pairs: Callable[..., Pairs]
) -> None:
    for folder in ("first", "second"):
        draw_all(tmp_path / folder, made_evaluation, HISTORIES, made_pairs())
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert len(names) == 3 + 8
    for name in names:
        content = (tmp_path / "first" / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert content == (tmp_path / "second" / name).read_bytes()


def test_each_corpus_never_heard_stands_beside_chance_and_the_mean(made_evaluation: Evaluation) -> None:
    summary = made_evaluation.cross_corpus
    axes = draw_cross_corpus(summary).axes[0]
    names = [label.get_text().split("\n")[0] for label in axes.get_xticklabels()]
    assert names == ["east", "north", "south", "mean over"]
    dots = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o" and len(line.get_ydata())]
    expected = [corpus["predictors"][name]["uar"] for name in summary["mean"] for corpus in summary["corpora"].values()]
    assert dots == pytest.approx(expected)
    means = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "D"]
    assert means == pytest.approx([mean["uar"] for mean in summary["mean"].values()])
    chance = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert chance == pytest.approx([1 / 6, 1 / 6, 1 / 7, (2 / 6 + 1 / 7) / 3], abs=1e-4)


def test_each_cell_of_the_pairs_is_the_measured_uar(made_pairs: Callable[..., Pairs]) -> None:
    pairs = made_pairs()
    figure = draw_pairs(pairs)
    assert [axes.get_title() for axes in figure.axes] == ["transfer", "speech", "ensemble"]
    for axes in figure.axes:
        found = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts}
        assert len(found) == 9
        for (row, column), text in found.items():
            learned, judged = pairs["corpora"][row], pairs["corpora"][column]
            if learned in pairs["refused"]:
                assert text == "-"
                continue
            cell = pairs["trained_on"][learned]["judged_on"][judged]
            figures = cell["predictors"][axes.get_title()]
            sure = figures["uar_ci95"][0] > cell["chance"]["uar"]
            # Of the last corpus the models know nothing, and of the first no speaker is new.
            assert sure == (judged != "corpus_c") or axes.get_title() == "transfer"
            star = "*" if (row, column) == (0, 0) else ""
            shown = f"{100 * figures['uar']:.0f}{star}"
            assert text == (shown if sure else f"({shown})")
    note = " ".join(figure._supxlabel.get_text().split())
    assert "*: of speakers heard" in note
    assert "chance, which is 14 % to 17 %" in note


@pytest.mark.parametrize("corpora", [2, 5, 6, 10])
def test_pairs_of_two_to_ten_corpora_fit_their_cells_and_the_page(
    made_pairs: Callable[..., Pairs], corpora: int
) -> None:
    figure = draw_pairs(made_pairs(corpora))
    figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 3
    for axes in panels:
        cell = axes.transData.transform((1, 0)) - axes.transData.transform((0, 1))
        for text in axes.texts:
            extent = text.get_window_extent()
            assert extent.width < cell[0]
            assert extent.height < cell[1]
        names = [label.get_window_extent() for label in [*axes.get_yticklabels(), axes.title]]
        assert all(0 <= name.x0 < name.x1 <= figure.bbox.width for name in names)
        assert not any(first.overlaps(second) for first, second in itertools.combinations(names, 2))


@pytest.mark.slow
def test_a_run_of_one_corpus_has_no_such_chart(
    tmp_path: Path, made_predictions: Predictions, evaluated: Callable[..., Evaluation]
) -> None:
    draw_all(tmp_path, evaluated(made_predictions, left_out=False), HISTORIES, {"asked": 0})
    assert not (tmp_path / "cross_corpus.png").exists()
    assert not (tmp_path / "corpus_pairs.png").exists()


@pytest.mark.slow
def test_perfect_predictions_can_be_drawn(
    tmp_path: Path, made_predictions: Predictions, evaluated: Callable[[Predictions], Evaluation]
) -> None:
    right = np.eye(len(EMOTIONS))[made_predictions.labels]
    evaluation = evaluated(Predictions(made_predictions.clips, {"shallow": right, "transfer": right}, EMOTIONS))
    assert np.isnan(evaluation.roles[SEEN].predictors["shallow"].overall.uar.low)
    for number, figure in enumerate((draw_groups(evaluation), draw_gap(evaluation), draw_reliability(evaluation))):
        figure.savefig(tmp_path / f"{number}.png", dpi=20)


@pytest.mark.slow
def test_a_single_corpus_is_not_shown_twice(
    made_predictions: Predictions, evaluated: Callable[[Predictions], Evaluation]
) -> None:
    evaluation = evaluated(made_predictions.where("corpus", "north"))
    names = [label.get_text().split("\n")[0] for label in draw_groups(evaluation).axes[0].get_yticklabels()]
    assert names == ["all", "female", "male"]
    assert [label.get_text() for label in draw_gap(evaluation).axes[0].get_xticklabels()] == ["all"]


@pytest.mark.slow
def test_charts_of_a_run_of_four_emotions_name_these_alone(
    made_predictions: Predictions,
    among: Callable[[Predictions, Emotions], Predictions],
    evaluated: Callable[..., Evaluation],
) -> None:
    four = ("angry", "fear", "sad", "surprise")
    evaluation = evaluated(among(made_predictions, four), left_out=False)
    axes = draw_confusion(evaluation, "ensemble").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(four)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(four)
    axes = draw_class_recall(evaluation).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(four)
    (chance,) = (line for line in axes.lines if line.get_label() == "chance")
    assert set(chance.get_ydata()) == {0.25}
