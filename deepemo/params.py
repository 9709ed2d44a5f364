"""The schema of params.yaml: one frozen, strict section per stage, with units in the names.

The schema only says which values are possible. No section derives a value or has a default, so that what a stage does
depends on the values that DVC tracks and never on an edit of this file. `deepemo.pipeline`, which reads the file,
supplies the names of the corpora and the sections of the model families, which only higher packages know.
"""

from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

from deepemo.emotions import Emotions, in_order
from deepemo.errors import InputError
from deepemo.yaml12 import in_order_of

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


def _known_corpus(name: str, info: ValidationInfo) -> str:
    """Refuse a name that is not one of the known corpora, if these are given as context."""
    known: Collection[str] | None = (info.context or {}).get("corpora")
    if known is not None and name not in known:
        raise ValueError(f"expected one of {sorted(known)}")
    return name


CorpusName = Annotated[str, AfterValidator(_known_corpus)]


class Section(BaseModel):
    """A part of params.yaml: unknown keys, wrong types and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pydantic's own pickle holds a set, whose order differs from process to process.
        return type(self).model_validate_json, (self.model_dump_json(by_alias=True),)


SectionT = TypeVar("SectionT", bound=Section)


class VoiceDecision(Section):
    """When a recording counts as speech.

    Attributes:
        voice_threshold: probability from which a 32 ms frame counts as speech.
        min_voice_share: at least this share of the frames must count as speech.
        min_voice_seconds: the longest run of such frames must be at least this long.
    """

    voice_threshold: Share
    min_voice_share: Share
    min_voice_seconds: NotNegative


class ViewStrength(Section):
    """The strength of the changes that the exploration shows on one clip."""

    snr_db: float
    stretch: Annotated[float, Field(ge=0.5, le=2)]
    pitch_semitones: Annotated[float, Field(ge=-12, le=12)]


class Synthetic(Section):
    """Size of the built-in default corpus."""

    speakers: Annotated[int, Field(ge=2, le=16)]
    sentences: Annotated[int, Field(ge=1, le=16)]
    takes: Annotated[int, Field(ge=1, le=89)]


class Download(Section):
    """Where the recordings come from."""

    corpora: Annotated[list[CorpusName], Field(min_length=1)]
    source_dir: str | None
    connections: Annotated[int, Field(ge=1, le=16)]
    synthetic: Synthetic

    @model_validator(mode="after")
    def _no_corpus_twice(self) -> Self:
        if len(set(self.corpora)) != len(self.corpora):
            raise ValueError(f"corpora names one twice: {self.corpora}")
        return self


class Validate(VoiceDecision):
    """When a clip is quarantined."""

    min_seconds: Positive
    max_seconds: Positive
    silent_below_dbfs: Annotated[float, Field(le=0)]
    max_clipped_share: Share
    exclude_no_voice: bool
    min_agreement: Share | None

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.min_seconds >= self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds} must be below max_seconds {self.max_seconds}")
        return self


class Eda(Section):
    """What the exploration shows and recommends."""

    coverage: Annotated[float, Field(gt=0, lt=1)]
    measured_clips: Annotated[int, Field(ge=7)]
    silent_below_db: Positive
    resample_hz: Annotated[list[Annotated[int, Field(ge=4000, le=192000)]], Field(min_length=1, max_length=8)]
    views: ViewStrength


class Split(Section):
    """Which speakers and corpora are in training, in validation and in the tests."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    unseen_share: Annotated[float, Field(gt=0, lt=1)]
    validation_speakers: dict[CorpusName, list[str]]
    unseen_speakers: dict[CorpusName, list[str]]
    held_out_corpora: list[CorpusName]


