"""Both questions about other corpora, which a run asks at once: each corpus left out, and each corpus alone."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.dataset.split import TRAIN
from deepemo.evaluation.cross_corpus import LeftOut, learned_corpora, leave_out, why_not
from deepemo.evaluation.pairs import judge_alone, summarize_pairs, why_no_pairs, why_not_alone
from deepemo.evaluation.siblings import for_each
from deepemo.params import Params

# How the models of a task learn: from all corpora but one, or from one.
LEAVE_OUT, ALONE = "left_out", "alone"
Task = tuple[str, str]  # one of these, and the corpus


def ask_about_corpora(
    params: Params, split: pd.DataFrame, clips: pd.DataFrame, *, resume: Path
) -> tuple[list[LeftOut], dict[str, str], dict[str, Any]]:
    """Train models without each corpus and on each corpus alone, and judge them.

    Args:
        params: of the run.
        split: the split table.
        clips: the good rows of the clip table.
        resume: folder for finished models, and for checkpoints of unfinished ones.

    Returns:
        The corpora that were left out; by the name of each other corpus, why it could not be left out; and the content
        of metrics/cross_corpus_pairs.json.

    Raises:
        InputError: two corpora share a recording or a voice, or a process was killed.
    """
    corpora = learned_corpora(split)
    refused = {name: words for name in corpora if (words := why_not(split, name, params.emotions))}
    refused_alone = {name: words for name in corpora if (words := why_not_alone(split, name, params.emotions))}
    reason = why_no_pairs(params, corpora)
    without = [(LEAVE_OUT, name) for name in corpora if name not in refused]
    alone = [] if reason else [(ALONE, name) for name in corpora if name not in refused_alone]
    learned = split.loc[split["role"] == TRAIN, "corpus"].value_counts()

    def clips_of(task: Task) -> int:
        how, corpus = task
        return int(learned[corpus] if how == ALONE else learned.sum() - learned[corpus])

    work = partial(_judge, params, split, clips, resume)
    workers = params.cross_corpus.workers
    results = for_each(work, [*without, *alone], clips_of, workers=workers, seed=params.seed)
    rows = {name: row for (_, name), row in zip(alone, results[len(without) :], strict=True)}
    return results[: len(without)], refused, summarize_pairs(rows, corpora, refused_alone, reason)


def _judge(params: Params, split: pd.DataFrame, clips: pd.DataFrame, resume: Path, task: Task) -> Any:
    how, corpus = task
    judge = leave_out if how == LEAVE_OUT else judge_alone
    return judge(params, split, clips, corpus, resume=resume / how)
