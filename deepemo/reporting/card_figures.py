"""Sections of the model card on measured figures: scores, groups, errors and confidence."""

from collections.abc import Mapping
from typing import Any

from deepemo.charts.predictors import ROLE_TITLES
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.groups import GroupScores
from deepemo.evaluation.known_voices import KnownVoices
from deepemo.evaluation.references import WITHOUT
from deepemo.evaluation.report import SEEN, Evaluation, PredictorReport
from deepemo.models.registry import ENSEMBLE
from deepemo.models.voice import LEAST_RECORDINGS
from deepemo.reporting.markdown import estimate, per_cent, points, table

FEW_SPEAKERS = 10
REFERENCE_NAMES = {"0": "none (ensemble)", "all": "all others"}
RECORDINGS = "recordings of the voice"
WORST = 5


def _heading(role: str) -> str:
    return ROLE_TITLES[role].capitalize()


def headlines(evaluation: Evaluation) -> str:
    """Scores of every predictor on every test role, of chance and of the majority class, and the gap between roles."""
    parts = []
    for name, role in evaluation.roles.items():
        rows = [
            (predictor, *(estimate(getattr(report.overall, figure)) for figure in scores.HEADLINES))
            for predictor, report in role.predictors.items()
        ]
        rows.append(
            (f"always {evaluation.majority_emotion}", *(per_cent(role.majority[figure]) for figure in scores.HEADLINES))
        )
        rows.append(("chance", per_cent(evaluation.chance), per_cent(evaluation.chance), "-"))
        parts.append(
            f"**{_heading(name)}**, {role.clips} clips of {role.speakers} speakers\n\n"
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


def known_voices(known: KnownVoices | None, cross_corpus: Mapping[str, Any]) -> str:
    """Scores on voices and corpora never heard, by how many other recordings of the voice are known."""
    if known is None:
        return "No model of this run takes a reference of the voice.\n"
    weights = ", ".join(f"{weight:g} {name}" for name, weight in known.weights.items() if weight)
    parts = [
        f"A reference is the mean of some recordings of a voice, whatever they express, which `{known.part}` takes off "
        f"what it hears of another one. The answer is a weighted mean ({weights}, fitted on validation). "
        f"A clip is never part of its own reference. {_least(known.least_recordings)}\n"
    ]
    for role, sizes in known.roles.items():
        rows = [(_reference(size), estimate(group.accuracy), estimate(group.uar)) for size, group in sizes.items()]
        parts.append(f"**{_heading(role)}**\n\n" + table((RECORDINGS, "accuracy", "UAR"), rows) + "\n")
    if known.left_out_corpora:
        parts.append(_known_voices_elsewhere(known, cross_corpus))
    return "\n".join(parts)


def _known_voices_elsewhere(known: KnownVoices, cross_corpus: Mapping[str, Any]) -> str:
    """The same on each corpus that was left out of training."""
    corpora = cross_corpus["corpora"]
    found = {
        name: {WITHOUT: corpus["predictors"][ENSEMBLE], **corpus["known_voices"]} for name, corpus in corpora.items()
    }
    rows = [
        (
            _reference(size),
            *(per_cent(sizes[size]["uar"]) for sizes in found.values()),
            f"**{per_cent(mean['uar'])}**",
        )
        for size, mean in known.left_out_corpora.items()
    ]
    return (
        "**Corpora never heard**: each corpus was left out of training in turn, as above; references are of clips of "
        f"that corpus.\n\n{table((f'{RECORDINGS}; UAR on', *corpora, 'mean'), rows)}\n"
    )


def _reference(size: str) -> str:
    return REFERENCE_NAMES.get(size, f"{size} others")


def _least(recordings: int | None) -> str:
    """Which references are used."""
    if recordings is None:
        return "With every size that was tried, UAR on validation is lower than without: none is used."
    if recordings == LEAST_RECORDINGS:
        return f"One of fewer than {recordings} recordings is not used."
    return (
        f"One of fewer than {recordings} recordings is not used: with fewer, UAR on validation is lower than without."
    )


def intervals(evaluation: Evaluation) -> str:
    """How the intervals were computed."""
    few = [
        ROLE_TITLES[name] for name, role in evaluation.roles.items() if name != SEEN and role.speakers < FEW_SPEAKERS
    ]
    warning = f" With so few speakers ({' and '.join(few)}) an interval can say little about others." if few else ""
    return (
        f"In brackets: 95 % intervals from {evaluation.resamples} bootstrap samples, drawn by speaker for voices never "
        "heard (by clip where that is wider, or where there is but one speaker) and by clip for heard ones. UAR is the "
        f"mean recall over the emotions present.{warning}\n"
    )


def comparisons(evaluation: Evaluation) -> str:
    """Comparisons of each pair of predictors on the same clips."""
    rows = [
        (
            ROLE_TITLES[name],
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
    """Precision and recall of each emotion on each test role."""
    header, columns = ["emotion"], []
    for name, role in evaluation.roles.items():
        found = role.predictors[predictor].overall.emotions
        header += [f"recall, {ROLE_TITLES[name]}", "precision"]
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
        for emotion in evaluation.emotions
    ]
    return table(header, rows) + "\n"


def _emotions_in(group: GroupScores) -> str:
    """The number of emotions in a group's UAR, and the emotions that it lacks."""
    lacking = f", no {' or '.join(group.missing)}" if group.missing else ""
    return f"{len(group.emotions)}{lacking}"


def languages(evaluation: Evaluation, predictor: str) -> str:
    """Scores by language; empty if all clips are in one language."""
    if len({name for role in evaluation.roles.values() for name in role.predictors[predictor].languages}) < 2:
        return ""
    parts = []
    for name, role in evaluation.roles.items():
        rows = [
            (language, group.clips, group.speakers, _emotions_in(group), estimate(group.accuracy), estimate(group.uar))
            for language, group in role.predictors[predictor].languages.items()
        ]
        listed = table(("language", "clips", "speakers", "emotions", "accuracy", "UAR"), rows)
        parts.append(f"**{_heading(name)}**\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def _group_row(name: str, group: GroupScores) -> tuple[object, ...]:
    return name, group.clips, group.speakers, estimate(group.accuracy), estimate(group.uar)


def corpora(evaluation: Evaluation, predictor: str) -> str:
    """Scores by corpus, and the gap within each corpus that has seen and unseen speakers."""
    parts = []
    for name, role in evaluation.roles.items():
        rows = [
            (corpus, group.clips, group.speakers, _emotions_in(group), estimate(group.accuracy), estimate(group.uar))
            for corpus, group in role.predictors[predictor].corpora.items()
        ]
        listed = table(("corpus", "clips", "speakers", "emotions", "accuracy", "UAR"), rows)
        parts.append(f"**{_heading(name)}**\n\n{listed}")
    gaps = evaluation.corpus_gaps.get(predictor)
    if gaps:
        gap_rows = [(corpus, points(found["accuracy"]), points(found["uar"])) for corpus, found in gaps.items()]
        listed = table(("corpus", "accuracy", "UAR"), gap_rows)
        parts.append(f"**Heard minus never heard speakers**, in points\n\n{listed}")
    return "\n\n".join(parts) + "\n"


def fairness(evaluation: Evaluation, predictor: str) -> str:
    """Scores by gender, overall and within each corpus, and their difference."""
    parts = []
    for name, role in evaluation.roles.items():
        report = role.predictors[predictor]
        within = report.corpora_genders if len(report.corpora) > 1 else {}
        rows = [_group_row(gender, group) for gender, group in {**report.genders, **within}.items()]
        gap = (
            f"Female minus male: UAR {points(report.gender_gap['uar'])} points."
            if report.gender_gap
            else "One gender alone is heard here."
            if report.genders
            else "The gender of nobody is known here."
        )
        parts.append(
            f"**{_heading(name)}**\n\n{table(('clips of', 'clips', 'speakers', 'accuracy', 'UAR'), rows)}\n\n{gap}"
        )
    return "\n\n".join(parts) + "\n"


def failures(report: PredictorReport) -> str:
    """The most confused pairs of emotions, the worst corpora and the worst speakers."""
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
    """Calibration, and accuracy when only confident answers are given."""
    rows = [
        (
            f"{predictor}, {ROLE_TITLES[name]}",
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
