"""Speed: a tape that runs faster or slower, so that the pitch follows."""

from deepemo.arrays import Float32Array
from deepemo.audio.samples import resample

# soxr takes integer rates.
_UNIT_HZ = 1_000_000


def at_speed(samples: Float32Array, speed: float) -> Float32Array:
    """Play a clip at another speed.

    Args:
        samples: float32 [n], at any rate; the result has the same rate.
        speed: above 1 is faster and higher. Frequencies are multiplied by it, and the length is divided by it.

    Returns:
        float32 [m], m = n / `speed` within a sample.
    """
    return resample(samples, round(_UNIT_HZ * speed), _UNIT_HZ)
