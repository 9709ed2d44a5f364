"""Pictures of the evaluation, one function a picture: what is confused, and who is heard how well."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.charts.predictors import PREDICTOR_COLOURS, ROLE_TITLES, draw_estimate
from deepemo.charts.style import name_emotions, per_cent, styled
from deepemo.emotions import EMOTIONS
from deepemo.evaluation.groups import GroupScores
from deepemo.evaluation.predictions import Ints
from deepemo.evaluation.report import CHANCE, SEEN, UNSEEN, Evaluation, PredictorReport, RoleReport

DARK = 0.55
SPREAD = 0.22


def _matrix(axes: Axes, counts: Ints) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if totals[row, 0]:
            colour = "white" if shares[row, column] > DARK else "black"
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            axes.text(column, row - 0.1, f"{100 * shares[row, column]:.0f}", fontsize=9, **style)
            axes.text(column, row + 0.3, f"{counts[row, column]}", fontsize=5.5, **style)
    name_emotions(axes, rotation=45)
    axes.grid(visible=False)
    axes.set_yticks(range(len(EMOTIONS)), EMOTIONS)
    axes.set_xlabel("named by the model")


@styled
def draw_confusion(evaluation: Evaluation, predictor: str) -> Figure:
    """One predictor's confusion matrices, a panel a test role: recall in per cent, and clips below it."""
    panels = len(evaluation.roles)
    figure = Figure(figsize=(0.4 + 4.2 * panels, 5.1))
    for axes, (name, role) in zip(figure.subplots(1, panels, squeeze=False)[0], evaluation.roles.items(), strict=True):
        overall = role.predictors[predictor].overall
        _matrix(axes, overall.counts)
        axes.set_title(
            f"{ROLE_TITLES[name]}, {role.clips} clips\n"
            f"accuracy {100 * overall.accuracy.value:.1f} %, UAR {100 * overall.uar.value:.1f} %",
        )
        axes.set_ylabel("meant by the speaker")
    figure.suptitle(f"{predictor}: per cent of each emotion's clips (number of clips below)")
    return figure


def _offsets(predictors: Mapping[str, object]) -> dict[str, float]:
    return dict(zip(predictors, np.linspace(-SPREAD, SPREAD, len(predictors)), strict=True))


@styled
def draw_class_recall(evaluation: Evaluation) -> Figure:
    """Recall of each emotion by every predictor with its interval, a panel a test role."""
    panels = len(evaluation.roles)
    figure = Figure(figsize=(0.4 + 4.4 * panels, 3.9))
    rows = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for axes, (name, role) in zip(rows, evaluation.roles.items(), strict=True):
        for predictor, offset in _offsets(role.predictors).items():
            colour = PREDICTOR_COLOURS[predictor]
            axes.plot([], [], "o", color=colour, label=predictor)
            for emotion, found in role.predictors[predictor].overall.emotions.items():
                place = EMOTIONS.index(emotion) + offset
                draw_estimate(axes, place, found.recall.value, found.recall, upright=True, color=colour, marker="o")
        axes.axhline(CHANCE, color="0.5", linestyle=":", label="chance")
        name_emotions(axes)
        axes.set_ylim(0, 1)
        axes.set_title(f"{ROLE_TITLES[name]}, {role.clips} clips")
    per_cent(rows[0].yaxis)
    rows[0].set_ylabel("recall (95 % interval)")
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("How many clips of each emotion are recognized")
    return figure


def _groups(report: PredictorReport) -> dict[str, GroupScores]:
    """By name; a single corpus is all there is, and is not shown twice."""
    if len(report.corpora) == 1:
        return {"all": report.overall, **report.genders}
    return {"all": report.overall, **report.corpora, **report.genders, **report.corpora_genders}


def _group_label(name: str, group: GroupScores) -> str:
    speakers = f"{group.speakers} speaker{'s' if group.speakers > 1 else ''}"
    return f"{name}\n{group.clips} clips, {speakers}"


def _draw_group_panel(axes: Axes, role: RoleReport) -> None:
    shown = _groups(next(iter(role.predictors.values())))
    for predictor, offset in _offsets(role.predictors).items():
        colour = PREDICTOR_COLOURS[predictor]
        axes.plot([], [], "o", color=colour, label=predictor)
        for place, group in enumerate(_groups(role.predictors[predictor]).values()):
            draw_estimate(axes, place + offset, group.uar.value, group.uar, upright=False, color=colour, marker="o")
    axes.axvline(CHANCE, color="0.5", linestyle=":", label="chance")
    axes.set_yticks(range(len(shown)), [_group_label(name, group) for name, group in shown.items()])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("UAR (95 % interval)")
    per_cent(axes.xaxis)


@styled
def draw_groups(evaluation: Evaluation) -> Figure:
    """UAR of each corpus, each gender and each gender in each corpus, a panel a test role."""
    panels = len(evaluation.roles)
    most = max(len(_groups(next(iter(role.predictors.values())))) for role in evaluation.roles.values())
    figure = Figure(figsize=(0.4 + 4.6 * panels, 1.3 + 0.4 * most))
    rows = figure.subplots(1, panels, squeeze=False)[0]
    for axes, (name, role) in zip(rows, evaluation.roles.items(), strict=True):
        _draw_group_panel(axes, role)
        axes.set_title(ROLE_TITLES[name])
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("Who is recognized how well: mean recall over the emotions present")
    return figure


@styled
def draw_gap(evaluation: Evaluation) -> Figure:
    """UAR on heard and on never heard speakers, overall and within each corpus that has both, a panel a predictor."""
    seen, unseen = evaluation.roles[SEEN], evaluation.roles[UNSEEN]
    panels = len(evaluation.gaps)
    figure = Figure(figsize=(0.6 + 3.2 * panels, 3.6))
    rows = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for axes, (predictor, gaps) in zip(rows, evaluation.gaps.items(), strict=True):
        pairs = {"all": (seen.predictors[predictor].overall, unseen.predictors[predictor].overall)}
        corpora = evaluation.corpus_gaps[predictor] if len(seen.predictors[predictor].corpora) > 1 else ()
        for corpus in corpora:
            pairs[corpus] = (seen.predictors[predictor].corpora[corpus], unseen.predictors[predictor].corpora[corpus])
        colour = PREDICTOR_COLOURS[predictor]
        for place, groups in enumerate(pairs.values()):
            for group, offset, fill in zip(groups, (-0.12, 0.12), (colour, "white"), strict=True):
                draw_estimate(
                    axes, place + offset, group.uar.value, group.uar, upright=True, color=colour, marker="o",
                    markersize=8, markerfacecolor=fill, markeredgecolor=colour,
                )  # fmt: skip
        for label, fill in (("speakers heard in training", colour), ("speakers never heard", "white")):
            axes.plot([], [], "o", markersize=8, markerfacecolor=fill, markeredgecolor=colour, label=label)
        axes.set_xticks(range(len(pairs)), pairs)
        axes.set_ylim(0, 1)
        gap = gaps["uar"]
        axes.set_title(
            f"{predictor}: {100 * gap.value:+.1f} points\n"
            f"(95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f})",
        )
        axes.legend(loc="lower left")
    per_cent(rows[0].yaxis)
    rows[0].set_ylabel("UAR (95 % interval)")
    figure.suptitle("What knowing the voice is worth: UAR on heard minus never heard speakers")
    return figure
