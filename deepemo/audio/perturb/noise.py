"""Noise and other voices, added at a signal-to-noise ratio.

The level of speech is measured between the quiet ends of a clip, similar to the active speech level of ITU-T P.56. A
second of silence before a sentence therefore does not make the noise softer.
"""

from collections.abc import Sequence

import numpy as np

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.samples import at_level, rms, to_dbfs, trim_silence

_BLOCK_SECONDS = 0.02
_QUIET_BELOW_DB = 40.0
# Without a lowest frequency, most of the power of brown noise would be too low to be heard or recorded.
_LOWEST_HZ = 50.0
# Each voice of a babble is scaled to this level, so that none stands out.
_VOICE_DBFS = -26.0


def coloured_noise(random: np.random.Generator, length: int, *, slope: float, lowest: float = 0.0) -> Float64Array:
    """Noise, float64 [length], whose power density falls with `frequency ** slope`: 0 white, 1 pink, 2 brown.

    Args:
        random: gives the noise.
        length: in samples.
        slope: of the power density.
        lowest: share of the sample rate below which there is no noise.
    """
    spectrum = np.fft.rfft(random.standard_normal(length))
    bins = np.maximum(np.arange(len(spectrum)), 1)
    spectrum[: int(np.ceil(lowest * length))] = 0.0
    return np.fft.irfft(spectrum * bins ** (-slope / 2), length)


def sounding(samples: Float32Array, rate_hz: int) -> Float32Array:
    """Cut off ends whose 20 ms blocks are more than 40 dB below the loudest: a view of float32 [n]."""
    return trim_silence(samples, block_samples=round(_BLOCK_SECONDS * rate_hz), below_db=_QUIET_BELOW_DB)


def with_sound(samples: Float32Array, rate_hz: int, sound: Float32Array, *, snr_db: float) -> Float32Array:
    """Add a sound at a signal-to-noise ratio.

    Args:
        samples: float32 [n]; digital silence is returned unchanged.
        rate_hz: their rate.
        sound: float32 [n], not silent.
        snr_db: RMS of the clip between its quiet ends, relative to the RMS of the sound.

    Returns:
        float32 [n]; it may exceed full scale.
    """
    level = rms(sounding(samples, rate_hz))
    return samples + at_level(sound, to_dbfs(level) - snr_db) if level else samples


def with_noise(
    samples: Float32Array, rate_hz: int, random: np.random.Generator, *, slope: float, snr_db: float
) -> Float32Array:
    """Add `coloured_noise` above 50 Hz at a signal-to-noise ratio, see `with_sound`: float32 [n] to float32 [n]."""
    noise = coloured_noise(random, len(samples), slope=slope, lowest=_LOWEST_HZ / rate_hz).astype(np.float32)
    return with_sound(samples, rate_hz, noise, snr_db=snr_db)


def babble(voices: Sequence[Float32Array], rate_hz: int, random: np.random.Generator, length: int) -> Float32Array:
    """Several voices at once, equally loud, each repeated from a random position on: float32 [length].

    Args:
        voices: float32 arrays of any lengths, at `rate_hz`; none is silent.
        rate_hz: their rate.
        random: gives the positions.
        length: of the babble in samples.
    """
    mixed = np.zeros(length, np.float32)
    for voice in voices:
        heard = at_level(sounding(voice, rate_hz), _VOICE_DBFS)
        start = int(random.integers(len(heard)))
        mixed += np.resize(np.roll(heard, -start), length)
    return mixed
