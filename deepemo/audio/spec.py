"""The settings of a clip's spectrogram: a section of params.yaml, and the sizes that follow from it."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError

from deepemo.errors import InputError, first_problem
from deepemo.params import FeatureParams


class FeatureSpec(FeatureParams):
    """The parameters of features, in seconds, hertz and decibels, with derived sizes.

    >>> spec = FeatureSpec(
    ...     sample_rate_hz=16000, kind="mel", clip_seconds=3.5, trim_below_db=40.0, window_seconds=0.064,
    ...     hop_seconds=0.02, mel_bands=128, min_hz=50.0, max_hz=8000.0, range_db=80.0,
    ... )
    >>> spec.clip_samples, spec.frames, spec.bands
    (56000, 175, 128)
    """

    @classmethod
    def from_params(cls, params: FeatureParams) -> Self:
        """The spec from a section that has these parameters and perhaps others, such as `featurize`."""
        return cls(**{name: getattr(params, name) for name in FeatureParams.model_fields})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str) -> Self:
        """The spec from the fields that `to_dict` wrote.

        Args:
            values: the fields.
            source: the file, for the error.

        Raises:
            InputError: a field is missing, unknown or impossible.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = first_problem(error, whole="all of them")
            raise InputError(f"{source}: features: {problem}, expected the parameters of a spectrogram") from error

    def to_dict(self) -> dict[str, Any]:
        """The fields as a plain mapping, for JSON."""
        return self.model_dump()

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
        """Points of the FFT: the window, up to a power of two; doubled for mel, so that the lowest band has a bin."""
        smallest = 1 << (self.window_samples - 1).bit_length()
        return 2 * smallest if self.kind == "mel" else smallest

    @property
    def frames(self) -> int:
        """Frames of a clip: one per hop, the last ones padded at the end."""
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


def check_bands(spec: FeatureSpec) -> None:
    """Check that every mel band contains an FFT bin.

    Raises:
        InputError: some band would be silent for any sound.
    """
    if spec.kind != "mel":
        return
    import tensorflow as tf  # only here: a spec is also read where TensorFlow is not needed

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
