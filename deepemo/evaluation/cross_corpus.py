"""Corpora never heard: each corpus in turn is left out of training, and models of the other corpora are judged on it.

The judged models are siblings of the run's own models: they have the same params and seed, but fewer corpora.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepemo.arrays import Float32Array
from deepemo.dataset.split import TEST_CORPUS, TRAIN, VALIDATION, voices_heard
from deepemo.emotions import Emotions
from deepemo.evaluation import leakage
from deepemo.evaluation.ensemble import fit_weights
from deepemo.evaluation.groups import BY_SPEAKER, Resampling, score
from deepemo.evaluation.metrics import DIGITS, rounded
from deepemo.evaluation.predictions import CLIP_COLUMNS, Predictions, predict, write_predictions
from deepemo.evaluation.references import REFERENCES, components_of, voice_part, voices_among, with_references
from deepemo.evaluation.siblings import train_siblings
from deepemo.files import write_csv
from deepemo.models.family import VoiceModel
from deepemo.models.registry import ENSEMBLE
from deepemo.params import Params

FIGURES = ("accuracy", "uar")


def learned_corpora(split: pd.DataFrame) -> list[str]:
    """Names of the corpora that have training clips, sorted. A corpus that the split holds out is not among them."""
    return sorted(split.loc[split["role"] == TRAIN, "corpus"].unique())


def without(split: pd.DataFrame, corpus: str) -> pd.DataFrame:
    """The split table in which all clips of a corpus have the role of a corpus never heard."""
    return split.assign(role=split["role"].mask(split["corpus"] == corpus, TEST_CORPUS))


def why_not(split: pd.DataFrame, corpus: str, emotions: Emotions) -> str:
    """The reason why models of some emotions cannot be trained without a corpus; empty if they can."""
    others = without(split, corpus)
    learned = set(others.loc[others["role"] == TRAIN, "emotion"])
    missing = [emotion for emotion in emotions if emotion not in learned]
    if not learned:
        return f"the models learn from one corpus alone, {corpus}"
    if missing:
        return f"without {corpus}, no training clip is left of {' and '.join(missing)}"
    if not (others["role"] == VALIDATION).any():
        return f"without {corpus}, no validation clip is left"
    return ""


@dataclass(frozen=True)
class LeftOut:
    """Predictions for the clips of a corpus by models that never heard it.

    Attributes:
        corpus: its name.
        learned_from: the corpora that the models learned from.
        weights: of each model in their ensemble, fitted on the validation clips of these corpora.
        predictions: of all good clips of the corpus, by every model and their ensemble.
        known_voices: predictions by the number of known other recordings of a clip's voice; empty if no model takes
            references.
    """

    corpus: str
    learned_from: list[str]
    weights: dict[str, float]
    predictions: Predictions
    known_voices: dict[str, Predictions]


def leave_out(params: Params, split: pd.DataFrame, clips: pd.DataFrame, corpus: str, *, resume: Path) -> LeftOut:
    """Train models on all corpora but one, and let them predict the clips of that corpus.

    Args:
        params: of the run.
        split: the split table.
        clips: the good rows of the clip table.
        corpus: the one that is left out.
        resume: folder for finished models, and for checkpoints of unfinished ones.

    Raises:
        InputError: a recording or a voice of the corpus is also in training or validation under another name.
    """
    others = without(split, corpus)
    leakage.check_roles(others, source=f"split without {corpus}")
    leakage.check_content(others, clips, source=f"split without {corpus}")
    judged = others[(others["role"] == VALIDATION) | (others["corpus"] == corpus)]
    siblings = train_siblings(params, others, clips, resume / corpus)
    batch_size = params.cross_corpus.batch_size
    judged_by = {
        name: sibling.on_cached(params, judged["clip"], batch_size=batch_size) for name, sibling in siblings.items()
    }
    predictions = predict(judged, judged_by, params.emotions)
    heard = voices_heard(others)
    weights = fit_weights(predictions.where("role", VALIDATION), heard)
    known_voices = {}
    if (found := voice_part({name: sibling.model for name, sibling in siblings.items()})) is not None:
        part, model = found
        inputs = siblings[part].inputs(judged["clip"], batch_size=batch_size)
        components = components_of(model, inputs, judged["clip"])
        known_voices = _known_voices(predictions, part, model, components, heard, seed=params.seed)
    return LeftOut(
        corpus=corpus,
        learned_from=learned_corpora(others),
        weights=weights,
        predictions=predictions.with_ensemble(weights).where("corpus", corpus),
        known_voices=known_voices,
    )


def _known_voices(
    predictions: Predictions,
    part: str,
    model: VoiceModel,
    components: Float32Array,
    heard: Collection[str],
    *,
    seed: int,
) -> dict[str, Predictions]:
    """Predictions for the clips of the corpus, by the number of known recordings of their voice.

    The weights of the models are fitted on validation clips, with all other recordings of a voice as its reference, as
    in `evaluate`.
    """
    voices = {role: voices_among(predictions, components, role) for role in (VALIDATION, TEST_CORPUS)}

    def relative(role: str, recordings: int | None) -> Predictions:
        chosen, random = predictions.where("role", role), np.random.default_rng([seed, 0])
        return with_references(chosen, part, model, voices[role], recordings, random)

    weights = fit_weights(relative(VALIDATION, None), heard)
    return {size: relative(TEST_CORPUS, recordings).with_ensemble(weights) for size, recordings in REFERENCES.items()}


def joined(found: Sequence[LeftOut]) -> Predictions:
    """The predictions for the clips of all corpora that were left out, at least one."""
    return Predictions(
        pd.concat([left.predictions.clips for left in found], ignore_index=True),
        {
            name: np.concatenate([left.predictions.probabilities[name] for left in found])
            for name in found[0].predictions.predictors
        },
        found[0].predictions.emotions,
    )


def write_left_out(path: Path, found: Sequence[LeftOut], emotions: Emotions) -> None:
    """Write `joined` as `write_predictions` does; if no corpus was left out, write a table without rows."""
    if found:
        write_predictions(path, joined(found))
    else:
        write_csv(path, pd.DataFrame(columns=[*CLIP_COLUMNS, "predictor", *emotions]))


def summarize(
    found: Sequence[LeftOut], refused: Mapping[str, str], families: Sequence[str], *, samples: int, seed: int
) -> dict[str, Any]:
    """Content of metrics/cross_corpus.json.

    Recalls are averaged over the emotions that the corpus has. An answer with another emotion is a mistake. Chance is
    the UAR of guessing among the emotions of the corpus.

    Args:
        found: the corpora that were left out.
        refused: by the name of each other corpus, why it could not be left out.
        families: names of the families that were trained without each corpus, and so make up the ensemble.
        samples: bootstrap samples of each interval.
        seed: of the draws.

    Returns:
        By predictor, the mean over corpora and its range; the same with references of the voice, by the number of their
        recordings; then each corpus. If no corpus could be left out, `asked` is 0 and `reason` says why.
    """
    resampling = Resampling(samples, seed, BY_SPEAKER)
    corpora = {left.corpus: _corpus(left, resampling) for left in found}
    predictors = found[0].predictions.predictors if found else ()
    sizes = found[0].known_voices if found else ()
    reason = "" if found else _reason(refused)
    return {
        "asked": int(bool(found)),
        "reason": reason,
        "families": list(families),
        "mean": {name: _mean([corpus["predictors"][name] for corpus in corpora.values()]) for name in predictors},
        "known_voices": {size: _mean([corpus["known_voices"][size] for corpus in corpora.values()]) for size in sizes},
        "chance": {"uar": mean_of(corpus["chance"]["uar"] for corpus in corpora.values())} if found else {},
        "corpora": corpora,
        "refused": dict(refused),
    }


def _reason(refused: Mapping[str, str]) -> str:
    words = "; ".join(refused.values()) or "no corpus has training clips"
    return f"how the models do on a corpus never heard cannot be asked: {words}"


def _corpus(left: LeftOut, resampling: Resampling) -> dict[str, Any]:
    clips = left.predictions.clips
    return {
        "clips": len(clips),
        "speakers": int(clips["speaker"].nunique()),
        "emotions": int(clips["emotion"].nunique()),
        "chance": {"uar": rounded(1 / clips["emotion"].nunique())},
        "learned_from": left.learned_from,
        "ensemble_weights": left.weights,
        "predictors": {name: figures_of(left.predictions, name, resampling) for name in left.predictions.predictors},
        "known_voices": {size: figures_of(known, ENSEMBLE, resampling) for size, known in left.known_voices.items()},
    }


def figures_of(predictions: Predictions, predictor: str, resampling: Resampling) -> dict[str, Any]:
    """Number of clips, accuracy and UAR of a predictor with their 95 % intervals, rounded, for JSON."""
    scores = score(predictions, predictor, resampling)
    estimates = {figure: getattr(scores, figure) for figure in FIGURES}
    return {
        "clips": scores.clips,
        **{figure: rounded(found.value) for figure, found in estimates.items()},
        **{f"{figure}_ci95": found.interval for figure, found in estimates.items()},
    }


def _mean(corpora: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {"corpora": len(corpora), "clips": sum(corpus["clips"] for corpus in corpora)}
    for figure in FIGURES:
        values = [corpus[figure] for corpus in corpora]
        content |= {figure: mean_of(values), f"lowest_{figure}": min(values), f"highest_{figure}": max(values)}
    return content


def mean_of(values: Iterable[float]) -> float:
    """The mean of at least one figure, rounded, for JSON."""
    return round(float(np.mean(list(values))), DIGITS)
