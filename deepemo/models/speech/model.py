"""A trained network of the family `speech`, loaded."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from pydantic import ValidationError

from deepemo.arrays import Float32Array
from deepemo.errors import InputError, first_problem
from deepemo.models.family import ABOUT_FILE
from deepemo.models.saved import load_weights, read_about
from deepemo.models.speech.embedder import build_encoder, rounded_up
from deepemo.models.speech.family import NEAR, SpeechHeads
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ, samples_of
from deepemo.models.speech.network import (
    COMPONENTS,
    DISTANCE,
    HEAD,
    OPINION,
    PROJECTION,
    VOICE_HEAD,
    WHOLE,
    Layout,
    build_on_embeddings,
    build_speech,
)
from deepemo.models.speech.onnx_encoder import DIGEST, ENCODER_FILE, OnnxEncoder

# Shorter clips are not judged. Training clips are sentences, and the opinion refused one in twelve single words of less
# than this.
JUDGED_SECONDS = 0.8


class SpeechModel:
    """A trained network that takes samples in serving and embeddings in evaluation; see `family.TrainedModel`."""

    def __init__(
        self,
        network: keras.Model,
        about: Mapping[str, Any],
        front_end: SpeechFrontEnd,
        encoder: OnnxEncoder | None = None,
    ) -> None:
        """Wrap a network, the content of its `model.json` and its front end.

        Args:
            network: of `build_speech`, or of `build_on_embeddings` if there is another encoder before it.
            about: content of its `model.json`.
            front_end: makes the encoder's input.
            encoder: the encoder before the network, if there is one.
        """
        self.name: str = about["kind"]
        self.network = network
        self.about: Mapping[str, Any] = about
        self.front_end = front_end
        to_components, distance, alone, relative, opinion = (
            network.get_layer(name) for name in (COMPONENTS, DISTANCE, HEAD, VOICE_HEAD, OPINION)
        )
        self._encoder = encoder
        # These two take clips, or embeddings if an encoder comes before the network.
        project = keras.Model(network.inputs[0], network.get_layer(WHOLE).input, name="components")
        self._of_inputs = keras.Model(network.inputs[0], network.outputs[0], name="speech")
        embeddings = tf.TensorSpec([None, to_components.input_shape[-1]], tf.float32)
        components = tf.TensorSpec([None, to_components.output_shape[-1]], tf.float32)
        # Distance and opinion know only the components of statistics over whole clips, which come first.
        whole = to_components.get_layer(PROJECTION).components
        clips = tf.TensorSpec([None, None], tf.float32)
        # Each function has a line of its own: TensorFlow would take two functions on one line for one function that is
        # traced again and again.
        self._components = _of_arrays(lambda values: to_components(values), embeddings)
        self._components_of_clips = _of_arrays(lambda values: project(values, training=False), clips)
        self._alone = _of_arrays(
            lambda values: alone([values, distance(values[:, :whole])], training=False), components
        )
        self._relative = _of_arrays(
            lambda values, offsets: relative([values - offsets, distance(values[:, :whole])], training=False),
            components,
            components,
        )
        kernel, bias = opinion.get_weights()
        self._opinion: tuple[Float32Array, Float32Array] = kernel[:, 0], bias[0]
        self.has_opinion = bool(kernel.any())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `deepemo.models.saved.save_model` wrote.

        Raises:
            InputError: the folder holds no model, its description is not one of this family, its weights or its ONNX
                encoder are not those of its description, or the extra that runs such an encoder is not installed.
        """
        about = read_about(folder)
        source, settings = str(folder / ABOUT_FILE), dict(about["settings"])
        front_end = SpeechFrontEnd.from_dict(about["features"], source=source)
        classes = len(about["emotions"])
        try:
            del settings[NEAR]  # it is among the weights
            if DIGEST in settings:
                made = {name: settings.pop(name) for name in ("encoder", DIGEST, "taps", "segments")}
                layout = Layout(settings.pop("width"), made["segments"], settings.pop("segment_width"))
                network = build_on_embeddings(layout, SpeechHeads(**settings), classes=classes)
            else:
                made = None
                encoder, taps, segments = (
                    build_encoder(settings.pop("encoder")),
                    settings.pop("taps"),
                    settings.pop("segments"),
                )
                network = build_speech(encoder, SpeechHeads(**settings), taps=taps, segments=segments, classes=classes)
        except KeyError as error:
            raise InputError(f"{source}: settings: {error}, expected those of a {about['kind']} network") from error
        except ValidationError as error:
            problem = first_problem(error, whole="all of them")
            raise InputError(f"{source}: settings: {problem}, expected those of a {about['kind']} network") from error
        load_weights(network, folder)
        return cls(network, about, front_end, None if made is None else OnnxEncoder(folder / ENCODER_FILE, made))

    def logits(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of embeddings float32 [n, width]."""
        return self._alone(self._components(inputs))

    def logits_of_clips(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of clips float32 [n, clip_samples] as the front end makes them."""
        return self.logits_of_components(self.components_of_clips(inputs))

    def logits_of_components(self, components: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of components float32 [n, components]."""
        return self._alone(components)

    def is_speech(self, inputs: Float32Array, components: Float32Array) -> npt.NDArray[np.bool_]:
        """Whether each clip is speech: always true without an opinion, and for clips shorter than `JUDGED_SECONDS`.

        Args:
            inputs: clips float32 [n, clip_samples] as the front end makes them.
            components: of the clips, float32 [n, components].

        Returns:
            bool [n].
        """
        kernel, bias = self._opinion
        short = np.array([_sounding(clip != 0) < JUDGED_SECONDS * SAMPLE_RATE_HZ for clip in inputs])
        return (components[:, : len(kernel)] @ kernel + bias >= 0.0) | short

    def components(self, inputs: Float32Array) -> Float32Array:
        """Components float32 [n, components] of embeddings float32 [n, width]."""
        return self._components(inputs)

    def components_of_clips(self, inputs: Float32Array) -> Float32Array:
        """Components float32 [n, components] of clips float32 [n, clip_samples] as the front end makes them.

        Zeros after the longest clip of the batch are left out: they would take as long as speech.
        """
        if self._encoder is not None:
            return self._components(self._encoder([clip[: _sounding(clip != 0)] for clip in inputs]))
        return self._components_of_clips(inputs[:, : rounded_up(_sounding(inputs.any(axis=0)))])

    def relative_logits(self, components: Float32Array, offsets: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of clips whose voice is known.

        Args:
            components: of the clips, float32 [n, components].
            offsets: of their voices, float32 [n, components] or [components], see `deepemo.models.voice`.
        """
        return self._relative(components, np.broadcast_to(offsets, components.shape))

    def graph(self, inputs: tf.Tensor) -> tf.Tensor:
        """Logits of clips in TensorFlow operations.

        Raises:
            InputError: the encoder is not a TensorFlow network.
        """
        if self._encoder is not None:
            raise InputError(
                f"{self.name}: found an encoder from {self._encoder.name}, which cannot be part of an exported model, "
                "expected a built-in one; export a model without it"
            )
        return self._of_inputs(inputs, training=False)


def _sounding(heard: npt.NDArray[np.bool_]) -> int:
    """Number of samples up to the last true one of bool [samples]; at least one frame's, as in the front end."""
    positions = np.flatnonzero(heard)
    return max(samples_of(1), int(positions[-1]) + 1 if len(positions) else 0)


def _of_arrays(part: Callable[..., tf.Tensor], *specs: tf.TensorSpec) -> Callable[..., Float32Array]:
    """A part of the network as a function of arrays that is traced once."""
    traced = tf.function(part, input_signature=specs)

    def call(*arrays: Float32Array) -> Float32Array:
        answer: Float32Array = traced(*(tf.constant(values, dtype=tf.float32) for values in arrays)).numpy()
        return answer

    return call
