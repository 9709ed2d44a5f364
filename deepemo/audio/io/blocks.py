"""Blocks of decoded samples: collected within limits, mixed down, and joined at one sample rate."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.audio.samples import loudest_if_cancelled, resample, sums_and_power
from deepemo.errors import DecodeError, InputError, TooLongError

# Above this rate, a limit in seconds allows only as many frames as it does at this rate. It thus limits memory too.
FULL_RATE_HZ = 48_000


class ChannelsError(InputError):
    """A recording has too many channels. Unlike after a `DecodeError`, no other decoder is tried."""


class Block(NamedTuple):
    """Consecutive samples, float32 [frames, channels], full scale at 1.0, and their rate."""

    rate_hz: int
    samples: Float32Array


@dataclass
class _Run:
    """Blocks of the same rate and number of channels."""

    rate_hz: int
    channels: int
    kept: list[Float32Array]
    sums: Float64Array  # of the samples, [channels + 1] with the mix at the end
    power: Float64Array  # of their squares
    frames: int = 0


class Collector:
    """Collects blocks within limits: all their channels, their mix or one channel.

    Attributes:
        called: name of the file in errors.
        runs: the collected blocks; a change of rate or number of channels starts a new run.
        left_out: what was left out, and why.
    """

    def __init__(
        self,
        called: str,
        max_seconds: float,
        max_samples: float = np.inf,
        max_channels: float = np.inf,
        *,
        mix: bool,
        chosen: int | None = None,
    ) -> None:
        """Start empty.

        Args:
            called: name of the file in errors.
            max_seconds: maximum duration, see `FULL_RATE_HZ`.
            max_samples: maximum number of samples that are decoded, of all channels together.
            max_channels: maximum number of channels.
            mix: whether to keep only one channel (the mix or the chosen one) instead of all.
            chosen: the channel to keep, counted from 0.
        """
        self.called = called
        self.runs: list[_Run] = []
        self.left_out: list[str] = []
        self._max_seconds = max_seconds
        self._max_samples = max_samples
        self._max_channels = max_channels
        self._decoded = 0
        self._mix = mix
        self._chosen = chosen
        self._is_new = True

    def begin(self) -> None:
        """Start a new run with the next block, even if it has the same rate."""
        self._is_new = True

    def take_back(self, position: int) -> list[_Run]:
        """Remove and return the runs from this position on."""
        taken, self.runs = self.runs[position:], self.runs[:position]
        self.begin()
        return taken

    def add(self, block: Block) -> None:
        """Keep a block.

        Raises:
            ChannelsError: there are too many channels.
            DecodeError: the first block has a sample rate that no recorder uses.
            TooLongError: a limit is exceeded.
        """
        rate_hz, samples = block
        if samples.shape[1] > self._max_channels:
            raise ChannelsError(f"{self.called}: {samples.shape[1]} channels, expected at most {self._max_channels}")
        # Samples that are left out or decoded twice cost as much as the others.
        self._decoded += samples.size
        if self._decoded > self._max_samples:
            raise TooLongError(
                f"{self.called}: {samples.shape[1]} channels of more than {self._max_samples:g} samples together"
            )
        if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
            if not self.runs:
                expected = f"expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
                raise DecodeError(f"{self.called}: a sample rate of {rate_hz} Hz, {expected}")
            self.left_out.append(f"{len(samples)} frames at {rate_hz} Hz are left out")
            return
        channels = samples.shape[1]
        if self._is_new or (self.runs[-1].rate_hz, self.runs[-1].channels) != (rate_hz, channels):
            self.runs.append(_Run(rate_hz, channels, [], *np.zeros((2, channels + 1))))
            self._is_new = False
        self.runs[-1].kept.append(self._to_one(samples, self.runs[-1]) if self._mix else samples)
        self.runs[-1].frames += len(samples)
        self._check_length()

    def loudest_if_cancelled(self) -> int | None:
        """The loudest channel, if the channels cancel one another in the mix; else None.

        Only runs with as many channels as the first one count.
        """
        alike = [run for run in self.runs if run.channels == self.runs[0].channels]
        sums = np.sum([run.sums for run in alike], axis=0)
        power = np.sum([run.power for run in alike], axis=0)
        return loudest_if_cancelled(sum(run.frames for run in alike), sums, power)

    def joined(self) -> tuple[Float32Array, int, int]:
        """All samples, float32 [frames, channels], at the rate of the first run; and that run's rate and channels."""
        first = self.runs[0]
        width = 1 if self._mix else first.channels
        parts = []
        for run in self.runs:
            samples = np.concatenate(run.kept) if len(run.kept) > 1 else run.kept[0]
            if samples.shape[1] != width:
                samples = np.repeat(samples.mean(axis=1, keepdims=True), width, axis=1)
            parts.append(resample(samples, run.rate_hz, first.rate_hz))
        return np.concatenate(parts) if len(parts) > 1 else parts[0], first.rate_hz, first.channels

    def _to_one(self, samples: Float32Array, run: _Run) -> Float32Array:
        if run.channels == 1:
            return samples
        if self._chosen is not None:
            return samples[:, [min(self._chosen, run.channels - 1)]]
        # Callers check for NaN and infinity later.
        with np.errstate(invalid="ignore", over="ignore"):
            mixed: Float32Array = samples.mean(axis=1, keepdims=True)
            sums, power = sums_and_power(samples, mixed)
            run.sums += sums
            run.power += power
        return mixed

    def _check_length(self) -> None:
        first = self.runs[0]
        frames = sum(run.frames * first.rate_hz / run.rate_hz for run in self.runs)
        most = int(self._max_seconds * min(first.rate_hz, FULL_RATE_HZ))
        if frames > most:
            longest = f"{most / first.rate_hz:g} s, the most that is accepted at {first.rate_hz} Hz"
            raise TooLongError(f"{self.called}: longer than {longest}")
