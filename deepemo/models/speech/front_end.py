"""From a recording to the samples that the speech encoder takes; embedding and serving both use this."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import tensorflow as tf
from pydantic import ValidationError

from deepemo.arrays import Float32Array
from deepemo.audio.samples import at_level, resample, trim_silence
from deepemo.errors import InputError, first_problem
from deepemo.models.speech.embedder import sounding_samples
from deepemo.models.speech.family import SpeechInput
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ, samples_of

TRIM_BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50


class SpeechFrontEnd:
    """The front end of models whose input is samples, see `deepemo.models.family.FrontEnd`.

    Two front ends are equal if they prepare recordings in the same way. Digital silence at the end of a clip is not
    part of it, so that clips of different lengths can be padded with zeros to one array.
    """

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, section: SpeechInput) -> None:
        """Take the longest clip, the trimming and the level from a section, such as `embed_speech`."""
        self.section = SpeechInput(**{name: getattr(section, name) for name in SpeechInput.model_fields})
        self.clip_seconds = section.clip_seconds
        self.clip_samples = round(section.clip_seconds * SAMPLE_RATE_HZ)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str) -> Self:
        """The front end that `describe` described, read back from a file.

        Args:
            values: the fields.
            source: the file, for the error.

        Raises:
            InputError: a field is missing, unknown or impossible.
        """
        rate_hz = values.get("sample_rate_hz")
        if rate_hz != SAMPLE_RATE_HZ:
            raise InputError(f"{source}: features: sample_rate_hz: found {rate_hz}, expected {SAMPLE_RATE_HZ}")
        try:
            return cls(SpeechInput.model_validate({key: values[key] for key in values if key != "sample_rate_hz"}))
        except ValidationError as error:
            problem = first_problem(error, whole="all of them")
            raise InputError(
                f"{source}: features: {problem}, expected how a recording is prepared for an encoder"
            ) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SpeechFrontEnd) and other.section == self.section

    def __hash__(self) -> int:
        return hash(self.section)

    def trim(self, samples: Float32Array) -> Float32Array:
        """Cut off the quiet ends of float32 [n] at 16 kHz, if the section says so."""
        if self.section.trim_below_db is None:
            return samples
        return trim_silence(samples, block_samples=TRIM_BLOCK_SAMPLES, below_db=self.section.trim_below_db)

    def cut(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """Resample, trim, and cut at the end: float32 [n] at `rate_hz` to float32 [m], m at most `clip_samples`.

        The last sample is not 0; digital silence becomes float32 [0].
        """
        resampled = resample(np.asarray(samples, dtype=np.float32), rate_hz, SAMPLE_RATE_HZ)
        trimmed = self.trim(resampled)[: self.clip_samples]
        sounding = np.flatnonzero(trimmed)
        return trimmed[: sounding[-1] + 1 if len(sounding) else 0]

    def prepare(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """The samples of one clip that the encoder takes: `cut`, scaled to the level.

        A clip that is too short for one frame of the encoder is padded with zeros to one frame.
        """
        levelled = at_level(self.cut(samples, rate_hz), self.section.level_dbfs)
        return _padded(levelled, samples_of(1))

    def clip(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """`cut`, and padded with zeros: float32 [n] at any rate to float32 [clip_samples] at 16 kHz."""
        return _padded(self.cut(samples, rate_hz), self.clip_samples)

    def __call__(self, samples: Float32Array, rate_hz: int) -> Float32Array:
        """`prepare`, padded with zeros: float32 [n] at any rate to float32 [clip_samples] at 16 kHz."""
        return _padded(self.prepare(samples, rate_hz), self.clip_samples)

    def graph(self, samples: tf.Tensor) -> tf.Tensor:
        """A clip padded with zeros, scaled to the level, in TensorFlow operations, for export: float32 [n] to [n]."""
        length = tf.maximum(tf.cast(sounding_samples(samples[tf.newaxis])[0], tf.float32), 1.0)
        rms = tf.sqrt(tf.reduce_sum(tf.square(samples)) / length)
        wanted = 10.0 ** (self.section.level_dbfs / 20.0)
        return samples * (wanted / tf.where(rms > 0.0, rms, 1.0))

    def steps(self) -> list[str]:
        """What `clip` does, in words, for programs that must do the same."""
        below_db = self.section.trim_below_db
        steps = ["mix the channels down to their mean and resample"]
        if below_db is not None:
            steps.append(
                f"cut off the ends whose {TRIM_BLOCK_SAMPLES}-sample blocks all lie more than {below_db:g} dB in RMS "
                "below the loudest block"
            )
        return [*steps, "cut what is too long at its end, or pad what is too short there with zeros"]

    def describe(self) -> dict[str, Any]:
        """All settings that the samples depend on, for JSON."""
        return {"sample_rate_hz": SAMPLE_RATE_HZ, **self.section.model_dump()}


def _padded(samples: Float32Array, length: int) -> Float32Array:
    return np.pad(samples, (0, max(0, length - len(samples))))
