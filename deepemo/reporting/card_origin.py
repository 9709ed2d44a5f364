"""Sections of the model card on recordings of other origin: corpora never heard, and the confidence in them."""

import math
from collections.abc import Mapping
from typing import Any

from deepemo.evaluation.confidence import Operating
from deepemo.evaluation.groups import Estimate
from deepemo.evaluation.other_origin import LEAST_COVERAGE, OtherOrigin
from deepemo.evaluation.report import SEEN, UNSEEN, Evaluation, RoleReport
from deepemo.models.registry import ENSEMBLE
from deepemo.reporting.markdown import estimate, per_cent, table

SIBLINGS = """\
Each corpus was left out in turn: models with the same params learned from the others, and named all good clips of it.
They are siblings of the models of this run and learned from less, so the run's own may do a little better on a corpus
that is new to them; that cannot be measured here. Recalls are averaged over the emotions that a corpus has, and chance
is guessing among these."""


def three_questions(evaluation: Evaluation) -> str:
    """Accuracy and UAR of every predictor on voices heard, voices never heard, and corpora never heard."""
    rows = [
        (
            predictor,
            _role(evaluation.roles.get(SEEN), predictor),
            _role(evaluation.roles.get(UNSEEN), predictor),
            _pair(evaluation.cross_corpus["mean"].get(predictor)),
        )
        for predictor in evaluation.confidences
    ]
    header = ("accuracy / UAR on", "voices heard", "voices never heard", "corpora never heard")
    return f"{table(header, rows)}\n\n{_origin_of_the_last_column(evaluation)}\n"


def _role(role: RoleReport | None, predictor: str) -> str:
    if role is None:
        return "-"
    overall = role.predictors[predictor].overall
    return f"{per_cent(overall.accuracy.value)} / {per_cent(overall.uar.value)}"


def _pair(figures: Mapping[str, Any] | None) -> str:
    return "not known" if figures is None else f"{per_cent(figures['accuracy'])} / {per_cent(figures['uar'])}"


def _origin_of_the_last_column(evaluation: Evaluation) -> str:
    summary = evaluation.cross_corpus
    if not summary["asked"]:
        return (
            f"A recording of somebody's own comes from a corpus never heard. {_sentence(summary['reason'])} Expect "
            "less than on voices never heard."
        )
    count = len(summary["corpora"])
    return (
        "**A recording of somebody's own comes from a corpus never heard: expect the last column.** It is the mean "
        f"over {count} corpora, each left out of training in turn (below){_absent(evaluation)}."
    )


def _absent(evaluation: Evaluation) -> str:
    """A sentence if some models of the ensemble were not trained without each corpus; empty otherwise."""
    absent = [
        name
        for name, weight in evaluation.ensemble_weights.items()
        if weight and name not in evaluation.cross_corpus["families"]
    ]
    if ENSEMBLE not in evaluation.confidences or not absent:
        return ""
    return f"; {' and '.join(absent)} took no part in it, and the ensemble there is one of the other models"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def corpora_never_heard(evaluation: Evaluation) -> str:
    """Figures on each corpus that was left out of training, or why none was."""
    summary = evaluation.cross_corpus
    if not summary["asked"]:
        return _sentence(summary["reason"]) + "\n"
    rows = [
        (
            f"{name} ({corpus['clips']} clips, {corpus['speakers']} speakers)",
            *(_interval(found, "uar") for found in corpus["predictors"].values()),
            per_cent(corpus["chance"]["uar"]),
        )
        for name, corpus in summary["corpora"].items()
    ]
    means = summary["mean"]
    rows.append(
        ("**mean**", *(f"**{per_cent(mean['uar'])}**" for mean in means.values()), per_cent(summary["chance"]["uar"]))
    )
    uars = table(("UAR on", *means, "chance"), rows)
    accuracies = ", ".join(
        f"{name} {per_cent(mean['accuracy'])} (from {per_cent(mean['lowest_accuracy'])} to "
        f"{per_cent(mean['highest_accuracy'])})"
        for name, mean in means.items()
    )
    refused = "".join(f"\n\nNot left out: {words}." for words in summary["refused"].values())
    return f"{SIBLINGS}\n\n{uars}\n\nMean accuracy over the corpora, and its range: {accuracies}.{refused}\n"


def _interval(found: Mapping[str, Any], figure: str) -> str:
    low, high = (math.nan if end is None else end for end in found[f"{figure}_ci95"])
    return estimate(Estimate(found[figure], low, high))


def confidence(evaluation: Evaluation) -> str:
    """Temperature and threshold for recordings of other origin, and whether their answers are as good as wanted."""
    if not evaluation.other_origins:
        return (
            "For recordings of other origin nothing was fitted, for no corpus was left out of training: probabilities "
            "and threshold above are for the corpora of the run, and promise nothing elsewhere.\n"
        )
    rows = [
        (
            name,
            f"{found.temperature:.2f}",
            f"{found.threshold:.2f}",
            per_cent(found.left_out.coverage),
            per_cent(found.left_out.accuracy),
            _answers(found.tested_overall),
            _answers(found.by_validation),
        )
        for name, found in evaluation.other_origins.items()
    ]
    header = (
        "predictor", "temperature", "threshold", "answered", "accuracy of answers",
        "tested", "with the threshold above",
    )  # fmt: skip
    return (
        "**Recordings of other origin.** Temperature and threshold were fitted a second time, on the clips of the "
        "corpora that were left out of training, every corpus with the same weight: the lowest confidence from which "
        f"answers reach the wanted accuracy while at least {per_cent(LEAST_COVERAGE)} of the clips are answered, or, "
        "if none does, the one that comes nearest to it.\n\n"
        f"{table(header, rows)}\n\n"
        "*Tested*: temperature and threshold fitted on all left-out corpora but one, and judged on that one: accuracy "
        "of the answers over all of them, and in brackets the share of clips answered. Neither the models nor their "
        "confidence knew the corpus, so this is the test of the promise. *With the threshold above*: what temperature "
        "and threshold of validation give on the same clips.\n\n"
        f"{_promise(evaluation.chosen, evaluation.other_origins.get(evaluation.chosen))}\n"
    )


def _answers(found: Operating | None) -> str:
    return "-" if found is None else f"{per_cent(found.accuracy)} ({per_cent(found.coverage)})"


def _promise(predictor: str, found: OtherOrigin | None) -> str:
    """Which threshold serving uses, and how good its answers are."""
    if found is None:
        return f"{predictor} was not trained without each corpus: serving answers with the threshold of validation."
    wanted = per_cent(found.wanted_accuracy)
    tested = found.tested_overall or found.left_out
    by_corpus = "".join(f"; {name} {_answers(result)}" for name, result in found.tested.items())
    if tested.accuracy is not None and tested.accuracy >= found.wanted_accuracy:
        holds = f"The promise of {wanted} holds on corpora never heard: {_answers(tested)} in this test{by_corpus}."
    else:
        holds = (
            f"**The promise of {wanted} does not hold on corpora never heard**: {_answers(tested)} in this test"
            f"{by_corpus}. It is missed by {_missed(found.wanted_accuracy, tested)}, and with the threshold of "
            f"validation by {_missed(found.wanted_accuracy, found.by_validation)}."
        )
    return (
        f"{holds}\n\nServing takes recordings to be of other origin: {predictor} answers from {found.threshold:.2f} "
        "on, by the probabilities of this second temperature. `--origin heard` chooses temperature and threshold of "
        "validation."
    )


def _missed(wanted: float, found: Operating) -> str:
    return "all of it, without answers" if found.accuracy is None else f"{100 * (wanted - found.accuracy):.1f} points"
