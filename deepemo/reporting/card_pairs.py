"""Section of the model card on models that learned from one corpus alone."""

from collections.abc import Mapping
from typing import Any

from deepemo.dataset.split import TEST_SEEN
from deepemo.models.registry import ENSEMBLE
from deepemo.reporting.markdown import per_cent, table

QUESTION = """\
Models with the same params learned from each corpus alone (rows) and named clips of every corpus (columns): UAR of
**{predictor}** over the emotions that both corpora have. Bold: new clips of the corpus learned from, of speakers never
heard; elsewhere, all good clips."""


def corpora_by_corpora(pairs: Mapping[str, Any], chosen: str) -> str:
    """UAR by the corpus learned from and the corpus judged, or why it is not known.

    Args:
        pairs: content of metrics/cross_corpus_pairs.json.
        chosen: the predictor to show; if it was not trained on each corpus, the ensemble of those that were.
    """
    if not pairs["asked"]:
        return f"Not asked: {pairs['reason']}.\n"
    predictor = chosen if chosen in pairs["mean"] else ENSEMBLE
    rows = [
        (name, *(_uar(name, other, row["judged_on"].get(other), predictor) for other in pairs["corpora"]))
        for name, row in pairs["trained_on"].items()
    ]
    means, chance = pairs["mean"][predictor], pairs["chance"]
    words = {"same_corpus": "on the corpus learned from", "other_corpora": "on the others"}
    mean = ", ".join(
        f"{words[kind]} {per_cent(value)} (chance {per_cent(chance[kind])})" for kind, value in means.items()
    )
    heard = [
        name for name, row in pairs["trained_on"].items() if row["judged_on"].get(name, {}).get("role") == TEST_SEEN
    ]
    notes = [
        *(f"\\*: {name} has no test clips of speakers never heard; these are of speakers heard." for name in heard),
        *(f"Not trained: {words}." for words in pairs["refused"].values()),
        *(f"Not judged: {words}." for row in pairs["trained_on"].values() for words in row["not_judged"].values()),
    ]
    return (
        "\n\n".join(
            [
                QUESTION.format(predictor=predictor),
                table(("learned from", *pairs["corpora"]), rows),
                f"Mean over the pairs: {mean}.",
                *notes,
            ]
        )
        + "\n"
    )


def _uar(learned: str, judged: str, cell: Mapping[str, Any] | None, predictor: str) -> str:
    if cell is None:
        return "-"
    uar = per_cent(cell["predictors"][predictor]["uar"])
    return f"**{uar}**" + ("\\*" if cell["role"] == TEST_SEEN else "") if learned == judged else uar
