"""A reference of a voice: what some recordings of one speaker have in common, kept as a small JSON file.

A reference describes how somebody sounds, so it must be protected like a fingerprint; see docs/knowing-the-voice.md.
This module imports no TensorFlow.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepemo.arrays import Float32Array
from deepemo.errors import InputError
from deepemo.models.voice import deviation, offset
from deepemo.serving.confidence import VoiceRecord

# Size of the JSON; a reference of 1,024 components and eight segments of 256 has 17 kB.
MOST_BYTES = 64 << 10
MOST_COMPONENTS = 8192
# Components of networks are about 1; values far beyond that are not from a network.
LARGEST_COMPONENT = 1e6
_MOST_RECORDINGS = 10_000_000


class VoiceJson(BaseModel):
    """A reference of a voice as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: Literal["deepemo-voice-1"] = Field(description="Format of this object")
    recordings: Annotated[int, Field(ge=1, le=_MOST_RECORDINGS)] = Field(
        description="Number of recordings; one longer than a clip counts as its windows that do not overlap"
    )
    deviation: Annotated[float, Field(ge=0, le=LARGEST_COMPONENT)] = Field(
        description="How much they differ: the root mean square over the components of their standard deviations; 0 "
        "of one alone"
    )
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(
        description="Digest of the network that made the components; other networks cannot use them"
    )
    mean: Annotated[str, Field(max_length=MOST_BYTES)] = Field(
        description="Mean of their components: base64 of little-endian float32"
    )


@dataclass(frozen=True)
class VoiceReference:
    """What some recordings of a voice have in common.

    Attributes:
        mean: of their components, float32 [components].
        recordings: number of recordings, at least 1.
        deviation: how much they differ, root mean square over the components of their standard deviations; 0 for one.
        weights_sha256: digest of the network that made the components.
    """

    mean: Float32Array = field(repr=False)
    recordings: int
    deviation: float
    weights_sha256: str

    @classmethod
    def of(cls, components: Float32Array, weights_sha256: str) -> Self:
        """The reference of recordings.

        Args:
            components: of each, float32 [n, components], n at least 1.
            weights_sha256: digest of the network that made them.

        Example:
            >>> reference = VoiceReference.of(np.array([[1.0, 0.0], [3.0, 0.0]], np.float32), "0" * 64)
            >>> reference.mean.tolist(), reference.recordings, reference.deviation
            ([2.0, 0.0], 2, 1.0)
        """
        return cls(
            mean=components.mean(axis=0, dtype=np.float64).astype(np.float32),
            recordings=len(components),
            deviation=deviation(components) if len(components) > 1 else 0.0,
            weights_sha256=weights_sha256,
        )

    @classmethod
    def joined(cls, references: Sequence[Self]) -> Self:
        """The reference of the recordings of several references, as if it had been made of all of them.

        Raises:
            InputError: there is none, or they are of different networks.
        """
        made_by = sorted({reference.weights_sha256[:12] for reference in references})
        if len(made_by) != 1 or len({len(reference.mean) for reference in references}) != 1:
            raise InputError(f"Bad references: found networks {made_by}, expected one network that made all of them")
        counts = np.array([reference.recordings for reference in references], np.float64)
        means = np.stack([reference.mean for reference in references]).astype(np.float64)
        mean = counts @ means / counts.sum()
        # Sums of squares within references and between them, each a mean over the components.
        within = sum((each.recordings - 1) * each.deviation**2 for each in references)
        between = float(counts @ np.square(means - mean).mean(axis=1))
        return cls(
            mean=mean.astype(np.float32),
            recordings=int(counts.sum()),
            deviation=float(np.sqrt((within + between) / max(1.0, counts.sum() - 1))),
            weights_sha256=references[0].weights_sha256,
        )

    def offset(self) -> Float32Array:
        """The offset that is subtracted from the components of every clip of the voice, float32 [components]."""
        return offset(self.mean, self.recordings)

    def problem(self, record: VoiceRecord, weights_sha256: str) -> str | None:
        """Why it cannot be used; None if it can.

        Args:
            record: how recordings of known voices are answered.
            weights_sha256: digest of the network that takes references.
        """
        if self.weights_sha256 != weights_sha256:
            return (
                f"The reference was made by another model ({self.weights_sha256[:12]}..., expected "
                f"{weights_sha256[:12]}...); make it again."
            )
        if self.recordings < record.least_recordings:
            found = "1 recording" if self.recordings == 1 else f"{self.recordings} recordings"
            return f"The reference rests on {found}, expected at least {record.least_recordings}."
        if self.deviation < record.least_deviation:
            return (
                f"The recordings of the reference are too much alike (deviation {self.deviation:.3f}, expected at "
                f"least {record.least_deviation:.3f}); add others."
            )
        return None

    def to_json(self) -> str:
        """As a line of JSON, see `VoiceJson`."""
        return VoiceJson(
            format="deepemo-voice-1",
            recordings=self.recordings,
            deviation=round(self.deviation, 6),
            weights_sha256=self.weights_sha256,
            mean=base64.b64encode(self.mean.astype("<f4").tobytes()).decode("ascii"),
        ).model_dump_json()

    @classmethod
    def from_json(cls, content: str | bytes, source: str = "voice") -> Self:
        """Read what `to_json` wrote.

        Args:
            content: of the file or field.
            source: its name, for errors.

        Raises:
            InputError: the content is not a reference, or has impossible values.
        """
        if len(content) > MOST_BYTES:
            raise InputError(f"{source}: found {len(content)} characters, expected a reference of at most {MOST_BYTES}")
        try:
            # Strict types as in JSON: neither `true` nor NaN is a number.
            values = VoiceJson.model_validate_json(content)
        except (ValidationError, UnicodeError) as error:
            raise InputError(
                f"{source}: {_first_problem(error)}, expected a reference as `deepemo voice` makes it"
            ) from error
        return cls(_mean(values.mean, source), values.recordings, values.deviation, values.weights_sha256)


def _first_problem(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "not text in UTF-8"
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(key) for key in problem["loc"])
    found = json.dumps(problem["input"], default=str)[:60] if place and problem["type"] != "missing" else ""
    return ": ".join(filter(None, (place, f"found {found}" if found else "", problem["msg"])))


def _mean(text: str, source: str) -> Float32Array:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InputError(f"{source}: mean: {error}, expected base64") from error
    if len(content) % 4 or not 4 <= len(content) <= 4 * MOST_COMPONENTS:
        raise InputError(
            f"{source}: mean: found {len(content)} bytes, expected 1 to {MOST_COMPONENTS} float32 of 4 bytes"
        )
    mean = np.frombuffer(content, "<f4").astype(np.float32)
    wrong = mean[~(np.abs(mean) <= LARGEST_COMPONENT)]
    if len(wrong):
        raise InputError(f"{source}: mean: found {wrong[0]:g}, expected numbers of at most {LARGEST_COMPONENT:g}")
    return mean
