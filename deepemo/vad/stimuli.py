"""Computed sounds without speech, which the voice gate must reject."""

from collections.abc import Callable

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.perturb.noise import coloured_noise
from deepemo.audio.samples import at_level

RATE_HZ = 16_000
SECONDS = 4.0
LEVEL_DBFS = -20.0
# Variants from this number on may be used for training; the gate is measured on variants with lower numbers.
FIRST_LEARNED = 10_000

Maker = Callable[[np.random.Generator], Float64Array]

_TIME = np.arange(round(RATE_HZ * SECONDS)) / RATE_HZ


def make_sound(kind: str, *, variant: int, seed: int) -> Float32Array:
    """Make one sound: float32 [64000], 4 s at 16 kHz, -20 dBFS; the same for the same arguments.

    Args:
        kind: one of `KINDS`.
        variant: number of the sound within its kind. Variants differ in pitch, tempo and the like.
        seed: of the draws.

    Example:
        >>> make_sound("hum", variant=0, seed=1).shape
        (64000,)
    """
    random = np.random.default_rng([seed, variant, KINDS.index(kind)])
    return at_level(_MAKERS[kind](random).astype(np.float32), LEVEL_DBFS)


def _pitch(random: np.random.Generator, low_hz: float = 80.0, high_hz: float = 2000.0) -> float:
    return float(np.exp(random.uniform(np.log(low_hz), np.log(high_hz))))


def _harmonics(pitch_hz: float, time: Float64Array, *, count: int = 8) -> Float64Array:
    orders = [order for order in range(1, count + 1) if order * pitch_hz < RATE_HZ / 2]
    return np.sum([np.sin(2 * np.pi * order * pitch_hz * time) / order for order in orders], axis=0)


def _tone(random: np.random.Generator) -> Float64Array:
    return np.sin(2 * np.pi * _pitch(random) * _TIME)


def _hum(random: np.random.Generator) -> Float64Array:
    """Mains hum with 20 harmonics and a little noise."""
    mains_hz = random.choice([50.0, 60.0])
    return _harmonics(mains_hz, _TIME, count=20) + 0.05 * random.standard_normal(len(_TIME))


def _square(random: np.random.Generator) -> Float64Array:
    return np.sign(_tone(random))


def _chirp(random: np.random.Generator) -> Float64Array:
    """A logarithmic sweep, up or down, repeated."""
    start_hz, end_hz = _pitch(random, 80, 400), _pitch(random, 1500, 7000)
    if random.random() < 0.5:
        start_hz, end_hz = end_hz, start_hz
    sweep_seconds = random.uniform(0.2, SECONDS)
    hz = start_hz * (end_hz / start_hz) ** (_TIME % sweep_seconds / sweep_seconds)
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)


def _siren(random: np.random.Generator) -> Float64Array:
    wave = np.sin(2 * np.pi * random.uniform(0.3, 6.0) * _TIME)
    hz = _pitch(random, 400, 1500) * 2 ** (random.uniform(0.1, 0.6) * wave)
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)


def _notes(random: np.random.Generator, *, together: int) -> Float64Array:
    """Plucked notes of a major scale with eight harmonics, `together` of them at once."""
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    root_hz = _pitch(random, 110, 440)
    beat = round(random.uniform(0.15, 0.6) * RATE_HZ)
    sound = np.zeros(len(_TIME))
    for start in range(0, len(_TIME), beat):
        time = _TIME[: len(_TIME) - start]
        for step in random.choice(scale, size=together, replace=False):
            sound[start:] += _harmonics(root_hz * 2 ** (step / 12), time) * np.exp(-4 * time)
    return sound


def _chords(random: np.random.Generator) -> Float64Array:
    return _notes(random, together=3)


def _melody(random: np.random.Generator) -> Float64Array:
    return _notes(random, together=1)


def _organ(random: np.random.Generator) -> Float64Array:
    """A held chord with vibrato, similar to a sung vowel."""
    root_hz = _pitch(random, 110, 330)
    wobbling = _TIME + 0.0005 * np.sin(2 * np.pi * random.uniform(4, 7) * _TIME)
    return np.sum([_harmonics(root_hz * ratio, wobbling) for ratio in (1.0, 1.25, 1.5)], axis=0)


def _clicks(random: np.random.Generator) -> Float64Array:
    every = round(RATE_HZ / random.uniform(1, 30))
    sound = np.zeros(len(_TIME))
    sound[random.integers(every) :: every] = 1.0
    return sound


def _crackle(random: np.random.Generator) -> Float64Array:
    """Clicks at random times with random strengths, each with a decay of some milliseconds."""
    strikes = (random.random(len(_TIME)) < random.uniform(5, 100) / RATE_HZ) * random.exponential(size=len(_TIME))
    ringing = np.exp(-np.arange(80) / 15) * random.standard_normal(80)
    return np.convolve(strikes, ringing)[: len(_TIME)] + 1e-4 * random.standard_normal(len(_TIME))


def _bursts(random: np.random.Generator) -> Float64Array:
    """Pink noise that swells at the rate of syllables."""
    swell = np.maximum(0.0, np.sin(2 * np.pi * random.uniform(2, 6) * _TIME))
    return coloured_noise(random, len(_TIME), slope=1) * swell


_MAKERS: dict[str, Maker] = {
    "white_noise": lambda random: coloured_noise(random, len(_TIME), slope=0),
    "pink_noise": lambda random: coloured_noise(random, len(_TIME), slope=1),
    "brown_noise": lambda random: coloured_noise(random, len(_TIME), slope=2),
    "noise_bursts": _bursts,
    "tone": _tone,
    "square_wave": _square,
    "hum": _hum,
    "chirp": _chirp,
    "siren": _siren,
    "melody": _melody,
    "chords": _chords,
    "organ": _organ,
    "clicks": _clicks,
    "crackle": _crackle,
}

KINDS = tuple(_MAKERS)
