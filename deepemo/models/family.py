"""The interface of a model family: what training, evaluation and serving need to know about a kind of network.

A family is one folder of this package and one entry of `deepemo.models.registry`. Stages, evaluation, the model card,
the command line and the server take the names of the models from the registry and know nothing else of a family.

This module imports no TensorFlow, so that names and sections can be read without it. A family's functions import what
they need when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from deepemo.arrays import Float32Array
from deepemo.params import Params, Section

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow as tf

    from deepemo.training.fit import Trained


# Files in the folder of a trained network.
WEIGHTS_FILE = "model.weights.h5"
ABOUT_FILE = "model.json"


class FrontEnd(Protocol):
    """Turns the samples of one clip into the input array of a network in serving.

    Front ends that make the same array are equal (`==`), so that the array is computed once for several networks.

    Attributes:
        sample_rate_hz: of the clips it makes.
        clip_seconds: longest recording that is treated as one clip; a longer one is answered window by window.
    """

    sample_rate_hz: int
    clip_seconds: float

    def trim(self, samples: Float32Array) -> Float32Array:
        """Cut off parts that do not count towards a clip's length: float32 [n] at `sample_rate_hz` to float32 [m]."""

    def clip(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """Samples of one clip as an exported model takes them: float32 [n] at any rate to float32 [clip_samples]."""

    def __call__(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """The array of one clip, of a fixed shape: float32 [n] at any rate to float32 [...]."""

    def graph(self, samples: tf.Tensor) -> tf.Tensor:
        """The array of one clip in TensorFlow operations, for export: float32 [clip_samples] to the array."""

    def steps(self) -> list[str]:
        """What `clip` does, in words, for programs that run an exported model."""

    def describe(self) -> dict[str, Any]:
        """All settings that the array depends on, for JSON."""


class Classifier(Protocol):
    """A trained network, or the part of it that takes what its frozen part made before."""

    def logits(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of arrays [n, ...] as the shards hold them."""


class TrainedModel(Classifier, Protocol):
    """A trained network, loaded.

    Attributes:
        name: of its family.
        about: content of its `model.json`.
        front_end: makes its input in serving.
    """

    name: str
    about: Mapping[str, Any]
    front_end: FrontEnd

    def logits_of_clips(self, inputs: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of arrays [n, ...] as the front end makes them."""

    def graph(self, inputs: tf.Tensor) -> tf.Tensor:
        """`logits_of_clips` in TensorFlow operations, for export: arrays [n, ...] to logits [n, classes]."""


@runtime_checkable
class VoiceModel(TrainedModel, Protocol):
    """A trained network that can compare a clip with other recordings of the same voice.

    See `deepemo.models.voice`.
    """

    def components(self, inputs: Float32Array) -> Float32Array:
        """The values that references are made of, float32 [n, components], of arrays [n, ...] as in the shards."""

    def components_of_clips(self, inputs: Float32Array) -> Float32Array:
        """Components float32 [n, components] of arrays [n, ...] as the front end makes them."""

    def relative_logits(self, components: Float32Array, offsets: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of components minus the offsets of voices [n, components] or [components]."""


@runtime_checkable
class SpeechJudge(VoiceModel, Protocol):
    """A trained network that also hears whether a clip is speech: the second opinion of the voice gate.

    Attributes:
        has_opinion: whether it learned to tell speech from other sounds; without an opinion, everything is speech.
    """

    has_opinion: bool

    def logits_of_components(self, components: Float32Array) -> Float32Array:
        """Logits float32 [n, classes] of components [n, components] as `components_of_clips` gives them."""

    def is_speech(self, inputs: Float32Array, components: Float32Array) -> npt.NDArray[np.bool_]:
        """Whether each clip is speech, bool [n], of arrays [n, ...] as the front end makes them, and of components."""


@dataclass(frozen=True, kw_only=True)
class ModelFamily:
    """A model family.

    Attributes:
        name: of its folder under `models/`, of its predictor and of its training stage, `train_<name>`.
        sections: classes of its sections of params.yaml, by their names there.
        shards: folder of the input arrays of its networks in evaluation.
        train: trains a network, given the params, the split table and a folder for checkpoints.
        load: loads a trained network from its folder.
        describe: writes the network's paragraph in the model card, given the content of its `model.json` and the run's
            params.
        embed: writes `shards` from the outputs of earlier stages, and returns a summary in words; None if the family
            reads shards of another stage.
        embed_views: embeds perturbed copies of the training clips and writes them, given the params and the split
            table, and returns a summary in words; None if the family has no such copies.
        cached: the shards of cached embeddings and the part of a trained network that takes them, given the params of
            its training; None if the whole network takes the arrays of `shards`.
    """

    name: str
    sections: Mapping[str, type[Section]]
    shards: Path
    train: Callable[[Params, pd.DataFrame, Path], Trained]
    load: Callable[[Path], TrainedModel]
    describe: Callable[[Mapping[str, Any], Params], str]
    embed: Callable[[Params], str] | None = None
    embed_views: Callable[[Params, pd.DataFrame], str] | None = None
    cached: Callable[[Params, Any], tuple[Path, Classifier]] | None = None
