"""Filters: band limits, smooth random equalisation and rooms; and speed, which moves all frequencies.

Arrays are float32 [n]. Filters keep their length. Those defined by their gain at each frequency cause no delay. They
are applied to the spectrum of the whole clip with silence after it. Without the silence, the end of the clip would leak
into its beginning.
"""

from collections.abc import Callable

import numpy as np
import scipy.fft
from scipy.signal import fftconvolve

from deepemo.arrays import Float32Array, Float64Array
from deepemo.audio.samples import resample

_LOWEST_HZ = 20.0
# Silence after a clip, for the ringing of a filter.
_RINGING_SECONDS = 0.25
_KNOTS_PER_OCTAVE = 1.0
# From the direct sound in a room to the first reflection.
_GAP_SECONDS = 0.003
# soxr takes integer rates.
_UNIT_HZ = 1_000_000


def filtered(samples: Float32Array, rate_hz: int, gain: Callable[[Float64Array], Float64Array]) -> Float32Array:
    """Multiply the spectrum by a real gain, which causes no delay.

    Args:
        samples: float32 [n].
        rate_hz: their rate.
        gain: maps frequencies in Hz, float64 [m], to factors of the amplitude, float64 [m].
    """
    length = scipy.fft.next_fast_len(len(samples) + round(_RINGING_SECONDS * rate_hz), real=True)
    spectrum = scipy.fft.rfft(samples.astype(np.float64), length)
    spectrum *= gain(scipy.fft.rfftfreq(length, 1 / rate_hz))
    return scipy.fft.irfft(spectrum, length)[: len(samples)].astype(np.float32)


def band_gain(hz: Float64Array, *, low_hz: float | None, high_hz: float | None, order: int) -> Float64Array:
    """Amplitude response of a Butterworth band pass: -3 dB at both limits, and beyond them 6 dB per octave and order.

    Args:
        hz: frequencies, float64 [m].
        low_hz: lower limit; None for none.
        high_hz: upper limit; None for none.
        order: of each slope.

    Example:
        >>> band_gain(np.array([500.0, 1000.0, 2000.0]), low_hz=None, high_hz=1000.0, order=4).round(3).tolist()
        [0.998, 0.707, 0.062]
    """
    power = np.ones_like(hz)
    if high_hz is not None:
        power /= 1 + (hz / high_hz) ** (2 * order)
    if low_hz is not None:
        # In this form, 0 Hz needs no division by zero.
        ratio = (hz / low_hz) ** (2 * order)
        power *= ratio / (1 + ratio)
    return np.sqrt(power)


def band_limited(
    samples: Float32Array, rate_hz: int, *, low_hz: float | None = None, high_hz: float | None = None, order: int = 4
) -> Float32Array:
    """Attenuate frequencies below `low_hz` and above `high_hz` by the response of `band_gain`: float32 [n] to [n]."""
    return filtered(samples, rate_hz, lambda hz: band_gain(hz, low_hz=low_hz, high_hz=high_hz, order=order))


def equalised(samples: Float32Array, rate_hz: int, random: np.random.Generator, *, deviation_db: float) -> Float32Array:
    """Colour a clip as another microphone would, with a smooth random gain over frequency.

    The gain in dB is drawn from a normal distribution around 0 at one frequency per octave. Between these frequencies
    it is linear over the logarithm of the frequency.

    Args:
        samples: float32 [n].
        rate_hz: their rate.
        random: gives the draws.
        deviation_db: standard deviation of the gain.

    Returns:
        float32 [n].
    """
    octaves = np.log2(rate_hz / 2 / _LOWEST_HZ)
    knots = np.linspace(0.0, octaves, round(octaves * _KNOTS_PER_OCTAVE) + 1)
    gains_db = deviation_db * random.standard_normal(len(knots))

    def gain(hz: Float64Array) -> Float64Array:
        above = np.log2(np.maximum(hz, _LOWEST_HZ) / _LOWEST_HZ)
        return 10 ** (np.interp(above, knots, gains_db) / 20)

    return filtered(samples, rate_hz, gain)


def room_response(
    random: np.random.Generator, rate_hz: int, *, reverberation_seconds: float, direct_to_reverberant_db: float
) -> Float64Array:
    """Impulse response of a room, float64 [n]: 1, a gap of 3 ms, and noise that decays exponentially (Polack 1988).

    Args:
        random: gives the noise.
        rate_hz: sample rate.
        reverberation_seconds: time in which the tail decays by 60 dB; the response ends then.
        direct_to_reverberant_db: energy of the direct sound relative to the tail. It falls with the distance from the
            microphone, and is negative for a far microphone.
    """
    seconds = np.arange(round(reverberation_seconds * rate_hz)) / rate_hz
    tail = random.standard_normal(len(seconds)) * 10 ** (-3 * seconds / reverberation_seconds)
    tail *= np.sqrt(10 ** (-direct_to_reverberant_db / 10) / np.sum(tail**2))
    return np.concatenate([[1.0], np.zeros(round(_GAP_SECONDS * rate_hz)), tail])


def in_room(samples: Float32Array, response: Float64Array) -> Float32Array:
    """A clip as a microphone in a room records it: float32 [n] to float32 [n]. The tail after its end is cut off."""
    return fftconvolve(samples.astype(np.float64), response)[: len(samples)].astype(np.float32)


def at_speed(samples: Float32Array, speed: float) -> Float32Array:
    """Play a clip at another speed, as a tape that runs faster or slower.

    Args:
        samples: float32 [n], at any rate; the result has the same rate.
        speed: above 1 is faster and higher. Frequencies are multiplied by it, and the length is divided by it.

    Returns:
        float32 [m], m = n / `speed` within a sample.
    """
    return resample(samples, round(_UNIT_HZ * speed), _UNIT_HZ)
