"""Charts of confidence: calibration, and accuracy when uncertain clips are left unanswered."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.charts.predictors import ROLE_TITLES, draw_legend, predictor_colours
from deepemo.charts.style import per_cent, styled
from deepemo.evaluation.calibration import BINS, Reliability
from deepemo.evaluation.confidence import Confidence, ConfidenceReport
from deepemo.evaluation.report import Evaluation

# Bins with fewer clips are not drawn: their accuracy is mostly chance.
MIN_CLIPS = 10


def _draw_reliability(axes: Axes, report: ConfidenceReport, confidence: Confidence, colour: str) -> None:
    def line(found: Reliability, label: str, **style: Any) -> None:
        filled = found.clips >= MIN_CLIPS
        axes.plot(found.confidence[filled], found.accuracy[filled], "o-", markersize=4, label=label, **style)

    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":")
    line(report.before, f"as given, ECE {100 * report.before.ece:.1f} %", color="0.55")
    line(
        report.after,
        f"temperature {confidence.temperature:.2f}, ECE {100 * report.after.ece:.1f} %",
        color=colour,
    )
    edges = [step / BINS for step in range(BINS)]
    shares = report.after.clips / report.after.clips.sum()
    axes.bar(edges, shares, width=1 / BINS, align="edge", color=colour, alpha=0.2, label="share of clips")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.legend(loc="upper left", fontsize=6.5)
    per_cent(axes.xaxis)
    per_cent(axes.yaxis)


@styled
def draw_reliability(evaluation: Evaluation) -> Figure:
    """Accuracy against confidence before and after calibration: a row for each role, a column for each predictor."""
    rows, columns = len(evaluation.roles), len(evaluation.confidences)
    colours = predictor_colours(evaluation.confidences)
    figure = Figure(figsize=(3.1 * columns, 0.5 + 3.2 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for line, (name, role) in zip(grid, evaluation.roles.items(), strict=True):
        for axes, (predictor, report) in zip(line, role.predictors.items(), strict=True):
            confidence = evaluation.confidences[predictor]
            _draw_reliability(axes, report.confidence, confidence, colours[predictor])
            axes.set_title(f"{predictor}, {ROLE_TITLES[name]}", fontsize=9)
        line[0].set_ylabel("accuracy")
    for axes in grid[-1]:
        axes.set_xlabel("confidence")
    figure.suptitle(
        f"Does confidence mean what it says? (temperature fitted on validation; bins of at least {MIN_CLIPS} clips)"
    )
    return figure


@styled
def draw_risk_coverage(evaluation: Evaluation) -> Figure:
    """Accuracy of the answers when the clips of least confidence are left unanswered, a panel for each test role."""
    panels = len(evaluation.roles)
    figure = Figure(figsize=(0.4 + 4.4 * panels, 3.8))
    rows = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    colours = predictor_colours(evaluation.confidences)
    for axes, (name, role) in zip(rows, evaluation.roles.items(), strict=True):
        for predictor, report in role.predictors.items():
            colour = colours[predictor]
            curve, operating = report.confidence.curve, report.confidence.operating
            # The accuracy of the first few answers is mostly chance.
            steady = curve.coverage * role.clips >= min(20, role.clips)
            threshold = evaluation.confidences[predictor].threshold
            label = f"{predictor} (confidence {threshold:.2f} and over)"
            axes.plot(curve.coverage[steady], curve.accuracy[steady], color=colour, label=label)
            if operating.accuracy is not None:
                axes.plot(operating.coverage, operating.accuracy, "o", color=colour, markeredgecolor="black")
        wanted = next(iter(evaluation.confidences.values())).wanted_accuracy
        axes.axhline(wanted, color="0.5", linestyle="--", label="wanted accuracy")
        axes.set_xlim(0, 1)
        per_cent(axes.xaxis)
        axes.set_xlabel("share of clips answered")
        axes.set_title(ROLE_TITLES[name])
    draw_legend(figure, rows[0])
    rows[0].set_ylim(top=1)
    per_cent(rows[0].yaxis)
    rows[0].set_ylabel("accuracy of the answers")
    figure.suptitle("Answering only when sure (dots: the threshold chosen on validation)")
    return figure
