"""The network of the family `speech`: an embedder, its principal components, and two kinds of heads on them.

A head consists of perceptrons on the statistics of a clip and networks that attend over its segments, which are better
on other voices of the corpora they learned from, and a linear discriminant, which is better on corpora that it never
heard. How far a clip is from the training clips decides how much each of them counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from deepemo.models.head import build_perceptron
from deepemo.models.layers import ChannelNormalisation
from deepemo.models.speech.embedder import ClipLength, build_embedder
from deepemo.models.speech.family import SpeechHeads
from deepemo.models.speech.layers import AttentivePooling, Columns, Distance, Mixture, Projection

COMPONENTS = "components"
WHOLE = "whole"  # takes the components of the whole clip from all of them
PROJECTION = "projection"  # of the statistics over whole clips, within the components
SEGMENT_PROJECTION = "segment_projection"  # of each segment, within the components
HEAD = "head"  # hears a clip alone
VOICE_HEAD = "voice_head"  # hears how a clip differs from others of its voice
OPINION = "opinion"  # hears whether a clip is speech at all
DISCRIMINANT = "discriminant"  # of each head
TRAINED = "trained"  # mean of the networks that learn by gradients, in each head
MIXTURE = "mixture"  # of trained networks and discriminant, in each head
DISTANCE = "distance"  # from the training clips

# Share of the components of segments that a network does not get, in training.
_SEGMENT_DROPOUT = 0.2


@dataclass(frozen=True)
class Layout:
    """What an embedding consists of: first the statistics over the whole clip, then the segments.

    Attributes:
        width: of an embedding.
        segments: number of segments.
        segment_width: numbers of each segment.
    """

    width: int
    segments: int = 0
    segment_width: int = 0

    @property
    def statistics(self) -> int:
        """How many of the numbers are statistics over the whole clip."""
        return self.width - self.segments * self.segment_width

    def attending(self, heads: SpeechHeads) -> int:
        """How many components the segments of a clip have together; 0 if there are none, or no head uses them."""
        return self.segments * heads.segment_components if heads.attention_members and self.segment_width else 0


def build_components(layout: Layout, heads: SpeechHeads) -> keras.Model:
    """Embeddings float32 [n, width] to components: those of the statistics, then those of each segment.

    Its layers `projection` and, if heads attend over segments, `segment_projection` must be adapted.
    """
    embedding = keras.Input((layout.width,), name="embedding")
    whole = Columns(0, layout.statistics, name=WHOLE)(embedding)
    values = Projection(heads.components, name=PROJECTION)(whole)
    if attending := layout.attending(heads):
        segments = Columns(layout.statistics, layout.width, name="segments")(embedding)
        parts = keras.layers.Reshape((layout.segments, layout.segment_width), name="parts")(segments)
        projected = Projection(heads.segment_components, name=SEGMENT_PROJECTION)(parts)
        flat = keras.layers.Reshape((attending,), name="flat")(projected)
        values = keras.layers.Concatenate(name="joined")([values, flat])
    return keras.Model(embedding, values, name=COMPONENTS)


def build_heads(heads: SpeechHeads, *, segments: int = 0, classes: int, name: str) -> keras.Model:
    """Components float32 [n, c] and distances [n, 1] to logits [n, classes], by one kind of head.

    The layers `member1`, `member2` and so on are perceptrons on the first components of the whole clip, see
    `deepemo.models.head.build_perceptron`, and then networks on all components that attend over the segments. The layer
    `discriminant` is linear, and no gradient changes it.

    Args:
        heads: their shape.
        segments: number of segments over which networks attend; 0: there are no such networks.
        classes: emotions to tell apart.
        name: of the network.
    """
    width = heads.components + segments * heads.segment_components
    components = keras.Input((width,), name="components")
    distance = keras.Input((1,), name="distance")
    whole = Columns(0, heads.components, name=WHOLE)(components)
    taken = min(heads.perceptron_components, heads.components)
    first = Columns(0, taken, name="first")(components)
    perceptrons = [
        build_perceptron(
            taken,
            hidden_units=heads.hidden_units,
            dropout=heads.dropout,
            classes=classes,
            name=f"member{number}",
        )(first)
        for number in range(1, heads.members + 1)
    ]
    attending = [
        _attending(width, heads, segments, classes, f"member{heads.members + number}")(components)
        for number in range(1, heads.attention_members + 1 if segments else 1)
    ]
    kinds = [_mean(logits) for logits in (perceptrons, attending) if logits]
    linear = keras.layers.Dense(classes, trainable=False, name=DISCRIMINANT)(whole)
    mixture = Mixture(heads.discriminant_share, heads.discriminant_distances, name=MIXTURE)
    return keras.Model([components, distance], mixture(_mean(kinds, name=TRAINED), linear, distance), name=name)


def members_of(head: keras.Model) -> list[keras.Model]:
    """The perceptrons of a head of `build_heads`, then its networks that attend."""
    return [layer for layer in head.layers if layer.name.startswith("member")]


def trained_part(head: keras.Model) -> keras.Model:
    """A head without its discriminant: components to logits of the networks that learn by gradients."""
    return keras.Model(head.inputs[0], head.get_layer(TRAINED).output)


def _mean(logits: Sequence[keras.KerasTensor], *, name: str | None = None) -> keras.KerasTensor:
    return keras.layers.Average(name=name)(logits) if len(logits) > 1 else keras.layers.Identity(name=name)(logits[0])


def _attending(width: int, heads: SpeechHeads, segments: int, classes: int, name: str) -> keras.Model:
    """Two layers that hear each segment by itself, attention over all segments, and a hidden layer."""
    layers, units = keras.layers, heads.attention_units
    components = keras.Input((width,), name="components")
    flat = Columns(heads.components, width)(components)
    x = layers.Reshape((segments, heads.segment_components))(flat)
    x = layers.SpatialDropout1D(_SEGMENT_DROPOUT)(x)
    x = layers.Dense(units, activation="gelu")(x)
    x = layers.Add()([x, layers.Dense(units, activation="gelu")(x)])
    x = ChannelNormalisation()(AttentivePooling()(x))
    x = layers.Dense(units, activation="relu")(layers.Dropout(heads.dropout)(x))
    logits = layers.Dense(classes, name="emotions")(layers.Dropout(heads.dropout)(x))
    return keras.Model(components, logits, name=name)


def build_speech(
    encoder: keras.Model, heads: SpeechHeads, *, taps: Sequence[str], segments: int = 0, classes: int
) -> keras.Model:
    """The whole network: layers `embedder`, `components`, `distance`, `head`, `voice_head` and `opinion`.

    Inputs: `samples`, clips float32 [n, samples] at 16 kHz, padded with zeros, which do not count; `offset`, float32
    [n, components], the offset of each clip's voice, see `deepemo.models.voice`.

    Outputs: logits float32 [n, classes] of the clip alone, and of the clip minus the offset; and a score float32 [n, 1]
    that is at least 0 for speech, see `deepemo.models.speech.opinion`. Encoders are frozen.

    Args:
        encoder: see `deepemo.models.speech.embedder.build_encoder`.
        heads: on its embeddings.
        taps: see `build_embedder`.
        segments: see `build_embedder`.
        classes: emotions to tell apart.
    """
    embedder = build_embedder(encoder, taps, segments=segments)
    embedder.trainable = False
    samples = keras.Input((None,), name="samples")
    embedding = embedder([samples, ClipLength(name="length")(samples)])
    width = embedder.output_shape[-1]
    layout = Layout(width, segments, width // (2 + segments)) if segments else Layout(width)
    return _with_heads(samples, embedding, heads, layout, classes=classes)


def build_on_embeddings(layout: Layout, heads: SpeechHeads, *, classes: int) -> keras.Model:
    """The network after an encoder that is not part of it, with the layers of `build_speech` after the embedder.

    Inputs: `embedding`, float32 [n, width]; `offset`, as for `build_speech`. Outputs: as for `build_speech`.

    Args:
        layout: of the embeddings.
        heads: on them.
        classes: emotions to tell apart.
    """
    embedding = keras.Input((layout.width,), name="embedding")
    return _with_heads(embedding, embedding, heads, layout, classes=classes)


def _with_heads(
    source: keras.KerasTensor, embedding: keras.KerasTensor, heads: SpeechHeads, layout: Layout, *, classes: int
) -> keras.Model:
    """Add components, both kinds of heads and the opinion to an embedding [n, width] computed from the source."""
    project = build_components(layout, heads)
    values = project(embedding)
    offset = keras.Input((project.output_shape[-1],), name="offset")
    segments = layout.segments if layout.attending(heads) else 0
    alone, relative = (build_heads(heads, segments=segments, classes=classes, name=name) for name in (HEAD, VOICE_HEAD))
    whole = Columns(0, heads.components, name=WHOLE)(values)
    distance = Distance(name=DISTANCE)(whole)
    difference = keras.layers.Subtract(name="difference")([values, offset])
    # With zeros as weights, everything counts as speech; `train_speech` sets them.
    opinion = keras.layers.Dense(1, kernel_initializer="zeros", trainable=False, name=OPINION)
    logits = [alone([values, distance]), relative([difference, distance])]
    return keras.Model([source, offset], [*logits, opinion(whole)], name="speech")
