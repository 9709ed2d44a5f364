"""Charts of training and evaluation: learning curves, confusion, recall by emotion, groups of speakers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepemo.arrays import Int64Array
from deepemo.charts.confidence import draw_reliability, draw_risk_coverage
from deepemo.charts.cross_corpus import draw_cross_corpus, draw_pairs
from deepemo.charts.predictors import ROLE_TITLES, draw_estimate, draw_legend, predictor_colours
from deepemo.charts.style import DARK_SHARE, name_emotions, per_cent, save, styled
from deepemo.emotions import Emotions
from deepemo.evaluation.groups import GroupScores
from deepemo.evaluation.report import SEEN, UNSEEN, Evaluation, PredictorReport, RoleReport

# Largest distance of a predictor's dot from the middle of its name, where names are 1 apart.
MAX_OFFSET = 0.22


def draw_all(
    folder: Path, evaluation: Evaluation, histories: Mapping[str, pd.DataFrame], pairs: Mapping[str, Any]
) -> None:
    """Draw every chart of the evaluation.

    Args:
        folder: of the PNG files; it is created if missing.
        evaluation: the results.
        histories: as for `draw_learning_curves`.
        pairs: as for `draw_pairs`.
    """
    for predictor in evaluation.confidences:
        save(draw_confusion(evaluation, predictor), folder / f"confusion_{predictor}.png")
    save(draw_class_recall(evaluation), folder / "class_recall.png")
    save(draw_groups(evaluation), folder / "groups.png")
    save(draw_reliability(evaluation), folder / "reliability.png")
    save(draw_risk_coverage(evaluation), folder / "risk_coverage.png")
    save(draw_learning_curves(histories), folder / "learning_curves.png")
    if evaluation.gaps:
        save(draw_gap(evaluation), folder / "gap.png")
    if evaluation.cross_corpus["asked"]:
        save(draw_cross_corpus(evaluation.cross_corpus), folder / "cross_corpus.png")
    if pairs["asked"]:
        save(draw_pairs(pairs), folder / "corpus_pairs.png")


def _draw_confusion_matrix(axes: Axes, counts: Int64Array, emotions: Emotions) -> None:
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        if totals[row, 0]:
            colour = "white" if shares[row, column] > DARK_SHARE else "black"
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            axes.text(column, row - 0.1, f"{100 * shares[row, column]:.0f}", fontsize=9, **style)
            axes.text(column, row + 0.3, f"{counts[row, column]}", fontsize=5.5, **style)
    name_emotions(axes, emotions, rotation=45)
    axes.grid(visible=False)
    axes.set_yticks(range(len(emotions)), emotions)
    axes.set_xlabel("named by the model")


@styled
def draw_confusion(evaluation: Evaluation, predictor: str) -> Figure:
    """Confusion matrices of one predictor, a panel for each test role: recall in per cent and numbers of clips."""
    panels = len(evaluation.roles)
    figure = Figure(figsize=(0.4 + 4.2 * panels, 5.1))
    for axes, (name, role) in zip(figure.subplots(1, panels, squeeze=False)[0], evaluation.roles.items(), strict=True):
        overall = role.predictors[predictor].overall
        _draw_confusion_matrix(axes, overall.counts, evaluation.emotions)
        axes.set_title(
            f"{ROLE_TITLES[name]}, {role.clips} clips\n"
            f"accuracy {100 * overall.accuracy.value:.1f} %, UAR {100 * overall.uar.value:.1f} %",
        )
        axes.set_ylabel("meant by the speaker")
    figure.suptitle(f"{predictor}: per cent of each emotion's clips (number of clips below)")
    return figure


def _offsets(predictors: Iterable[str]) -> dict[str, float]:
    names = list(predictors)
    return dict(zip(names, np.linspace(-MAX_OFFSET, MAX_OFFSET, len(names)), strict=True))


@styled
def draw_class_recall(evaluation: Evaluation) -> Figure:
    """Recall of each emotion by every predictor with its interval, a panel for each test role."""
    panels = len(evaluation.roles)
    figure = Figure(figsize=(0.4 + 4.4 * panels, 3.9))
    rows = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for axes, (name, role) in zip(rows, evaluation.roles.items(), strict=True):
        colours = predictor_colours(role.predictors)
        for predictor, offset in _offsets(role.predictors).items():
            colour = colours[predictor]
            axes.plot([], [], "o", color=colour, label=predictor)
            for emotion, found in role.predictors[predictor].overall.emotions.items():
                draw_estimate(
                    axes, evaluation.emotions.index(emotion) + offset, found.recall, vertical=True, colour=colour
                )
        axes.axhline(evaluation.chance, color="0.5", linestyle=":", label="chance")
        name_emotions(axes, evaluation.emotions)
        axes.set_ylim(0, 1)
        axes.set_title(f"{ROLE_TITLES[name]}, {role.clips} clips")
    per_cent(rows[0].yaxis)
    rows[0].set_ylabel("recall (95 % interval)")
    draw_legend(figure, rows[0])
    figure.suptitle("How many clips of each emotion are recognized")
    return figure


def _groups(report: PredictorReport) -> dict[str, GroupScores]:
    """Groups of clips by name; a single corpus is the same as all clips and is left out."""
    if len(report.corpora) == 1:
        return {"all": report.overall, **report.genders}
    return {"all": report.overall, **report.corpora, **report.genders, **report.corpora_genders}


def _group_label(name: str, group: GroupScores) -> str:
    speakers = f"{group.speakers} speaker{'s' if group.speakers > 1 else ''}"
    return f"{name}\n{group.clips} clips, {speakers}"


def _draw_group_panel(axes: Axes, role: RoleReport, chance: float) -> None:
    groups = _groups(next(iter(role.predictors.values())))
    colours = predictor_colours(role.predictors)
    for predictor, offset in _offsets(role.predictors).items():
        colour = colours[predictor]
        axes.plot([], [], "o", color=colour, label=predictor)
        for row, group in enumerate(_groups(role.predictors[predictor]).values()):
            draw_estimate(axes, row + offset, group.uar, vertical=False, colour=colour)
    axes.axvline(chance, color="0.5", linestyle=":", label="chance")
    axes.set_yticks(range(len(groups)), [_group_label(name, group) for name, group in groups.items()])
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("UAR (95 % interval)")
    per_cent(axes.xaxis)


@styled
def draw_groups(evaluation: Evaluation) -> Figure:
    """UAR of each corpus, each gender and each gender in each corpus, a panel for each test role."""
    panels = len(evaluation.roles)
    most = max(len(_groups(next(iter(role.predictors.values())))) for role in evaluation.roles.values())
    figure = Figure(figsize=(0.4 + 4.6 * panels, 1.3 + 0.4 * most))
    rows = figure.subplots(1, panels, squeeze=False)[0]
    for axes, (name, role) in zip(rows, evaluation.roles.items(), strict=True):
        _draw_group_panel(axes, role, evaluation.chance)
        axes.set_title(ROLE_TITLES[name])
    draw_legend(figure, rows[0])
    figure.suptitle("Who is recognized how well: mean recall over the emotions present")
    return figure


@styled
def draw_gap(evaluation: Evaluation) -> Figure:
    """UAR on seen and on unseen speakers, a panel for each predictor.

    The panels show all clips, and each corpus that has speakers of both kinds.
    """
    seen, unseen = evaluation.roles[SEEN], evaluation.roles[UNSEEN]
    panels = len(evaluation.gaps)
    colours = predictor_colours(evaluation.gaps)
    figure = Figure(figsize=(0.6 + 3.2 * panels, 3.6))
    rows = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for axes, (predictor, gaps) in zip(rows, evaluation.gaps.items(), strict=True):
        pairs = {"all": (seen.predictors[predictor].overall, unseen.predictors[predictor].overall)}
        corpora = evaluation.corpus_gaps[predictor] if len(seen.predictors[predictor].corpora) > 1 else ()
        for corpus in corpora:
            pairs[corpus] = (seen.predictors[predictor].corpora[corpus], unseen.predictors[predictor].corpora[corpus])
        colour = colours[predictor]
        for position, groups in enumerate(pairs.values()):
            for group, offset, fill in zip(groups, (-0.12, 0.12), (colour, "white"), strict=True):
                draw_estimate(
                    axes, position + offset, group.uar, vertical=True, colour=colour,
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


def _last_phase(history: pd.DataFrame) -> int:
    """Row of the first epoch of the last training phase; the weights kept are the best of that phase."""
    phases = history["phase"] if "phase" in history else pd.Series("", index=history.index)
    return int((phases == phases.iloc[-1]).to_numpy().argmax())


@styled
def draw_learning_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Loss and scores of every model over its epochs.

    Args:
        histories: by model, one row per epoch, with the columns `epoch`, `loss`, `accuracy`, `val_loss`,
            `val_accuracy` and `val_uar`, and `phase` if its training has several phases.
    """
    figure = Figure(figsize=(9, 4))
    losses, scores = figure.subplots(1, 2)
    colours = predictor_colours(histories)
    for model, history in histories.items():
        colour = colours[model]
        epochs = range(1, len(history) + 1)
        losses.plot(epochs, history["loss"], color=colour, linestyle="--", label=f"{model}, training")
        losses.plot(epochs, history["val_loss"], color=colour, label=f"{model}, validation")
        scores.plot(epochs, history["accuracy"], color=colour, linestyle="--", label=f"{model}, training accuracy")
        scores.plot(epochs, history["val_uar"], color=colour, label=f"{model}, validation UAR")
        start = _last_phase(history)
        best = start + int(history["val_loss"].to_numpy()[start:].argmin())
        best_uar = float(history["val_uar"].to_numpy()[best])
        scores.plot(best + 1, best_uar, "o", color=colour, markeredgecolor="black")
        scores.annotate(
            f"{100 * best_uar:.1f} %",
            (best + 1, best_uar),
            (0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        )
        for axes in (losses, scores):
            if start:
                axes.axvline(
                    start + 0.5, color=colour, linestyle=":", label=f"{model}, {history['phase'].iloc[-1]} starts"
                )
    losses.set_ylabel("cross-entropy")
    losses.set_ylim(bottom=0)
    scores.set_ylim(0, 1)
    per_cent(scores.yaxis)
    for axes in (losses, scores):
        axes.set_xlabel("epoch")
        axes.legend(loc="upper right" if axes is losses else "lower right")
    figure.suptitle("How the models learned (training: on clips as they were shown; dots: the epoch kept)")
    return figure
