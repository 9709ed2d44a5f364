"""A trained network of the family `speech`, loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from deepemo.arrays import Float32Array
from deepemo.errors import InputError
from deepemo.models.family import ABOUT_FILE
from deepemo.models.saved import load_weights, read_about
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import samples_of
from deepemo.models.speech.network import ENCODERS, build_speech, rounded_up


class SpeechModel:
    """A trained network that is fed samples in serving, and embeddings in evaluation; see `family.TrainedModel`."""

    def __init__(self, network: keras.Model, about: Mapping[str, Any], front_end: SpeechFrontEnd) -> None:
        """Wrap a network of `build_speech`, the content of its `model.json` and what makes its input."""
        self.name: str = about["kind"]
        self.network = network
        self.about: Mapping[str, Any] = about
        self.front_end = front_end
        head = network.get_layer("head")
        embeddings = tf.TensorSpec(head.input_shape, tf.float32)
        clips = tf.TensorSpec([None, None], tf.float32)
        self._logits = tf.function(lambda values: head(values, training=False), input_signature=[embeddings])
        self._of_clips = tf.function(lambda samples: network(samples, training=False), input_signature=[clips])

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `deepemo.models.saved.save_model` wrote.

        Raises:
            InputError: the folder holds no model, its description is not one of this family, or its weights are not
                those of its description.
        """
        about = read_about(folder)
        source, settings = str(folder / ABOUT_FILE), dict(about["settings"])
        front_end = SpeechFrontEnd.from_dict(about["features"], source=source)
        try:
            network = build_speech(ENCODERS[settings.pop("encoder")](), **settings)
        except (TypeError, KeyError) as error:
            raise InputError(f"{source}: settings: {error}, expected those of a {about['kind']} network") from error
        load_weights(network, folder)
        return cls(network, about, front_end)

    def logits(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, 7] of embeddings float32 [n, width]."""
        answer: Float32Array = self._logits(tf.constant(inputs, dtype=tf.float32)).numpy()
        return answer

    def logits_of_clips(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, 7] of clips float32 [n, clip_samples] as the front end makes them.

        Zeros after the longest clip of the batch are left out: they would take as long as speech.
        """
        sounding = np.flatnonzero(inputs.any(axis=0))
        longest = rounded_up(max(samples_of(1), int(sounding[-1]) + 1 if len(sounding) else 0))
        answer: Float32Array = self._of_clips(tf.constant(inputs[:, :longest], dtype=tf.float32)).numpy()
        return answer

    def graph(self, inputs: tf.Tensor) -> tf.Tensor:
        """Logits of clips in TensorFlow operations."""
        return self.network(inputs, training=False)
