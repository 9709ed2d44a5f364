"""Whether an embedded clip is speech at all: the second opinion of the voice gate, docs/voice-gate.md.

It is a linear discriminant between the training clips with their views and sounds without speech that this package
makes, so that it learns from no recording but the run's own.
"""

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.models.speech.discriminant import linear_discriminant

SHRINKAGE = 0.3
# The threshold lies at this share of the way from the mean score of the sounds to that of speech.
THRESHOLD_POSITION = 0.55
# Number of clips and views that are drawn, with repetition, to learn from; more of them change little.
MOST_CLIPS = 8192


def speech_opinion(
    clips: Float32Array, views: Float32Array, sounds: Float32Array, *, seed: int
) -> tuple[Float32Array, Float32Array]:
    """Weights of a score that is at least 0 for speech.

    Args:
        clips: components of training clips, float32 [n, components].
        views: of their perturbed views, float32 [views, n, components].
        sounds: of sounds without speech, float32 [m, components].
        seed: of the draws.

    Returns:
        Kernel float32 [components, 1] and bias float32 [1].
    """
    random = np.random.default_rng(seed)
    copies = [clips, *views]
    speech = np.concatenate(
        [copy[np.sort(random.integers(len(copy), size=MOST_CLIPS // len(copies)))] for copy in copies]
    )
    # As many sounds as clips, so that the covariances of both count alike.
    drawn = sounds[random.integers(len(sounds), size=len(speech))]
    batches = [(speech, np.ones(len(speech), np.int64)), (drawn, np.zeros(len(drawn), np.int64))]
    kernel, _ = linear_discriminant(batches, width=speech.shape[1], classes=2, shrinkage=SHRINKAGE)
    direction = (kernel[:, 1] - kernel[:, 0]).astype(np.float32)
    low, high = float((sounds @ direction).mean()), float((speech @ direction).mean())
    threshold = low + THRESHOLD_POSITION * (high - low)
    return direction[:, np.newaxis], np.array([-threshold], np.float32)
