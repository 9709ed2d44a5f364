"""Corpora by corpora: each corpus alone trains models, and every corpus is judged by them.

Models on the diagonal are judged on clips of their own corpus that neither training nor validation saw. All others
never heard the corpus that they are judged on. Models tell apart the emotions that their corpus has, and a pair of
corpora is judged on the emotions that both have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from deepemo.dataset.split import TEST_CORPUS, TEST_SEEN, TEST_UNSEEN, TRAIN, VALIDATION, voices_heard
from deepemo.emotions import MIN_EMOTIONS, Emotions
from deepemo.evaluation import leakage
from deepemo.evaluation.cross_corpus import figures_of, learned_corpora, mean_of
from deepemo.evaluation.ensemble import fit_weights
from deepemo.evaluation.groups import BY_SPEAKER, Resampling
from deepemo.evaluation.metrics import rounded
from deepemo.evaluation.predictions import Predictions, predict
from deepemo.evaluation.siblings import train_siblings
from deepemo.params import Params


@dataclass(frozen=True)
class TrainedAlone:
    """Predictions for the clips of every corpus by models that learned from one corpus alone.

    Attributes:
        corpus: its name.
        training_clips: number of clips that they learned from.
        weights: of each model in their ensemble, fitted on the validation clips of the corpus.
        predictions: by every model and their ensemble, of the clips whose emotions the corpus has: all good clips of
            other corpora, and the test clips of its own.
    """

    corpus: str
    training_clips: int
    weights: dict[str, float]
    predictions: Predictions


def emotions_of(split: pd.DataFrame, corpus: str, emotions: Emotions) -> Emotions:
    """The emotions of a run that a corpus has training clips of, in their order."""
    learned = set(split.loc[(split["corpus"] == corpus) & (split["role"] == TRAIN), "emotion"])
    return tuple(emotion for emotion in emotions if emotion in learned)


def alone(split: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """The split table in which all clips of all other corpora have the role of a corpus never heard."""
    return split.assign(role=split["role"].mask(split["corpus"] != corpus, TEST_CORPUS))


def why_not_alone(split: pd.DataFrame, corpus: str, emotions: Emotions) -> str:
    """The reason why models cannot be trained on a corpus alone; empty if they can."""
    learned = emotions_of(split, corpus, emotions)
    if len(learned) < MIN_EMOTIONS:
        return f"{corpus} has training clips of {' and '.join(learned) or 'no emotion'} alone"
    own = split[(split["corpus"] == corpus) & (split["role"] == VALIDATION)]
    if not own["emotion"].isin(learned).any():
        return f"{corpus} has no validation clip"
    return ""


def train_alone(params: Params, split: pd.DataFrame, clips: pd.DataFrame, corpus: str, *, resume: Path) -> TrainedAlone:
    """Train models on one corpus, and let them predict the clips of every corpus that the run learns from.

    Of the corpus itself, these are the test clips of speakers never heard, or of speakers heard if there are no others.

    Args:
        params: of the run.
        split: the split table.
        clips: the good rows of the clip table.
        corpus: the one to learn from.
        resume: folder for finished models, and for checkpoints of unfinished ones.

    Raises:
        InputError: a recording or a voice of another corpus is also in training or validation under another name.
    """
    table = alone(split, corpus)
    leakage.check_roles(table, source=f"split with {corpus} alone")
    leakage.check_content(table, clips, source=f"split with {corpus} alone")
    emotions = emotions_of(split, corpus, params.emotions)
    table = table[table["emotion"].isin(emotions)]
    own = table[table["corpus"] == corpus]
    tested = TEST_UNSEEN if (own["role"] == TEST_UNSEEN).any() else TEST_SEEN
    judged = pd.concat(
        [
            own[own["role"].isin([VALIDATION, tested])],
            table[table["corpus"].isin(learned_corpora(split)) & (table["corpus"] != corpus)],
        ]
    )
    params = params.model_copy(update={"emotions": emotions})
    siblings = train_siblings(params, table, clips, resume / corpus)
    judged_by = {
        name: sibling.on_cached(params, judged["clip"], batch_size=params.cross_corpus.batch_size)
        for name, sibling in siblings.items()
    }
    predictions = predict(judged, judged_by, emotions)
    weights = fit_weights(predictions.where("role", VALIDATION), voices_heard(table))
    return TrainedAlone(
        corpus=corpus,
        training_clips=int((table["role"] == TRAIN).sum()),
        weights=weights,
        predictions=predictions.with_ensemble(weights).without("role", VALIDATION),
    )


def judge_alone(
    params: Params, split: pd.DataFrame, clips: pd.DataFrame, corpus: str, *, resume: Path
) -> dict[str, Any]:
    """Train models on one corpus, and judge every corpus by them: `train_alone`, then `row_of`."""
    trained = train_alone(params, split, clips, corpus, resume=resume)
    return row_of(trained, learned_corpora(split), samples=params.cross_corpus.bootstrap_samples, seed=params.seed)


def why_no_pairs(params: Params, corpora: Sequence[str]) -> str:
    """The reason why the run asks nothing about pairs of corpora; empty if it asks."""
    if not params.cross_corpus.pairs:
        return "cross_corpus.pairs is false"
    return "" if len(corpora) > 1 else f"the models learn from one corpus alone, {' '.join(corpora)}"


def summarize_pairs(
    rows: Mapping[str, dict[str, Any]], corpora: Sequence[str], refused: Mapping[str, str], reason: str = ""
) -> dict[str, Any]:
    """Content of metrics/cross_corpus_pairs.json.

    Recalls are averaged over the emotions that both corpora have. An answer with another emotion is a mistake. Chance
    is the UAR of guessing among the emotions that both have.

    Args:
        rows: by the name of each corpus that trained models, see `row_of`.
        corpora: names of all corpora that are judged.
        refused: by the name of each other corpus, why it trained none.
        reason: see `why_no_pairs`.

    Returns:
        By predictor the mean over the pairs of one corpus with itself, and over the pairs of two corpora; then each
        corpus that trained models, with each corpus that they were judged on, or why they were not. If no pair was
        judged, `asked` is 0 and `reason` says why.
    """
    kinds = {
        kind: [
            cell for name, row in rows.items() for other, cell in row["judged_on"].items() if (name == other) == same
        ]
        for kind, same in (("same_corpus", True), ("other_corpora", False))
    }
    kinds = {kind: cells for kind, cells in kinds.items() if cells}
    predictors = next(iter(kinds.values()))[0]["predictors"] if kinds else ()
    why = [*refused.values(), *(words for row in rows.values() for words in row["not_judged"].values())]
    return {
        "asked": int(bool(kinds)),
        "reason": "" if kinds else reason or "; ".join(why),
        "corpora": list(corpora),
        "mean": {
            name: {kind: mean_of(cell["predictors"][name]["uar"] for cell in cells) for kind, cells in kinds.items()}
            for name in predictors
        },
        "chance": {kind: mean_of(cell["chance"]["uar"] for cell in cells) for kind, cells in kinds.items()},
        "trained_on": dict(rows),
        "refused": dict(refused),
    }


def row_of(each: TrainedAlone, corpora: Sequence[str], *, samples: int, seed: int) -> dict[str, Any]:
    """The figures of models that learned from one corpus, on each corpus; a part of `summarize_pairs`.

    Args:
        each: the corpus, and the predictions of its models.
        corpora: names of all corpora that are judged.
        samples: bootstrap samples of each interval.
        seed: of the draws.
    """
    resampling = Resampling(samples, seed, BY_SPEAKER)
    judged_on, not_judged = {}, {}
    for corpus in corpora:
        predictions = each.predictions.where("corpus", corpus)
        shared = [emotion for emotion in predictions.emotions if emotion in set(predictions.clips["emotion"])]
        if len(shared) >= MIN_EMOTIONS:
            judged_on[corpus] = _cell(predictions, shared, resampling)
        elif corpus == each.corpus:
            not_judged[corpus] = f"{corpus} has test clips of {' and '.join(shared) or 'no emotion'} alone"
        else:
            not_judged[corpus] = (
                f"{each.corpus} and {corpus} have {' and '.join(shared) or 'no emotion'} alone in common"
            )
    return {
        "training_clips": each.training_clips,
        "emotions": list(each.predictions.emotions),
        "ensemble_weights": each.weights,
        "judged_on": judged_on,
        "not_judged": not_judged,
    }


def _cell(predictions: Predictions, emotions: Sequence[str], resampling: Resampling) -> dict[str, Any]:
    clips = predictions.clips
    return {
        "role": clips["role"].iloc[0],
        "clips": len(clips),
        "speakers": int(clips["speaker"].nunique()),
        "emotions": list(emotions),
        "chance": {"uar": rounded(1 / len(emotions))},
        "predictors": {name: figures_of(predictions, name, resampling) for name in predictions.predictors},
    }


def uar_of_pairs(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `summarize_pairs` that metrics/cross_corpus.json holds: by predictor and pair, the UAR alone."""
    return {
        **{name: summary[name] for name in ("asked", "reason", "mean", "chance")},
        "uar": {
            predictor: {
                name: {other: cell["predictors"][predictor]["uar"] for other, cell in row["judged_on"].items()}
                for name, row in summary["trained_on"].items()
            }
            for predictor in summary["mean"]
        },
        "refused": summary["refused"],
    }
