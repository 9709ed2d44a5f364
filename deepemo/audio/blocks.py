"""Decoded sound block by block: collected within limits, mixed down, and joined at one rate where that changes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soxr

from deepemo.audio.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.audio.levels import loudest_if_cancelled
from deepemo.errors import InputError

Floats = npt.NDArray[np.float32]

# Of all rates above it a recording may hold as many samples as one of this rate: memory is bounded, not only time.
FULL_RATE_HZ = 48_000


class DecodeError(InputError):
    """A file that cannot be read as sound."""


class TooLongError(DecodeError):
    """A recording that is longer than is wanted."""


class Block(NamedTuple):
    """Consecutive samples, float32 [frames, channels], full scale at 1.0, and their rate."""

    rate_hz: int
    samples: Floats


def resample(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample float32 [frames] or [frames, channels] by soxr's high-quality filter; untouched if the rates agree."""
    if from_hz == to_hz:
        return samples
    return soxr.resample(samples, from_hz, to_hz, quality="HQ")


@dataclass
class _Run:
    """Blocks of the same rate and number of channels."""

    rate_hz: int
    channels: int
    kept: list[Floats]
    power: npt.NDArray[np.float64]  # sum of squares, by channel
    mixed_power: float = 0.0

    @property
    def frames(self) -> int:
        return sum(map(len, self.kept))


class Gatherer:
    """Collects blocks, all their channels or one, until there are too many."""

    def __init__(
        self, called: str, max_seconds: float, max_samples: float = np.inf, *, mix: bool, chosen: int | None = None
    ) -> None:
        self.called = called
        self.runs: list[_Run] = []
        self.left_out: list[str] = []
        self._max_seconds = max_seconds
        self._max_samples = max_samples
        self._mix = mix
        self._chosen = chosen
        self._is_new = True

    def begin(self) -> None:
        """Let the next block begin a run, whatever it is."""
        self._is_new = True

    def take_back(self, position: int) -> list[_Run]:
        """Give out, and keep no longer, the runs from this one on."""
        taken, self.runs = self.runs[position:], self.runs[:position]
        self.begin()
        return taken

    def add(self, block: Block) -> None:
        """Keep a block.

        Raises:
            DecodeError: the first one has a sample rate that nothing is recorded at.
            TooLongError: it is one too many.
        """
        rate_hz, samples = block
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            if not self.runs:
                expected = f"expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
                raise DecodeError(f"{self.called}: a sample rate of {rate_hz} Hz, {expected}")
            self.left_out.append(f"{len(samples)} frames at {rate_hz} Hz are left out")
            return
        channels = samples.shape[1]
        if self._is_new or (self.runs[-1].rate_hz, self.runs[-1].channels) != (rate_hz, channels):
            self.runs.append(_Run(rate_hz, channels, [], np.zeros(channels)))
            self._is_new = False
        self.runs[-1].kept.append(self._to_one(samples, self.runs[-1]) if self._mix else samples)
        self._check_length()

    def loudest_if_cancelled(self) -> int | None:
        """The loudest channel, if those of the first run's number cancel one another in the mix; else None."""
        alike = [run for run in self.runs if run.channels == self.runs[0].channels]
        power = np.sum([run.power for run in alike], axis=0)
        return loudest_if_cancelled(power, sum(run.mixed_power for run in alike))

    def joined(self) -> tuple[Floats, int, int]:
        """All that was kept, float32 [frames, channels] at the first rate; that rate, and the file's channels."""
        first = self.runs[0]
        width = 1 if self._mix else first.channels
        parts = []
        for run in self.runs:
            samples = np.concatenate(run.kept) if len(run.kept) > 1 else run.kept[0]
            if samples.shape[1] != width:
                samples = np.repeat(samples.mean(axis=1, keepdims=True), width, axis=1)
            parts.append(resample(samples, run.rate_hz, first.rate_hz))
        return np.concatenate(parts) if len(parts) > 1 else parts[0], first.rate_hz, first.channels

    def _to_one(self, samples: Floats, run: _Run) -> Floats:
        if run.channels == 1:
            return samples
        if self._chosen is not None:
            return samples[:, [min(self._chosen, run.channels - 1)]]
        # What is no number is told of later, by whoever asked.
        with np.errstate(invalid="ignore", over="ignore"):
            mixed: Floats = samples.mean(axis=1, keepdims=True)
            run.power += np.sum(np.square(samples, dtype=np.float64), axis=0)
            run.mixed_power += float(np.sum(np.square(mixed, dtype=np.float64)))
        return mixed

    def _check_length(self) -> None:
        first = self.runs[0]
        frames = sum(run.frames * first.rate_hz / run.rate_hz for run in self.runs)
        most = int(self._max_seconds * min(first.rate_hz, FULL_RATE_HZ))
        if frames > most:
            longest = f"{most / first.rate_hz:g} s, the most that is accepted at {first.rate_hz} Hz"
            raise TooLongError(f"{self.called}: longer than {longest}")
        channels = 1 if self._mix else first.channels
        if frames * channels > self._max_samples:
            raise TooLongError(
                f"{self.called}: {channels} channels of more than {self._max_samples:g} samples together"
            )
