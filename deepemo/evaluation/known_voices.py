"""What it is worth to know the voice: clips judged with references of some other recordings of their voice.

A clip is never part of its own reference, and references are made of clips of its own role alone, so that nothing of
training is in them. Labels play no part in a reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.dataset.split import VALIDATION
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.confidence import Confidence, fit_confidence
from deepemo.evaluation.ensemble import fit_weights
from deepemo.evaluation.groups import BY_SPEAKER, GroupScores, Resampling, score
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.references import REFERENCES, WITHOUT, with_references
from deepemo.evaluation.report import LEFT_OUT_CORPORA, ROLE_NAMES, UNSEEN, UNSEEN_CORPUS
from deepemo.models.family import VoiceModel
from deepemo.models.registry import ENSEMBLE
from deepemo.models.voice import LEAST_RECORDINGS, deviations, voices_of

# Sizes of references that are tried on validation, the smallest first, and how often each clip's is drawn.
TRIED_RECORDINGS = (LEAST_RECORDINGS, 5, 10, 20, 40)
DRAWS = 5
# Of the median deviation of references: below it are recordings that are nearly copies of one another. Recordings that
# express one emotion deviate hardly less than others, so that no limit tells them.
TOO_ALIKE_SHARE = 0.5


@dataclass(frozen=True)
class KnownVoices:
    """How clips are answered whose voice is known, and how well.

    Attributes:
        part: the predictor that hears how a clip differs from others of its voice.
        weights: of each predictor in the weighted mean that answers, fitted on validation.
        confidence: of that mean, fitted on validation with all others as reference.
        least_recordings: in a reference that does no harm: from this number on, UAR on validation is at least that of
            the ensemble that hears a clip alone; None if it never is.
        least_deviation: below which the recordings of a reference are too much alike, see `deviations`.
        roles: scores by test role and number of recordings, `0` for the ensemble that hears a clip alone.
        left_out_corpora: accuracy, UAR, clips and corpora of siblings on corpora that they never heard, by number of
            recordings, see `deepemo.evaluation.cross_corpus`; empty where no corpus was left out.
    """

    part: str
    weights: dict[str, float]
    confidence: Confidence
    least_recordings: int | None
    least_deviation: float
    roles: dict[str, dict[str, GroupScores]]
    left_out_corpora: dict[str, dict[str, float]]


def judge_known_voices(
    predictions: Predictions,
    part: str,
    model: VoiceModel,
    components: Float32Array,
    *,
    cross_corpus: Mapping[str, Any],
    wanted_accuracy: float,
    samples: int,
    seed: int,
) -> KnownVoices:
    """Fit how clips of known voices are answered on validation, and judge it on voices that were not in training.

    Args:
        predictions: of clips of all roles but training, the ensemble among them.
        part: name of the predictor that takes references.
        model: its network.
        components: of the clips of `predictions`, float32 [n, components].
        cross_corpus: content of metrics/cross_corpus.json.
        wanted_accuracy: of the answers given.
        samples: bootstrap samples of each interval.
        seed: of the draws of references and resamples.
    """
    roles = predictions.clips["role"].to_numpy()

    def relative(role: str, recordings: int | None, *, draw: int = 0) -> Predictions:
        """Predictions of a role's clips in which the part knows their voices; each draw takes other references."""
        random = np.random.default_rng([seed, draw])
        chosen, own = predictions.where("role", role), components[roles == role]
        return with_references(chosen, part, model, own, recordings, random)

    validation = relative(VALIDATION, None)
    weights = fit_weights(validation)
    alone = _uar(predictions.where("role", VALIDATION))
    tried = {
        size: [_uar(relative(VALIDATION, size, draw=draw).with_ensemble(weights)) for draw in range(DRAWS)]
        for size in TRIED_RECORDINGS
    }
    judged: dict[str, dict[str, GroupScores]] = {}
    for role, name in ROLE_NAMES.items():
        if name not in (UNSEEN, UNSEEN_CORPUS) or role not in roles:
            continue
        resampling = Resampling(samples, seed, BY_SPEAKER)
        judged[name] = {WITHOUT: score(predictions.where("role", role), ENSEMBLE, resampling)}
        for size, recordings in REFERENCES.items():
            judged[name][size] = score(relative(role, recordings).with_ensemble(weights), ENSEMBLE, resampling)
    return KnownVoices(
        part=part,
        weights=weights,
        confidence=fit_confidence(validation.with_ensemble(weights), ENSEMBLE, wanted_accuracy),
        least_recordings=least_harmless({size: float(np.mean(uars)) for size, uars in tried.items()}, alone),
        least_deviation=_least_deviation(components[roles == VALIDATION], voices_of(validation.clips), seed),
        roles=judged,
        left_out_corpora=_left_out_corpora(cross_corpus),
    )


def _left_out_corpora(cross_corpus: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Means over the corpora that were left out, without references and with them; empty if none were made there."""
    if not cross_corpus.get("known_voices"):
        return {}
    sizes = {WITHOUT: cross_corpus["mean"][ENSEMBLE], **cross_corpus["known_voices"]}
    names = ("accuracy", "uar", "clips", "corpora")
    return {size: {name: mean[name] for name in names} for size, mean in sizes.items()}


def least_harmless(uars: Mapping[int, float], alone: float) -> int | None:
    """The smallest size from which on no reference is worse than none.

    Args:
        uars: UAR with references of each size.
        alone: UAR without.

    Example:
        >>> least_harmless({3: 0.70, 5: 0.76, 10: 0.74, 20: 0.77, 40: 0.79}, alone=0.75)
        20
    """
    least = None
    for size in sorted(uars, reverse=True):
        if uars[size] < alone:
            break
        least = size
    return least


def _uar(predictions: Predictions) -> float:
    counts = scores.confusion(predictions.labels, predictions.answers(ENSEMBLE), len(predictions.emotions))
    return float(scores.uar(counts))


def _least_deviation(components: Float32Array, voices: list[str], seed: int) -> float:
    """Below which recordings are nearly copies; 0 where no voice of validation has enough recordings to tell."""
    found = deviations(components, voices, LEAST_RECORDINGS, np.random.default_rng(seed))
    return TOO_ALIKE_SHARE * float(np.median(found)) if len(found) else 0.0


def known_voice_figures(known: KnownVoices | None) -> dict[str, Any]:
    """For JSON, under `known_voices`: accuracy, UAR and clips by test role and number of recordings in the reference.

    Corpora that were left out of training in turn stand beside the roles. Without a network that takes references there
    is nothing.
    """
    if known is None:
        return {}
    figures: dict[str, Any] = {
        role: {
            size: {"accuracy": round(group.accuracy.value, 4), "uar": round(group.uar.value, 4), "clips": group.clips}
            for size, group in sizes.items()
        }
        for role, sizes in known.roles.items()
    }
    if known.left_out_corpora:
        figures[LEFT_OUT_CORPORA] = known.left_out_corpora
    return {"known_voices": figures}
