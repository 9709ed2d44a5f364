"""A picture of the predictors in adverse conditions."""

from matplotlib.figure import Figure

from deepemo.charts.predictors import ROLE_TITLES
from deepemo.charts.style import DARK_SHARE, PAGE_WIDTH, caption, styled
from deepemo.evaluation.conditions import CLEAN, label
from deepemo.evaluation.robustness import RobustnessReport


@styled
def draw_conditions(report: RobustnessReport) -> Figure:
    """UAR of every predictor in every condition, and its change relative to the clips as recorded."""
    predictors, conditions = list(report.scores), report.conditions
    values = [[report.scores[name][condition].uar.value for name in predictors] for condition in conditions]
    figure = Figure(figsize=(PAGE_WIDTH, 1.7 + 0.4 * len(conditions)))
    axes = figure.subplots()
    shown = axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, condition in enumerate(conditions):
        for column, name in enumerate(predictors):
            scores = report.scores[name][condition]
            text = f"{100 * scores.uar.value:.0f} %"
            if condition != CLEAN:
                text += f"  ({100 * scores.uar_change.value:+.0f})"
            worst = condition != CLEAN and condition == report.worst(name)
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                color="white" if scores.uar.value > DARK_SHARE else "black",
                fontweight="bold" if worst else "normal",
            )
    axes.set_xticks(range(len(predictors)), predictors)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(conditions)), [label(condition) for condition in conditions])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03)
    bar.ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    bar.set_label("UAR")
    caption(
        figure,
        "Mean recall over the emotions in adverse conditions",
        f"{report.clips} clips of {report.speakers} speakers ({ROLE_TITLES[report.role]}). In brackets the change in "
        "points against the same clips as recorded; in bold the largest loss of each predictor.",
    )
    return figure
