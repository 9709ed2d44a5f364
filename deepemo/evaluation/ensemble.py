"""The weights of an ensemble, fitted on clips that are neither in training nor in a test."""

from collections.abc import Collection

import numpy as np

from deepemo.arrays import Float64Array
from deepemo.errors import InputError
from deepemo.evaluation.calibration import TINY
from deepemo.evaluation.predictions import Predictions

# Weights are multiples of 1 / `STEPS`. Finer steps change no figure, and a predictor that is worth less is left out.
STEPS = 100
_TOLERANCE = 1e-7
_MOST_ITERATIONS = 10_000


def of_new_voices(validation: Predictions, heard: Collection[str]) -> Predictions:
    """The validation clips by which weights and the predictor that answers are chosen.

    These are the clips of voices that training did not hear. A model may know the voices that it learned from so well
    that it is best on their other clips and worst on all other voices. If the corpora have so few speakers that
    validation has no new voice, all validation clips are taken.

    Args:
        validation: the predictions for validation clips.
        heard: the speakers of the training clips.
    """
    new = ~validation.clips["speaker"].isin(heard).to_numpy()
    return validation.only(new) if new.any() else validation


def fit_weights(validation: Predictions, heard: Collection[str]) -> dict[str, float]:
    """Find the weights of the mean of the predictors' probabilities that make the true emotions likeliest.

    The likelihood of a mixture has one maximum over its weights. Expectation maximisation reaches it without any
    settings (Dempster, Laird and Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm", 1977).

    Args:
        validation: the predictions for validation clips, of which those of `of_new_voices` are used.
        heard: the speakers of the training clips.

    Returns:
        A weight for each predictor, 0 to 1 in steps of 1 / `STEPS`; their sum is 1.

    Raises:
        InputError: there are no clips.
    """
    if len(validation) == 0:
        raise InputError("ensemble: found no validation clips, expected some")
    chosen = of_new_voices(validation, heard)
    labels, rows = chosen.labels, np.arange(len(chosen))
    truth = np.column_stack([values[rows, labels] for values in chosen.probabilities.values()])  # [n, predictors]
    weights = _most_likely(np.maximum(truth, TINY))
    return dict(zip(validation.predictors, _rounded(weights), strict=True))


def _most_likely(truth: Float64Array) -> Float64Array:
    """Weights [predictors] at which the mean of log(truth @ weights) is highest.

    Args:
        truth: probability that each predictor gives the true emotion of each clip, float64 [n, predictors], above 0.
    """
    weights = np.full(truth.shape[1], 1.0 / truth.shape[1])
    for _ in range(_MOST_ITERATIONS):
        shares = truth * weights  # of each predictor in the mean's probability of the truth
        better = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(better - weights).max() < _TOLERANCE:
            break
        weights = better
    return np.asarray(weights, dtype=np.float64)


def _rounded(weights: Float64Array) -> list[float]:
    """Weights rounded to steps that sum to 1: the largest remainders are rounded up."""
    steps = np.floor(weights * STEPS)
    missing = STEPS - int(steps.sum())
    steps[np.argsort(steps - weights * STEPS, kind="stable")[:missing]] += 1
    return [float(step) / STEPS for step in steps]
