"""Weights of the ensemble are at the maximum of the likelihood, and are whole steps that sum to 1."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.calibration import negative_log_likelihood
from deepemo.evaluation.ensemble import STEPS, fit_weights, of_new_voices
from deepemo.evaluation.predictions import CLIP_COLUMNS, Predictions


def predictions(**skills: float) -> Predictions:
    """Predictors that give the true emotion this much more than chance, each with different errors."""
    random = np.random.default_rng(4)
    labels = np.arange(210) % 7
    clips = pd.DataFrame(dict.fromkeys(CLIP_COLUMNS, "north"), index=range(210))
    clips["emotion"] = [EMOTIONS[label] for label in labels]
    probabilities = {}
    for name, skill in skills.items():
        grown = np.exp(skill * np.eye(7)[labels] + random.normal(size=(210, 7)))
        probabilities[name] = grown / grown.sum(axis=1, keepdims=True)
    return Predictions(clips, probabilities, EMOTIONS)


def loss(found: Predictions, weights: tuple[float, ...]) -> float:
    joined = found.with_ensemble(dict(zip(found.predictors, weights, strict=True)))
    return negative_log_likelihood(joined.probabilities["ensemble"], found.labels)


def test_no_other_weights_are_likelier() -> None:
    found = predictions(a=1.5, b=1.2, c=0.2)
    weights = tuple(fit_weights(found, ()).values())
    grid = [(a, b, 100 - a - b) for a, b in product(range(0, 101, 4), repeat=2) if a + b <= 100]
    best = min(loss(found, tuple(share / 100 for share in shares)) for shares in grid)
    assert loss(found, weights) <= best + 1e-5
    assert weights[0] > weights[2]


def test_weights_are_whole_steps_that_sum_to_one() -> None:
    for seed in range(5):
        weights = fit_weights(predictions(a=1.0 + seed / 3, b=1.0, c=0.7, d=1.1), ()).values()
        assert all(0 <= weight <= 1 for weight in weights)
        steps = [weight * STEPS for weight in weights]
        assert steps == pytest.approx([round(step) for step in steps])
        assert sum(map(round, steps)) == STEPS


def test_who_knows_nothing_counts_for_nothing() -> None:
    found = predictions(knows=6.0)
    nothing = np.full((210, 7), 1 / 7)
    both = Predictions(found.clips, {"guesses": nothing, **found.probabilities}, EMOTIONS)
    assert fit_weights(both, ())["knows"] >= 0.95


def test_equals_share_evenly_and_one_alone_has_all() -> None:
    found = predictions(a=1.0)
    assert fit_weights(found, ()) == {"a": 1.0}
    twice = Predictions(found.clips, {"a": found.probabilities["a"], "b": found.probabilities["a"]}, EMOTIONS)
    assert fit_weights(twice, ()) == {"a": 0.5, "b": 0.5}


def test_a_probability_of_nothing_for_the_truth_is_no_trap() -> None:
    found = predictions(a=1.0, b=1.0)
    wrong = found.probabilities["a"].copy()
    wrong[0] = np.eye(7)[3]
    weights = fit_weights(Predictions(found.clips, {"a": wrong, "b": found.probabilities["b"]}, EMOTIONS), ())
    assert sum(weights.values()) == pytest.approx(1)


def test_voices_that_training_heard_do_not_count_if_there_are_others() -> None:
    found = predictions(knows_voices=0.0, knows_emotions=3.0)
    heard = np.arange(210) < 180
    memory = found.probabilities["knows_emotions"].copy()
    memory[heard] = 0.001 / 6
    memory[heard, found.labels[heard]] = 0.999
    memory[~heard] = 1 / 7
    found.clips["speaker"] = np.where(heard, "old", "new")
    both = Predictions(found.clips, {**found.probabilities, "knows_voices": memory}, EMOTIONS)
    assert fit_weights(both, ())["knows_voices"] > 0.5
    assert fit_weights(both, {"old", "another"})["knows_emotions"] > 0.9
    assert len(of_new_voices(both, {"old"})) == 30
    # Without other voices, those that were heard are better than none.
    assert of_new_voices(both, {"old", "new"}) is both


def test_without_clips_it_says_so() -> None:
    with pytest.raises(InputError, match="ensemble: found no validation clips"):
        fit_weights(predictions(a=1.0).where("corpus", "nowhere"), ())
