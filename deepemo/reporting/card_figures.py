"""The model card's figures: how good, for whom, where not, and how sure."""

from deepemo.emotions import EMOTIONS
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.groups import GroupScores
from deepemo.evaluation.report import CHANCE, SEEN, Evaluation, PredictorReport
from deepemo.reporting.markdown import estimate, per_cent, points, table

ROLE_TITLES = {
    "seen_speakers": "Speakers heard in training",
    "unseen_speakers": "Speakers never heard",
    "unseen_corpus": "A corpus never heard",
}
FEW_SPEAKERS = 10
WORST = 5


def headlines(evaluation: Evaluation) -> str:
    """Every predictor on every role with intervals, chance and majority beside them, and the gap."""
    parts = []
    for name, role in evaluation.roles.items():
        rows = [
            (predictor, *(estimate(getattr(report.overall, figure)) for figure in scores.HEADLINES))
            for predictor, report in role.predictors.items()
        ]
        rows.append(
            (f"always {evaluation.majority_emotion}", *(per_cent(role.majority[figure]) for figure in scores.HEADLINES))
        )
        rows.append(("chance", per_cent(CHANCE), per_cent(CHANCE), "-"))
        parts.append(
            f"**{ROLE_TITLES[name]}**, {role.clips} clips of {role.speakers} speakers\n\n"
            + table(("predictor", "accuracy", "UAR", "macro F1"), rows)
        )
    if evaluation.gaps:
        rows = [
            (predictor, *(points(gaps[figure]) for figure in scores.HEADLINES))
            for predictor, gaps in evaluation.gaps.items()
        ]
        parts.append(
            "**What knowing the voice is worth**: heard minus never heard speakers, in points\n\n"
            + table(("predictor", "accuracy", "UAR", "macro F1"), rows)
        )
    return "\n\n".join(parts) + "\n"


def intervals(evaluation: Evaluation) -> str:
    """How the intervals are meant."""
    few = [
        ROLE_TITLES[name].lower()
        for name, role in evaluation.roles.items()
        if name != SEEN and role.speakers < FEW_SPEAKERS
    ]
    warning = f" With so few speakers ({' and '.join(few)}) an interval can say little about others." if few else ""
    return (
        f"In brackets: 95 % intervals from {evaluation.resamples} bootstrap samples, drawn by speaker for voices never "
        "heard (by clip where that is wider, or where there is but one speaker) and by clip for heard ones. UAR is the "
        f"mean recall over the emotions present.{warning}\n"
    )


def comparisons(evaluation: Evaluation) -> str:
    """Each pair of predictors on the same clips."""
    rows = [
        (
            ROLE_TITLES[name].lower(),
            f"{found.first} minus {found.second}",
            points(found.differences["uar"]),
            f"{found.differences['uar'].p:.3g}",
            f"{found.mcnemar.first_only} : {found.mcnemar.second_only}",
            f"{found.mcnemar.p:.3g}",
        )
        for name, role in evaluation.roles.items()
        for found in role.comparisons
    ]
    header = (
        "on",
        "predictors",
        "UAR, points",
        "p by permutation",
        "clips only one names rightly",
        "p of McNemar's test",
    )
    return table(header, rows) + "\n"


def emotions(evaluation: Evaluation, predictor: str) -> str:
    """Precision and recall of each emotion, a column a role."""
    header, columns = ["emotion"], []
    for name, role in evaluation.roles.items():
        found = role.predictors[predictor].overall.emotions
        header += [f"recall, {ROLE_TITLES[name].lower()}", "precision"]
        columns.append(found)
    rows = [
        (
            emotion,
            *(
                estimate(getattr(found[emotion], figure)) if emotion in found else "-"
                for found in columns
                for figure in ("recall", "precision")
            ),
        )
        for emotion in EMOTIONS
    ]
    return table(header, rows) + "\n"


def _group_row(name: str, group: GroupScores) -> tuple[object, ...]:
    return name, group.clips, group.speakers, estimate(group.accuracy), estimate(group.uar)


