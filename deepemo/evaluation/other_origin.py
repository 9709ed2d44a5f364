"""Confidence for recordings of other origin, fitted on predictions of models for corpora that they never heard.

A user's recording comes from none of the corpora. The nearest data that a run has are the clips of corpora left out of
training, as predicted by siblings of the models that never heard them. Temperature and threshold are therefore fitted
on these predictions too, with the same weight for every corpus.

What is fitted is also a part of the bundle, so serving imports this module, without pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deepemo.arrays import Float64Array
from deepemo.evaluation.calibration import fit_temperature, scale
from deepemo.evaluation.confidence import Confidence, Operating, Record, operate, risk_coverage

if TYPE_CHECKING:
    from deepemo.evaluation.predictions import Predictions

# A predictor that answers fewer recordings than this share is of no use, however accurate it is.
LEAST_COVERAGE = 0.2
# Tolerance for sums of weights.
ROUNDING = 1e-9


class OtherOrigin(Record):
    """How a predictor's probabilities become a confidence in recordings of other origin.

    Shares are of the clips of all corpora, with the same weight for every corpus.

    Attributes:
        temperature: for `calibration.scale`.
        threshold: calibrated confidence from which answers reach the wanted accuracy at a coverage of at least
            `LEAST_COVERAGE`. If no threshold does, it is the one with the highest accuracy at such a coverage.
        reached: whether the answers reach the wanted accuracy.
        wanted_accuracy: wanted accuracy of the answers given.
        left_out: result of the threshold on the clips that it was fitted on.
        tested: by corpus, the result of a temperature and threshold that were fitted on the other corpora.
        tested_overall: the same over all corpora; None if only one was left out.
        by_validation: result of the temperature and threshold that were fitted on validation clips, of heard corpora.
        fitted_on: fingerprint of the clips.
    """

    temperature: float
    threshold: float
    reached: bool
    wanted_accuracy: float
    left_out: Operating
    tested: Mapping[str, Operating]
    tested_overall: Operating | None
    by_validation: Operating
    fitted_on: Mapping[str, Any]


def corpus_weights(predictions: Predictions) -> Float64Array:
    """Weight of each clip, float64 [n]. Every corpus has the same weight; all weights sum to 1."""
    corpora = predictions.clips["corpus"]
    clips = corpora.map(corpora.value_counts()).to_numpy(dtype=np.float64)
    return np.asarray(1.0 / (clips * corpora.nunique()), dtype=np.float64)


def fit_other_origins(left_out: Predictions, validation: Mapping[str, Confidence]) -> dict[str, OtherOrigin]:
    """Confidence in recordings of other origin, for every predictor that was judged on corpora left out.

    Args:
        left_out: predictions for every corpus that was left out, by models that never heard it.
        validation: by predictor, the confidence of the run's own models, which gives the wanted accuracy.
    """
    return {name: fit_other_origin(left_out, name, validation[name]) for name in left_out.predictors}


def fit_other_origin(left_out: Predictions, predictor: str, validation: Confidence) -> OtherOrigin:
    """Fit the confidence of one predictor: the temperature, then the threshold."""
    from deepemo.dataset.split import fingerprint_clips  # pandas, which serving does without

    wanted_accuracy = validation.wanted_accuracy
    temperature, threshold, result = _fit(left_out, predictor, wanted_accuracy)
    tested = {}
    for corpus in sorted(left_out.clips["corpus"].unique()):
        others = left_out.without("corpus", corpus)
        if len(others):
            fitted = _fit(others, predictor, wanted_accuracy)
            tested[corpus] = _operate(left_out.where("corpus", corpus), predictor, fitted[0], fitted[1])
    return OtherOrigin(
        temperature=temperature,
        threshold=threshold,
        reached=result.accuracy is not None and result.accuracy >= wanted_accuracy - ROUNDING,
        wanted_accuracy=wanted_accuracy,
        left_out=result,
        tested=tested,
        tested_overall=_overall(list(tested.values())),
        by_validation=_operate(left_out, predictor, validation.temperature, validation.threshold),
        fitted_on=fingerprint_clips(left_out.clips["clip"]),
    )


def _fit(left_out: Predictions, predictor: str, wanted_accuracy: float) -> tuple[float, float, Operating]:
    """Temperature, threshold, and their result on the clips that they are fitted on."""
    raw, labels, weights = left_out.probabilities[predictor], left_out.labels, corpus_weights(left_out)
    temperature = fit_temperature(raw, labels, weights)
    curve = risk_coverage(scale(raw, temperature), labels, weights)
    enough = curve.coverage >= LEAST_COVERAGE - ROUNDING
    good = np.flatnonzero(enough & (curve.accuracy >= wanted_accuracy - ROUNDING))
    step = int(good[-1]) if len(good) else int(np.where(enough, curve.accuracy, -1.0).argmax())
    result = Operating(coverage=float(curve.coverage[step]), accuracy=float(curve.accuracy[step]))
    return temperature, float(curve.thresholds[step]), result


def _operate(clips: Predictions, predictor: str, temperature: float, threshold: float) -> Operating:
    calibrated = scale(clips.probabilities[predictor], temperature)
    return operate(calibrated, clips.labels, threshold, corpus_weights(clips))


def _overall(corpora: Sequence[Operating]) -> Operating | None:
    """The result over all corpora, with the same weight for every corpus."""
    if not corpora:
        return None
    coverage = sum(found.coverage for found in corpora)
    right = sum(found.coverage * found.accuracy for found in corpora if found.accuracy is not None)
    return Operating(coverage=coverage / len(corpora), accuracy=right / coverage if coverage else None)
