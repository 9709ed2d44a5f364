"""How much it helps to know the voice: clips are judged with references of other recordings of their voice.

A clip is never part of its own reference. References are made only from clips of the same role, so that they contain
nothing from training. They use no labels.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.dataset.split import VALIDATION
from deepemo.evaluation import metrics as scores
from deepemo.evaluation.confidence import Confidence, fit_confidence
from deepemo.evaluation.ensemble import fit_weights
from deepemo.evaluation.groups import BY_SPEAKER, GroupScores, Resampling, score
from deepemo.evaluation.metrics import rounded
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.references import REFERENCES, WITHOUT, voices_among, with_references
from deepemo.evaluation.report import LEFT_OUT_CORPORA, ROLE_NAMES, UNSEEN, UNSEEN_CORPUS
from deepemo.models.family import VoiceModel
from deepemo.models.registry import ENSEMBLE
from deepemo.models.voice import LEAST_RECORDINGS, Voices, deviations, voices_of

# Sizes of references that are tried on validation clips, the smallest first, and the number of draws for each clip.
TRIED_RECORDINGS = (LEAST_RECORDINGS, 5, 10, 20, 40)
DRAWS = 5
# Share of the median deviation of references: recordings that deviate less are nearly copies of one another. Recordings
# of one emotion deviate hardly less than others, so that no limit can detect them.
TOO_ALIKE_SHARE = 0.5


@dataclass(frozen=True)
class KnownVoices:
    """How clips of known voices are answered, and how well.

    Attributes:
        part: the predictor that compares a clip with other recordings of its voice.
        weights: of each predictor in the weighted mean that answers, fitted on validation clips.
        confidence: of that mean, fitted on validation clips with all other recordings of a voice as its reference.
        least_recordings: number of recordings from which on a reference does no harm: the UAR on validation clips is at
            least that of the ensemble without references. None if it never is.
        least_deviation: deviation below which the recordings of a reference are too similar, see
            `deepemo.models.voice.deviations`.
        roles: scores by test role and number of recordings, where `0` is the ensemble without references.
        left_out_corpora: accuracy, UAR, clips and corpora of siblings on corpora that they never heard, by number of
            recordings, see `deepemo.evaluation.cross_corpus`; empty if no corpus was left out.
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
    heard: Collection[str],
    cross_corpus: Mapping[str, Any],
    wanted_accuracy: float,
    samples: int,
    seed: int,
) -> KnownVoices:
    """Fit the answers for clips of known voices on validation clips, and judge them on voices outside training.

    Args:
        predictions: of clips of all roles but training, the ensemble among them.
        part: name of the predictor that takes references.
        model: its network.
        components: of the clips of `predictions`, float32 [n, components].
        heard: the speakers of the training clips.
        cross_corpus: content of metrics/cross_corpus.json.
        wanted_accuracy: wanted accuracy of the answers given.
        samples: bootstrap samples of each interval.
        seed: of the draws of references and resamples.

    Raises:
        InputError: the disk is full.
    """

    @cache
    def voices(role: str) -> Voices:
        return voices_among(predictions, components, role)

    def relative(role: str, recordings: int | None, *, draw: int = 0) -> Predictions:
        """Predictions for a role's clips in which the part knows their voices; each draw takes other references."""
        random = np.random.default_rng([seed, draw])
        return with_references(predictions.where("role", role), part, model, voices(role), recordings, random)

    validation = relative(VALIDATION, None)
    weights = fit_weights(validation, heard)
    alone = _uar(predictions.where("role", VALIDATION))
    tried = {
        size: [_uar(relative(VALIDATION, size, draw=draw).with_ensemble(weights)) for draw in range(DRAWS)]
        for size in TRIED_RECORDINGS
    }
    judged: dict[str, dict[str, GroupScores]] = {}
    for role, name in ROLE_NAMES.items():
        if name not in (UNSEEN, UNSEEN_CORPUS) or role not in set(predictions.clips["role"]):
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
        least_deviation=_least_deviation(voices(VALIDATION).components, voices_of(validation.clips), seed),
        roles=judged,
        left_out_corpora=_left_out_corpora(cross_corpus),
    )


def _left_out_corpora(cross_corpus: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Means over the corpora that were left out, with and without references; empty if there were no references."""
    if not cross_corpus.get("known_voices"):
        return {}
    sizes = {WITHOUT: cross_corpus["mean"][ENSEMBLE], **cross_corpus["known_voices"]}
    names = ("accuracy", "uar", "clips", "corpora")
    return {size: {name: mean[name] for name in names} for size, mean in sizes.items()}


def least_harmless(uars: Mapping[int, float], alone: float) -> int | None:
    """The smallest size from which on references do no harm: UAR with them is at least UAR without.

    Args:
        uars: UAR with references of each size.
        alone: UAR without references.

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
    """The deviation below which recordings are nearly copies; 0 if no validation voice has enough recordings."""
    found = deviations(components, voices, LEAST_RECORDINGS, np.random.default_rng(seed))
    return TOO_ALIKE_SHARE * float(np.median(found)) if len(found) else 0.0


def known_voice_figures(known: KnownVoices | None) -> dict[str, Any]:
    """The entry `known_voices` for JSON: accuracy, UAR and clips by test role and number of recordings.

    Corpora that were left out of training in turn are given beside the roles. Without a network that takes references,
    the result is empty.
    """
    if known is None:
        return {}
    figures: dict[str, Any] = {
        role: {
            size: {"accuracy": rounded(group.accuracy.value), "uar": rounded(group.uar.value), "clips": group.clips}
            for size, group in sizes.items()
        }
        for role, sizes in known.roles.items()
    }
    if known.left_out_corpora:
        figures[LEFT_OUT_CORPORA] = known.left_out_corpora
    return {"known_voices": figures}
