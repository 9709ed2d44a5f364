"""The one implementation of "recording to model input": training and serving both call it."""

import numpy as np
import tensorflow as tf

from deepemo.audio.decode import resample
from deepemo.audio.spectrogram import FeatureSpec, check_bands, decibel_spectrogram
from deepemo.audio.trim import trim_silence


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut float32 [n] at its end, or pad it there with silence, to [length]."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))


class Featurizer:
    """Turns mono samples of any rate into the features that the models are fed."""

    def __init__(self, spec: FeatureSpec) -> None:
        """Trace the spectrogram for a spec.

        Raises:
            InputError: the spec's mel bands are too narrow for its window.
        """
        check_bands(spec)
        self.spec = spec
        signature = [tf.TensorSpec([spec.clip_samples], tf.float32)]
        self._spectrogram = tf.function(lambda samples: decibel_spectrogram(samples, spec), input_signature=signature)

    def clip(self, samples: np.ndarray, rate_hz: int) -> np.ndarray:
        """Resample, trim, and cut or pad: float32 [n] at `rate_hz` to float32 [clip_samples] at the spec's rate."""
        spec = self.spec
        samples = resample(np.asarray(samples, dtype=np.float32), rate_hz, spec.sample_rate_hz)
        if spec.trim_below_db is not None:
            samples = trim_silence(samples, block_samples=spec.hop_samples, below_db=spec.trim_below_db)
        return fit_length(samples, spec.clip_samples)

    def __call__(self, samples: np.ndarray, rate_hz: int) -> np.ndarray:
        """Features of one recording.

        Args:
            samples: float32 [n], mono, full scale at 1.
            rate_hz: their sample rate.

        Returns:
            float32 [frames, bands] in [0, 1].
        """
        features: np.ndarray = self._spectrogram(tf.constant(self.clip(samples, rate_hz))).numpy()
        return features
