"""From samples to a spectrogram or log-mel spectrogram, by tensorflow-io."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import tensorflow as tf
import tensorflow_io as tfio

from deepemo.errors import InputError

# Power below which tensorflow-io's dbscale puts its floor; a peak at that floor means that there is no sound at all.
SILENT_DB = -100.0


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """What a model's input is: everything that leads from samples to features, in seconds, hertz and decibels."""

    sample_rate_hz: int
    kind: str
    clip_seconds: float
    trim_below_db: float | None
    window_seconds: float
    hop_seconds: float
    mel_bands: int
    min_hz: float
    max_hz: float
    range_db: float

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from a mapping that may hold other keys too, such as the params of `featurize`."""
        return cls(**{name: values[name] for name in cls.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping, for JSON."""
        return asdict(self)

    @property
    def clip_samples(self) -> int:
        """Samples of a clip at `sample_rate_hz`."""
        return round(self.clip_seconds * self.sample_rate_hz)

    @property
    def window_samples(self) -> int:
        """Samples of an analysis window."""
        return round(self.window_seconds * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop_seconds * self.sample_rate_hz)

    @property
    def fft_size(self) -> int:
        """Points of the FFT: a power of two; twice as many for mel, so that the lowest mel band holds a bin."""
        smallest = 1 << (self.window_samples - 1).bit_length()
        return 2 * smallest if self.kind == "mel" else smallest

    @property
    def frames(self) -> int:
        """Frames of a clip: one a hop, the last ones padded at the end."""
        return -(-self.clip_samples // self.hop_samples)

    @property
    def bin_range(self) -> tuple[int, int]:
        """First and one past the last FFT bin between `min_hz` and `max_hz`."""
        hz_a_bin = self.sample_rate_hz / self.fft_size
        return -int(-self.min_hz // hz_a_bin), int(self.max_hz // hz_a_bin) + 1

    @property
    def bands(self) -> int:
        """Bands of a frame: mel bands, or FFT bins between `min_hz` and `max_hz`."""
        first, end = self.bin_range
        return self.mel_bands if self.kind == "mel" else end - first


def decibel_spectrogram(samples: tf.Tensor, spec: FeatureSpec) -> tf.Tensor:
    """Spectrogram of one clip in decibels below its peak, scaled to [0, 1].

    The magnitude of tensorflow-io's STFT (Hann window, not centred, padded at the end), for `mel` through its HTK mel
    filters, in dB by its dbscale (which squares), at most `range_db` below the clip's own peak. One clip at a time,
    because dbscale takes the peak of all that it is given.

    Args:
        samples: float32 [clip_samples], mono at `spec.sample_rate_hz`.
        spec: what to compute.

    Returns:
        float32 [frames, bands]: 1 at the clip's peak, 0 at `range_db` below it and everywhere in a silent clip.
    """
    magnitude = tfio.audio.spectrogram(
        samples, nfft=spec.fft_size, window=spec.window_samples, stride=spec.hop_samples
    )  # [frames, fft_size / 2 + 1]
    if spec.kind == "mel":
        magnitude = tfio.audio.melscale(
            magnitude, rate=spec.sample_rate_hz, mels=spec.mel_bands, fmin=spec.min_hz, fmax=spec.max_hz
        )  # [frames, mel_bands]
    else:
        first, end = spec.bin_range
        magnitude = magnitude[:, first:end]  # [frames, bands]
    decibel = tfio.audio.dbscale(magnitude, top_db=spec.range_db)
    peak = tf.reduce_max(decibel)
    scaled = (decibel - peak) / spec.range_db + 1.0
    return tf.where(peak > SILENT_DB, tf.clip_by_value(scaled, 0.0, 1.0), tf.zeros_like(scaled))


def check_bands(spec: FeatureSpec) -> None:
    """Refuse a spec whose mel filters hold a band that no FFT bin falls into.

    Raises:
        InputError: some band would be silent whatever the sound.
    """
    if spec.kind != "mel":
        return
    bins = spec.fft_size // 2 + 1
    filters = tf.signal.linear_to_mel_weight_matrix(
        spec.mel_bands, bins, spec.sample_rate_hz, spec.min_hz, spec.max_hz
    )  # [bins, mel_bands]
    empty = int(tf.math.count_nonzero(tf.reduce_sum(filters, axis=0) <= 0.0))
    if empty:
        raise InputError(
            f"featurize.mel_bands: {empty} of {spec.mel_bands} bands from {spec.min_hz:g} to {spec.max_hz:g} Hz hold "
            f"no bin of a {spec.fft_size}-point FFT; expected fewer bands or a longer window_seconds"
        )
