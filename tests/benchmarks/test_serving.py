"""The benchmark compares two ways of the same predictor."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import OneByOne
from deepemo.serving.batching import stack
from deepemo.serving.predictor import Predictor


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shallow", "ensemble"])
def test_window_by_window_gives_the_predictors_own_probabilities(made_models: Path, name: str, speech) -> None:
    predictor = Predictor.load(made_models, name)
    inputs = stack([predictor.prepare(part, 16000) for part in (speech, speech[::-1])])
    predictor.temperature = 1.0
    found = OneByOne(predictor).probabilities(inputs)
    assert found == pytest.approx(predictor.probabilities(inputs), abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-4