class FeatureParams(Section):
    """From samples to a spectrogram: everything that a model's input depends on."""

    sample_rate_hz: Annotated[int, Field(ge=4000, le=192000)]
    kind: Literal["mel", "spectrogram"]
    clip_seconds: Positive
    trim_below_db: Positive | None
    window_seconds: Positive
    hop_seconds: Positive
    mel_bands: Annotated[int, Field(ge=8, le=512)]
    min_hz: Annotated[float, Field(ge=0)]
    max_hz: Positive
    range_db: Positive

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.hop_seconds > self.window_seconds:
            raise ValueError(f"hop_seconds {self.hop_seconds} must be at most window_seconds {self.window_seconds}")
        if self.window_seconds > self.clip_seconds:
            raise ValueError(f"window_seconds {self.window_seconds} must be at most clip_seconds {self.clip_seconds}")
        if self.max_hz > self.sample_rate_hz / 2:
            raise ValueError(
                f"max_hz {self.max_hz} must be at most {self.sample_rate_hz / 2:g}, half of sample_rate_hz"
            )
        if self.min_hz >= self.max_hz:
            raise ValueError(f"min_hz {self.min_hz} must be below max_hz {self.max_hz}")
        return self


class Featurize(FeatureParams):
    """The spectrograms, and how they are made and stored."""

    clips_per_shard: Count
    workers: Annotated[int, Field(ge=1, le=256)]


class Augment(Section):
    """Changes of a training clip, drawn anew in every epoch; 0 switches a change off."""

    append_neutral: Annotated[float, Field(ge=0, le=1)]
    time_scale: Annotated[float, Field(ge=0, lt=0.5)]
    time_shift_seconds: Annotated[float, Field(ge=0)]
    frequency_shift_bands: Annotated[float, Field(ge=0)]
    gain_db: Annotated[float, Field(ge=0)]
    noise: Annotated[float, Field(ge=0)]
    time_masks: Annotated[int, Field(ge=0)]
    time_mask_seconds: Annotated[float, Field(ge=0)]
    frequency_masks: Annotated[int, Field(ge=0)]
    frequency_mask_bands: Annotated[int, Field(ge=0)]
    mixup: Annotated[float, Field(ge=0)]


class WaveformViews(Section):
    """How strongly a copy of a recording is perturbed; each view of a clip is drawn once, by its id.

    Attributes:
        speed: largest change of speed, faster or slower, as a share; the pitch changes with it.
        equaliser_db: standard deviation of a smooth random gain over frequency.
        cut_share: share of views in which low frequencies are cut off, and share in which high frequencies are.
        low_cut_hz: highest frequency below which a view may be cut.
        high_cut_hz: lowest frequency above which a view may be cut.
        room_share: share of views that are put into a room.
        reverberation_seconds: longest time in which the echo decays by 60 dB.
        min_direct_db: lowest energy of the direct sound relative to the echo.
        noise_share: share of views with added noise, from white to brown.
        babble_share: share of views with other training clips in the background.
        min_snr_db: lowest ratio of the speech to noise or babble.
        max_snr_db: highest ratio of the speech to noise or babble.
    """

    speed: Annotated[float, Field(ge=0, lt=0.5)]
    equaliser_db: NotNegative
    cut_share: Share
    low_cut_hz: Annotated[float, Field(ge=40, le=1000)]
    high_cut_hz: Annotated[float, Field(ge=1000, le=8000)]
    room_share: Share
    reverberation_seconds: Annotated[float, Field(ge=0.15, le=5)]
    min_direct_db: Annotated[float, Field(ge=-30, le=12)]
    noise_share: Share
    babble_share: Share
    min_snr_db: float
    max_snr_db: float

    @model_validator(mode="after")
    def _ratios_in_order(self) -> Self:
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(f"min_snr_db {self.min_snr_db} must be at most max_snr_db {self.max_snr_db}")
        return self


class Learning(Section):
    """How a network learns.

    Attributes:
        epochs: maximum number of epochs.
        patience: epochs without a lower validation loss before training stops.
        batch_size: clips per step.
        learning_rate: the peak of a one-cycle schedule.
        weight_decay: of AdamW.
        average_weights: decay of the running mean of the weights. Validation and the saved model use this mean; 0 for
            the weights themselves.
        mixed_precision: whether training steps multiply in bfloat16, see `deepemo.training.precision`.
    """

    epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: NotNegative
    average_weights: Annotated[float, Field(ge=0, lt=1)]
    mixed_precision: bool


