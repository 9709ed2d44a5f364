"""Fixtures for every test: where the real recordings are, if anywhere, and made-up predictions.

Here and in tests/fixtures, modules that import TensorFlow are imported only where they are used. This saves seconds in
pytest-xdist's controller and in runs of tests that need no TensorFlow.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from deepemo.emotions import EMOTIONS, Emotions
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.confidence import fit_confidence
from deepemo.evaluation.other_origin import fit_other_origins
from deepemo.evaluation.predictions import Predictions
from deepemo.evaluation.report import Evaluation, evaluate
from deepemo.models.registry import ENSEMBLE
from deepemo.params import VoiceDecision
from deepemo.vad.error_rates import ErrorRates, summarize

if TYPE_CHECKING:
    from deepemo.evaluation.cross_corpus import LeftOut

pytest_plugins = [
    "tests.fixtures.alone",
    "tests.fixtures.exploration",
    "tests.fixtures.models",
    "tests.fixtures.pairs",
    "tests.fixtures.rote",
    "tests.fixtures.serving",
    "tests.fixtures.training",
    "tests.fixtures.voices",
]


@pytest.fixture(scope="session")
def corpora_dir() -> Path:
    """Folder of the unpacked real recordings; skips the test with a message if DEEPEMO_CORPORA names none."""
    named = os.environ.get("DEEPEMO_CORPORA")
    if not named:
        pytest.skip("DEEPEMO_CORPORA does not name a folder of real recordings")
    return Path(named)


def _made_split() -> pd.DataFrame:
    """Twelve speakers of one corpus without surprise, two of another with it; every role but `test_corpus`."""
    rows = []
    for number in range(14):
        corpus, emotions = ("north", EMOTIONS[:-1]) if number < 12 else ("south", EMOTIONS)
        alone = {0: "test_unseen", 1: "test_unseen", 2: "test_unseen", 3: "validation", 13: "test_unseen"}.get(number)
        for emotion in emotions:
            for take in range(10):
                role = alone or ("test_seen" if take < 3 else "validation" if take == 3 else "train")
                gender = "male" if number % 2 else "female"
                clip = f"{corpus}/{number:02d}_{emotion}_{take}"
                language = {"north": "en", "south": "pl"}[corpus]
                rows.append((clip, corpus, language, f"{corpus}/{number:02d}", gender, emotion, role))
    return pd.DataFrame(rows, columns=["clip", "corpus", "language", "speaker", "gender", "emotion", "role"])


@pytest.fixture(scope="session")
def made_split() -> pd.DataFrame:
    """A split table of made-up clips, free of leaks."""
    return _made_split()


@pytest.fixture(scope="session")
def made_predictions() -> Predictions:
    """Predictions of two made-up models of unequal skill, and of their mean, for the clips of `made_split`."""
    clips = _made_split().query("role != 'train'").reset_index(drop=True)
    random = np.random.default_rng(7)
    truth = np.eye(len(EMOTIONS))[[EMOTIONS.index(emotion) for emotion in clips["emotion"]]]
    # Each speaker is harder or easier than others, and those never heard are harder.
    voices = dict(zip(clips["speaker"].unique(), random.normal(0, 1.5, clips["speaker"].nunique()), strict=True))
    ease = clips["speaker"].map(voices).to_numpy()[:, None] - (clips["role"] == "test_unseen").to_numpy()[:, None]
    logits = {
        name: truth * (skill + ease) + random.normal(size=truth.shape)
        for name, skill in (("shallow", 3.0), ("transfer", 1.8))
    }
    return Predictions(clips, {name: softmax(2.0 * values) for name, values in logits.items()}, EMOTIONS).with_ensemble(
        {"shallow": 0.5, "transfer": 0.5}
    )


def _among(predictions: Predictions, emotions: Emotions) -> Predictions:
    kept = predictions.only(predictions.clips["emotion"].isin(emotions).to_numpy())
    columns = [predictions.emotions.index(emotion) for emotion in emotions]
    shares = {name: values[:, columns] for name, values in kept.probabilities.items()}
    shares = {name: values / values.sum(axis=1, keepdims=True) for name, values in shares.items()}
    return Predictions(kept.clips, shares, emotions)


@pytest.fixture(scope="session")
def among() -> Callable[[Predictions, Emotions], Predictions]:
    """Predictions of models that know only some emotions."""
    return _among


NOT_ASKED = {
    "asked": 0,
    "reason": "cannot be asked: the models learn from one corpus alone, north",
    "families": ["shallow", "transfer"],
    "mean": {},
    "chance": {},
    "corpora": {},
    "refused": {"north": "the models learn from one corpus alone, north"},
}


def _made_left_out() -> "list[LeftOut]":
    """Predictions of two made-up models and their mean for three corpora never heard, the last one the easiest."""
    from deepemo.evaluation.cross_corpus import LeftOut

    random = np.random.default_rng(3)
    found = []
    for corpus, emotions, clips, skill in (("east", 6, 60, 0.8), ("north", 6, 300, 1.2), ("south", 7, 140, 2.4)):
        labels = np.arange(clips) % emotions
        table = pd.DataFrame(
            {
                "clip": [f"{corpus}/{number:03d}" for number in range(clips)],
                "corpus": corpus,
                "language": "en",
                "speaker": [f"{corpus}/{number % 5}" for number in range(clips)],
                "gender": "female",
                "emotion": [EMOTIONS[label] for label in labels],
                "role": "test_corpus",
            }
        )
        truth = np.eye(len(EMOTIONS))[labels]
        probabilities = {
            name: softmax(3.0 * (share * skill * truth + random.normal(size=truth.shape)))
            for name, share in (("shallow", 1.0), ("transfer", 0.5))
        }
        weights = {"shallow": 0.75, "transfer": 0.25}
        others = [name for name in ("east", "north", "south") if name != corpus]
        predictions = Predictions(table, probabilities, EMOTIONS).with_ensemble(weights)
        found.append(LeftOut(corpus, others, weights, predictions, known_voices={}))
    return found


@pytest.fixture(scope="session")
def made_left_out() -> "list[LeftOut]":
    """Three made-up corpora, each with predictions of models that learned from the other two."""
    return _made_left_out()


def _evaluated(predictions: Predictions, *, left_out: bool = True) -> Evaluation:
    from deepemo.evaluation.cross_corpus import joined
    from deepemo.evaluation.cross_corpus import summarize as summarize_corpora

    validation = predictions.where("role", "validation")
    confidences = {name: fit_confidence(validation, name, 0.8) for name in predictions.predictors}
    models = [name for name in predictions.predictors if name != ENSEMBLE]
    weights = {name: 1 / len(models) for name in models}
    found = _made_left_out() if left_out and ENSEMBLE in predictions.predictors else []
    return evaluate(
        predictions,
        confidences,
        ensemble_weights=weights,
        heard=(),
        majority_emotion="angry",
        cross_corpus=summarize_corpora(found, {}, models, samples=300, seed=1) if found else NOT_ASKED,
        other_origins=fit_other_origins(joined(found), confidences) if found else {},
        samples=300,
        seed=1,
    )


@pytest.fixture(scope="session")
def evaluated() -> Callable[..., Evaluation]:
    """Computes every figure of some predictions; without `left_out`, as if no corpus had been left out of training."""
    return _evaluated


@pytest.fixture(scope="session")
def made_evaluation(made_predictions: Predictions) -> Evaluation:
    """Every figure of `made_predictions`."""
    return _evaluated(made_predictions)


@pytest.fixture(scope="session")
def made_gate() -> dict[str, Any]:
    """Metrics of a voice gate that was tried once with each kind of sound and was right."""
    labels = {"condition": "as_recorded", "emotion": "sad", "gender": "male", "corpus": "north", "kind": "hum"}
    rates = ErrorRates()
    rates.add(labels, wrong=False, first_wrong=False)
    decision = VoiceDecision(voice_threshold=0.25, min_voice_share=0.02, min_voice_seconds=0.48)
    return summarize(decision, rates, None, rates)
