"""The trained networks as one function from features to calibrated probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from deepemo.audio.spectrogram import FeatureSpec
from deepemo.errors import InputError
from deepemo.evaluation.calibration import scale
from deepemo.evaluation.predictions import softmax
from deepemo.models.classifier import Classifier
from deepemo.serving.calibrated import PARTS, read_calibration


class Predictor:
    """One network, or the mean of several, with the temperature and threshold that `evaluate` fitted."""

    def __init__(
        self, classifiers: Sequence[Classifier], *, name: str, temperature: float = 1.0, threshold: float = 0.0
    ) -> None:
        """Join networks that are fed alike.

        Raises:
            InputError: they expect different features.
        """
        specs = {classifier.spec for classifier in classifiers}
        if len(specs) > 1:
            raise InputError(f"{name}: its networks expect different features; `dvc repro` trains them on the same")
        self.name = name
        self.classifiers = tuple(classifiers)
        self.spec: FeatureSpec = specs.pop()
        self.temperature = temperature
        self.threshold = threshold

    @classmethod
    def load(cls, models: Path, name: str) -> Self:
        """Load from the folder of a finished pipeline run.

        Args:
            models: holds a folder for each network, and `serving/calibration.json`.
            name: `shallow`, `transfer`, or `ensemble` for the mean of both.

        Raises:
            InputError: a file is missing, or does not hold what it should.
        """
        fitted = read_calibration(models, name)
        classifiers = [Classifier.load(models / part) for part in PARTS[name]]
        return cls(classifiers, name=name, temperature=fitted.temperature, threshold=fitted.threshold)

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities float64 [n, 7] of features float32 [n, frames, bands]."""
        each = [softmax(classifier.logits(features).astype(np.float64)) for classifier in self.classifiers]
        return scale(np.mean(each, axis=0), self.temperature)
