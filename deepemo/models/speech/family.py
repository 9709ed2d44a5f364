"""The family `speech`: frozen encoders that learned from speech, with heads on the statistics of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from deepemo.files import CLIPS, EMBEDDINGS, RAW
from deepemo.models.family import ModelFamily
from deepemo.params import Count, Learning, NotNegative, Params, Positive, Section, Share, WaveformViews

if TYPE_CHECKING:
    import pandas as pd

    from deepemo.models.speech.model import SpeechModel
    from deepemo.training.fit import Trained

NAME = "speech"
SPEECH_EMBEDDINGS = EMBEDDINGS / "speech"
SPEECH_VIEWS = EMBEDDINGS / "speech_views"
PIPELINE = Path("dvc.yaml")

# Outputs of the built-in encoders, in their order; see `TAPS` in the modules `moonshine` and `whisper`.
TAPS = {
    "moonshine_tiny": ("stem", "layer1", "layer2", "layer3", "layer4", "layer5", "layer6_attention", "output"),
    "whisper_tiny_en": (
        "whisper_stem",
        "whisper_layer1",
        "whisper_layer2",
        "whisper_layer3",
        "whisper_layer4",
        "whisper_output",
    ),
}
ONNX_SUFFIX = ".onnx"
# In model.json, the discriminant's share for near clips: in the head that hears a clip alone, and in the one that knows
# the voice.
NEAR = "discriminant_near"


def _known_encoder(encoder: str) -> str:
    # Absolute paths would put folders of one machine into the record of a run.
    if encoder.endswith(ONNX_SUFFIX) and not Path(encoder).is_absolute():
        return encoder
    parts = encoder.split("+")
    if not set(parts) <= set(TAPS) or len(set(parts)) != len(parts):
        raise ValueError(
            f"expected one of {list(TAPS)}, several of them joined by +, "
            f"or the path of a file *{ONNX_SUFFIX} from the pipeline's folder"
        )
    return encoder


class SpeechInput(Section):
    """How a recording is prepared for the encoder.

    Attributes:
        clip_seconds: longer recordings are cut at their end.
        trim_below_db: ends quieter than this below the loudest 20 ms are cut off; None keeps them.
        level_dbfs: RMS to which it is scaled; -26 dBFS is 0.05.
    """

    clip_seconds: Annotated[float, Field(ge=0.5, le=30)]
    trim_below_db: Positive | None
    level_dbfs: Annotated[float, Field(ge=-80, le=0)]


class EmbedSpeech(SpeechInput):
    """The speech encoder that embeds the recordings.

    Attributes:
        encoder: the name of a built-in one, the names of several joined by `+`, or the path of an ONNX file relative to
            the pipeline's folder.
        taps: names of its outputs that are used.
        segments: equal parts of a clip whose means are kept too, so that heads can attend over time; 0: none.
        batch_size: clips that it takes at once; an ONNX file takes one.
        clips_per_shard: of the stored embeddings.
        workers: threads that read recordings.
    """

    encoder: Annotated[str, AfterValidator(_known_encoder)]
    taps: Annotated[list[str], Field(min_length=1)]
    segments: Annotated[int, Field(ge=0, le=16)]
    batch_size: Count
    clips_per_shard: Count
    workers: Annotated[int, Field(ge=1, le=256)]

    @property
    def onnx_file(self) -> Path | None:
        """The file of an encoder that the user brings; None for a built-in one."""
        return Path(self.encoder) if self.encoder.endswith(ONNX_SUFFIX) else None

    @model_validator(mode="after")
    def _known_taps(self) -> Self:
        if len(set(self.taps)) != len(self.taps):
            raise ValueError(f"taps names one twice: {self.taps}")
        # Only an ONNX file itself knows its outputs.
        if self.onnx_file is None:
            known = [tap for part in self.encoder.split("+") for tap in TAPS[part]]
            if unknown := [tap for tap in self.taps if tap not in known]:
                raise ValueError(f"taps: {unknown} are no outputs of {self.encoder}, expected some of {known}")
        return self


class EmbedSpeechViews(Section):
    """Perturbed copies of the training clips that are embedded too.

    Attributes:
        views: of each training clip; 0 for none.
        strength: of the perturbation.
        sounds_per_kind: made sounds of each kind that are embedded for the second opinion of the voice gate; 0 for
            none, and no opinion.
        batch_size: clips that the encoder takes at once.
        workers: threads that read and perturb recordings.
    """

    views: Annotated[int, Field(ge=0, le=16)]
    strength: WaveformViews
    sounds_per_kind: Annotated[int, Field(ge=0, le=1000)]
    batch_size: Count
    workers: Annotated[int, Field(ge=1, le=256)]


class SpeechHeads(Section):
    """The shape of both kinds of heads on the encoder's embeddings.

    Attributes:
        components: number of principal components of the statistics over whole clips.
        members: perceptrons in each kind of head, trained separately and averaged.
        perceptron_components: number of these components that perceptrons take, those of the largest variance, or all
            if there are fewer. The discriminant takes all.
        segment_components: number of principal components of each segment.
        attention_members: networks in each kind of head that attend over the segments, trained separately and averaged.
            They have half the weight of the perceptrons and these networks together. 0: none, and segments have no use.
        attention_units: of each layer of such a network.
        discriminant_share: least weight of a linear discriminant in each kind of head for clips far from those of the
            training; the trained networks have the rest. For near clips, the weight is fitted on validation. 0: no
            discriminant at any distance.
        discriminant_distances: distance up to which a clip is near, and distance from which it is far; see
            `deepemo.models.speech.network.Distance`.
        hidden_units: of a perceptron's layer between components and emotions; 0 for none.
        dropout: before each layer of a perceptron, and before the last layers of a network that attends.
    """

    components: Count
    members: Annotated[int, Field(ge=1, le=16)]
    perceptron_components: Count
    segment_components: Annotated[int, Field(ge=1, le=256)]
    attention_members: Annotated[int, Field(ge=0, le=16)]
    attention_units: Count
    discriminant_share: Annotated[float, Field(ge=0, le=1)]
    discriminant_distances: Annotated[list[NotNegative], Field(min_length=2, max_length=2)]
    hidden_units: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        near, far = self.discriminant_distances
        if near >= far:
            raise ValueError(f"discriminant_distances: expected the first to be less than the second, {near:g} is not")
        return self


class TrainSpeech(SpeechHeads, Learning):
    """The heads, and how they learn.

    Attributes:
        discriminant_shrinkage: shrinkage of its covariance towards one without correlations.
        view_share: share of the clips that a head gets as one of their perturbed views, if there are any.
        reference_recordings: sizes of the references with which the head that knows the voice learns, in recordings of
            the same voice; each size is drawn equally often.
    """

    discriminant_shrinkage: Annotated[float, Field(gt=0, le=1)]
    view_share: Share
    reference_recordings: Annotated[list[Count], Field(min_length=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


def embed(params: Params) -> str:
    """Write the embeddings of all good clips; see `ModelFamily`."""
    from deepemo.dataset.clips import good_clips, read_clips
    from deepemo.models.speech.embed import check_tracked, write_embeddings

    section = params.section("embed_speech", EmbedSpeech)
    if section.onnx_file is not None:
        check_tracked(section.onnx_file, PIPELINE)
    clips = good_clips(read_clips(CLIPS))
    count, width = write_embeddings(section, clips=clips, raw_dir=RAW, embeddings=SPEECH_EMBEDDINGS)
    return f"{count} clips, {width} values each by {section.encoder}"


def embed_views(params: Params, split: pd.DataFrame) -> str:
    """Write the embeddings of perturbed training clips; see `ModelFamily`."""
    from deepemo.dataset.clips import good_clips, read_clips
    from deepemo.models.speech.views import write_views

    section = params.section("embed_speech_views", EmbedSpeechViews)
    count, sounds = write_views(
        section,
        clips=good_clips(read_clips(CLIPS)),
        split=split,
        raw_dir=RAW,
        embeddings=SPEECH_EMBEDDINGS,
        folder=SPEECH_VIEWS,
        seed=params.seed,
    )
    return f"{count} training clips, {section.views} views of each; {sounds} sounds without speech"


def train(params: Params, split: pd.DataFrame, resume: Path) -> Trained:
    """Train the head on the embeddings of the run; see `ModelFamily`."""
    from deepemo.models.speech.train import train_speech

    section = params.section("train_speech", TrainSpeech)
    return train_speech(
        section,
        embeddings=SPEECH_EMBEDDINGS,
        views=SPEECH_VIEWS,
        split=split,
        emotions=params.emotions,
        seed=params.seed,
        resume=resume,
    )


def load(folder: Path) -> SpeechModel:
    """Load a trained network; see `ModelFamily`."""
    from deepemo.models.speech.model import SpeechModel

    return SpeechModel.load(folder)


def describe(about: Mapping[str, Any], params: Params) -> str:
    """The network's paragraph in the model card."""
    from deepemo.models.speech.words import paragraph

    return paragraph(about, params)


FAMILY = ModelFamily(
    name=NAME,
    sections={"embed_speech": EmbedSpeech, "embed_speech_views": EmbedSpeechViews, "train_speech": TrainSpeech},
    shards=SPEECH_EMBEDDINGS,
    train=train,
    load=load,
    describe=describe,
    embed=embed,
    embed_views=embed_views,
)