def corpora(evaluation: Evaluation, predictor: str) -> str:
    """Scores by corpus, and the gap within each corpus that has both heard and never heard speakers."""
    parts = []
    for name, role in evaluation.roles.items():
        rows = [_group_row(corpus, group) for corpus, group in role.predictors[predictor].corpora.items()]
        listed = table(("corpus", "clips", "speakers", "accuracy", "UAR"), rows)
        parts.append(f"**{ROLE_TITLES[name]}**\n\n{listed}")
    gaps = evaluation.corpus_gaps.get(predictor)
    if gaps:
        rows = [(corpus, points(found["accuracy"]), points(found["uar"])) for corpus, found in gaps.items()]
        parts.append(f"**Heard minus never heard speakers**, in points\n\n{table(('corpus', 'accuracy', 'UAR'), rows)}")
    return "\n\n".join(parts) + "\n"


def fairness(evaluation: Evaluation, predictor: str) -> str:
    """Scores by gender, in all and within each corpus, and their difference."""
    parts = []
    for name, role in evaluation.roles.items():
        report = role.predictors[predictor]
        within = report.corpora_genders if len(report.corpora) > 1 else {}
        rows = [_group_row(gender, group) for gender, group in {**report.genders, **within}.items()]
        gap = (
            f"Female minus male: UAR {points(report.gender_gap['uar'])} points."
            if report.gender_gap
            else "One gender alone is heard here."
        )
        parts.append(
            f"**{ROLE_TITLES[name]}**\n\n{table(('clips of', 'clips', 'speakers', 'accuracy', 'UAR'), rows)}\n\n{gap}"
        )
    return "\n\n".join(parts) + "\n"


def failures(report: PredictorReport) -> str:
    """The most confused pairs, the worst corpora and the worst speakers."""
    confused = table(
        ("meant", "named", "clips", "share of the emotion's clips"),
        [(found.actual, found.predicted, found.clips, per_cent(found.share)) for found in report.confused[:WORST]],
    )
    worst_corpora = sorted(report.corpora.items(), key=lambda item: item[1].uar.value)
    corpora = ", ".join(f"{name} (UAR {per_cent(group.uar.value)})" for name, group in worst_corpora)
    speakers = table(
        ("speaker", "clips", "accuracy"),
        [(name, clips, per_cent(accuracy)) for name, (clips, accuracy) in list(report.speakers.items())[:WORST]],
    )
    accuracies = [accuracy for _, accuracy in report.speakers.values()]
    return (
        f"Most confused:\n\n{confused}\n\nCorpora, the worst first: {corpora}.\n\n"
        f"Worst speakers, of {len(accuracies)} whose accuracy runs from {per_cent(min(accuracies))} to "
        f"{per_cent(max(accuracies))}:\n\n{speakers}\n"
    )


def confidence(evaluation: Evaluation) -> str:
    """Calibration, and what answering only when sure gives."""
    rows = [
        (
            f"{predictor}, {ROLE_TITLES[name].lower()}",
            f"{evaluation.confidences[predictor].temperature:.2f}",
            per_cent(report.confidence.before.ece),
            per_cent(report.confidence.after.ece),
            f"{evaluation.confidences[predictor].threshold:.2f}",
            per_cent(report.confidence.operating.coverage),
            per_cent(report.confidence.operating.accuracy),
        )
        for name, role in evaluation.roles.items()
        for predictor, report in role.predictors.items()
    ]
    header = ("predictor", "temperature", "ECE before", "ECE after", "threshold", "answered", "accuracy of answers")
    wanted = next(iter(evaluation.confidences.values())).wanted_accuracy
    return (
        f"{table(header, rows)}\n\nTemperature and threshold were fitted on validation alone, the threshold for "
        f"{per_cent(wanted)} accuracy of the answers given (1.00 where validation shows none that reaches it). The "
        "last two columns say how far that promise holds on the tests.\n"
    )
