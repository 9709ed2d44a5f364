"""Rooms: the direct sound, and after it noise that decays exponentially (Polack 1988)."""

import numpy as np
from scipy.signal import fftconvolve

from deepemo.arrays import Float32Array, Float64Array

# From the direct sound to the first reflection.
_GAP_SECONDS = 0.003


def room_response(
    random: np.random.Generator, rate_hz: int, *, reverberation_seconds: float, direct_to_reverberant_db: float
) -> Float64Array:
    """Impulse response of a room, float64 [n]: 1, a gap of 3 ms, and decaying noise.

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
