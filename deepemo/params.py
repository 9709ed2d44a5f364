"""The schema of params.yaml: one frozen, strict section a stage, units in the names.

It says which values are possible and nothing else: no section derives or defaults a value, so that what a stage does
depends on the values DVC tracks and never on an edit of this file.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from deepemo.corpora.registry import CORPUS_NAMES
from deepemo.errors import InputError
from deepemo.networks.backbones import BACKBONE_NAMES
from deepemo.yaml12 import read_yaml

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"expected one of {list(names)}")
        return name

    return AfterValidator(check)


CorpusName = Annotated[str, _one_of(CORPUS_NAMES)]
BackboneName = Annotated[str, _one_of(BACKBONE_NAMES)]


class ParamsError(InputError):
    """params.yaml does not hold what the schema expects."""


class Section(BaseModel):
    """A part of params.yaml: unknown keys, wrong types and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Synthetic(Section):
    """Size of the embedded default corpus."""

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
    def _no_corpus_twice(self) -> "Download":
        if len(set(self.corpora)) != len(self.corpora):
            raise ValueError(f"corpora names one twice: {self.corpora}")
        return self


class Validate(Section):
    """When a clip is quarantined."""

    min_seconds: Positive
    max_seconds: Positive
    silent_below_dbfs: Annotated[float, Field(le=0)]
    max_clipped_share: Share
    voice_threshold: Share
    min_voice_share: Share
    min_voice_seconds: Annotated[float, Field(ge=0)]
    exclude_no_voice: bool

    @model_validator(mode="after")
    def _lengths_in_order(self) -> "Validate":
        if self.min_seconds >= self.max_seconds:
            raise ValueError(f"min_seconds {self.min_seconds} must be below max_seconds {self.max_seconds}")
        return self


class Views(Section):
    """How strong the changes are that the exploration shows on one clip."""

    snr_db: float
    stretch: Annotated[float, Field(ge=0.5, le=2)]
    pitch_semitones: Annotated[float, Field(ge=-12, le=12)]


class Eda(Section):
    """What the exploration shows and recommends."""

    coverage: Annotated[float, Field(gt=0, lt=1)]
    measured_clips: Annotated[int, Field(ge=7)]
    silent_below_db: Positive
    resample_hz: Annotated[list[Annotated[int, Field(ge=4000, le=192000)]], Field(min_length=1, max_length=8)]
    views: Views


class Split(Section):
    """Who is heard in training, and who never."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    unseen_share: Annotated[float, Field(gt=0, lt=1)]
    validation_speakers: dict[CorpusName, list[str]]
    unseen_speakers: dict[CorpusName, list[str]]
    held_out_corpora: list[CorpusName]


class Featurize(Section):
    """From samples to a spectrogram."""

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
    shards: Count
    workers: Annotated[int, Field(ge=1, le=256)]

    @model_validator(mode="after")
    def _possible(self) -> "Featurize":
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


class Augment(Section):
    """Views of a training clip, drawn anew in every epoch; 0 switches one off."""

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


class TrainShallow(Section):
    """The shallow CNN and how it learns."""

    channels: Annotated[list[Count], Field(min_length=1, max_length=6)]
    band_pooling: Count
    dropout: Annotated[float, Field(ge=0, lt=1)]
    epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    average_weights: Annotated[float, Field(ge=0, lt=1)]
    augment: Augment


class Embed(Section):
    """The ImageNet backbone that looks at the spectrograms."""

    backbone: BackboneName
    weights: str
    band_pooling: Count
    depths: Annotated[list[Share], Field(min_length=1)]
    batch_size: Count


class FineTune(Section):
    """The second phase of transfer: the backbone's last blocks learn too, from the head found on the embeddings."""

    trainable_blocks: Annotated[int, Field(ge=0)]
    epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Positive
    rate_decay_per_block: Annotated[float, Field(gt=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    average_weights: Annotated[float, Field(ge=0, lt=1)]
    augment: Augment


class TrainTransfer(Section):
    """The head on the backbone's embeddings, and the fine-tuning that may follow."""

    hidden_units: Annotated[int, Field(ge=0)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    epochs: Count
    patience: Count
    batch_size: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    average_weights: Annotated[float, Field(ge=0, lt=1)]
    finetune: FineTune


class Evaluate(Section):
    """How the figures are taken."""

    batch_size: Count
    bootstrap_samples: Annotated[int, Field(ge=100)]
    wanted_accuracy: Annotated[float, Field(gt=0, lt=1)]


class Gate(Section):
    """When somebody speaks in a recording, and on what that decision is measured."""

    voice_threshold: Share
    min_voice_share: Share
    min_voice_seconds: Annotated[float, Field(ge=0)]
    clips: Count
    made_sounds: Count
    non_speech_dir: str | None


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    download: Download
    validate_: Annotated[Validate, Field(alias="validate")]
    eda: Eda
    split: Split
    featurize: Featurize
    train_shallow: TrainShallow
    embed: Embed
    train_transfer: TrainTransfer
    evaluate: Evaluate
    gate: Gate


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: it is missing, is not YAML, or a key is unknown, missing, of the wrong type or impossible. The
            message names each key, what was found and what was expected.
    """
    try:
        content = read_yaml(Path(path))
    except InputError as error:
        raise ParamsError(str(error)) from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ParamsError("\n".join(f"{path}: {_explain(problem)}" for problem in error.errors())) from error


def _explain(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "the whole file"
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such parameter"
    if problem["type"] == "missing":
        return f"{key}: missing"
    found = problem["input"]
    shown = "" if isinstance(found, dict) else f"found {found!r}; "
    return f"{key}: {shown}{problem['msg'].removeprefix('Value error, ')}"