class CrossCorpus(Section):
    """Which models are trained without each corpus and on each corpus alone, and how their figures are computed.

    Attributes:
        pairs: whether models are trained on each corpus alone too, and judged on every corpus.
        train_on_features: whether models without cached embeddings are trained too.
        workers: number of processes, each for one corpus at a time; only one on GPUs and on several machines.
        batch_size: clips that are judged at once.
        bootstrap_samples: of each interval.
    """

    pairs: bool
    train_on_features: bool
    workers: Annotated[int, Field(ge=1, le=256)]
    batch_size: Count
    bootstrap_samples: Annotated[int, Field(ge=100)]


class Evaluate(Section):
    """How the figures are computed."""

    batch_size: Count
    bootstrap_samples: Annotated[int, Field(ge=100)]
    wanted_accuracy: Annotated[float, Field(gt=0, lt=1)]


class Robustness(Section):
    """The number of clips, and the bit rates, with which the predictors are tried in adverse conditions.

    Attributes:
        clips: number of clips of speakers never heard, drawn; all if there are fewer.
        mp3_kbps: bit rate of MP3 at 16 kHz, in kilobits per second.
        opus_kbps: bit rate of Opus, in kilobits per second.
        bootstrap_samples: of each interval.
        workers: threads that perturb clips.
    """

    clips: Count
    mp3_kbps: Literal[8, 16, 24, 32, 40, 48, 56, 64]
    opus_kbps: Annotated[int, Field(ge=6, le=64)]
    bootstrap_samples: Annotated[int, Field(ge=100)]
    workers: Annotated[int, Field(ge=1, le=256)]


class Gate(VoiceDecision):
    """When a recording counts as speech, and the clips and sounds on which this decision is measured."""

    clips: Count
    made_sounds: Count
    non_speech_dir: str | None


class Params(Section):
    """All of params.yaml; `models` holds the sections of the model families by their names in the file."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    emotions: Annotated[Emotions, Field(strict=False), AfterValidator(in_order)]
    download: Download
    validate_: Annotated[Validate, Field(alias="validate")]
    eda: Eda
    split: Split
    featurize: Featurize
    models: dict[str, Any]
    cross_corpus: CrossCorpus
    evaluate: Evaluate
    robustness: Robustness
    gate: Gate
    # The content of the file, for the order of its keys.
    _content: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, content: dict[str, Any], models: Mapping[str, Section], *, corpora: Collection[str] | None) -> Self:
        """Check the file's content, given the sections of the model families and the known corpora (None: any)."""
        others = {name: values for name, values in content.items() if name not in models}
        params = cls.model_validate({**others, "models": models}, context={"corpora": corpora})
        params._content = content
        return params

    def __reduce__(self) -> tuple[Any, ...]:
        # Not as JSON alone, which says nothing of the classes of the families' sections.
        return partial(type(self).of, corpora=None), (self.to_mapping(), self.models)

    def section(self, name: str, kind: type[SectionT]) -> SectionT:
        """A model family's section.

        Args:
            name: its key in params.yaml, such as `train_shallow`.
            kind: its class.

        Raises:
            InputError: there is no section of that name and class.
        """
        found = self.models.get(name)
        if not isinstance(found, kind):
            raise InputError(f"params.yaml: {name}: found {type(found).__name__}, expected a section {kind.__name__}")
        return found

    def to_mapping(self) -> dict[str, Any]:
        """The values as plain mappings and lists, by the names and in the order of params.yaml."""
        models = {name: section.model_dump() for name, section in self.models.items()}
        return in_order_of(self.model_dump(mode="json", by_alias=True, exclude={"models"}) | models, self._content)
