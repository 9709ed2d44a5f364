"""Conditions in which recordings reach a recognizer: by telephone, through codecs, in rooms, noise and babble."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.audio.perturb.codecs import coded, telephone
from deepemo.audio.perturb.filters import at_speed, in_room, room_response
from deepemo.audio.perturb.levels import clipped, gained, to_16_bits
from deepemo.audio.perturb.noise import babble, with_noise, with_sound
from deepemo.params import Robustness

CLEAN = "clean"
SNRS_DB = (20, 10, 0)
NOISE_SLOPE = 1.0  # pink
BABBLE_VOICES = 6
FAR_REVERBERATION_SECONDS = 0.6
FAR_DIRECT_DB = -3.0
QUIETER_DB = 20
CLIPPED_BELOW_PEAK_DB = 12.0
SPEED_CHANGE = 0.1


@dataclass(frozen=True)
class CleanClip:
    """A clip, and what its conditions are made from.

    Attributes:
        samples: float32 [n] mono.
        rate_hz: their rate.
        random: generator for all draws of one condition.
        voices: clips of other speakers at `rate_hz`, from which babble is made.
    """

    samples: Float32Array
    rate_hz: int
    random: np.random.Generator
    voices: Sequence[Float32Array]


Condition = Callable[[CleanClip], Float32Array]


def conditions(section: Robustness) -> dict[str, Condition]:
    """All conditions by name, the clip as it was recorded first; each turns a clip into float32 [m]."""
    return {
        CLEAN: lambda clip: clip.samples,
        "telephone": lambda clip: telephone(clip.samples, clip.rate_hz),
        f"mp3_{section.mp3_kbps}_kbps": lambda clip: coded(clip.samples, clip.rate_hz, "mp3", kbps=section.mp3_kbps),
        f"opus_{section.opus_kbps}_kbps": lambda clip: coded(
            clip.samples, clip.rate_hz, "opus", kbps=section.opus_kbps
        ),
        "far_microphone": _far,
        **{f"noise_{snr_db}_db": _in_noise(snr_db) for snr_db in SNRS_DB},
        **{f"babble_{snr_db}_db": _in_babble(snr_db) for snr_db in SNRS_DB},
        f"quieter_{QUIETER_DB}_db": lambda clip: to_16_bits(gained(clip.samples, -QUIETER_DB)),
        "clipped": lambda clip: clipped(clip.samples, below_peak_db=CLIPPED_BELOW_PEAK_DB),
        "faster": lambda clip: at_speed(clip.samples, 1 + SPEED_CHANGE),
        "slower": lambda clip: at_speed(clip.samples, 1 - SPEED_CHANGE),
    }


def explain(section: Robustness) -> dict[str, str]:
    """A description of each of `conditions`."""
    return {
        CLEAN: "the clip as it was recorded",
        "telephone": "300 to 3,400 Hz at 8 kHz, in 8-bit mu-law",
        f"mp3_{section.mp3_kbps}_kbps": f"MP3, mono at 16 kHz, {section.mp3_kbps} kbit/s",
        f"opus_{section.opus_kbps}_kbps": f"Opus, mono at 16 kHz, {section.opus_kbps} kbit/s",
        "far_microphone": f"a room with {FAR_REVERBERATION_SECONDS:g} s of reverberation, whose echo has "
        f"{-FAR_DIRECT_DB:g} dB more energy than the direct sound",
        **{f"noise_{snr_db}_db": f"pink noise, the speech {snr_db} dB above it" for snr_db in SNRS_DB},
        **{
            f"babble_{snr_db}_db": f"{BABBLE_VOICES} other voices at once, the speech {snr_db} dB above them"
            for snr_db in SNRS_DB
        },
        f"quieter_{QUIETER_DB}_db": f"{QUIETER_DB} dB softer, then rounded to 16 bits",
        "clipped": f"cut off {CLIPPED_BELOW_PEAK_DB:g} dB below its peak",
        "faster": f"played {SPEED_CHANGE:.0%} faster, the pitch higher with it",
        "slower": f"played {SPEED_CHANGE:.0%} slower, the pitch lower with it",
    }


def label(condition: str) -> str:
    """A readable name of a condition.

    Example:
        >>> label("noise_10_db"), label("mp3_16_kbps")
        ('noise 10 dB', 'MP3 16 kbit/s')
    """
    words = {"db": "dB", "kbps": "kbit/s", "mp3": "MP3", "opus": "Opus"}
    return " ".join(words.get(word, word) for word in condition.split("_"))


def _far(clip: CleanClip) -> Float32Array:
    response = room_response(
        clip.random,
        clip.rate_hz,
        reverberation_seconds=FAR_REVERBERATION_SECONDS,
        direct_to_reverberant_db=FAR_DIRECT_DB,
    )
    return in_room(clip.samples, response)


def _in_noise(snr_db: float) -> Condition:
    return lambda clip: with_noise(clip.samples, clip.rate_hz, clip.random, slope=NOISE_SLOPE, snr_db=snr_db)


def _in_babble(snr_db: float) -> Condition:
    def hear(clip: CleanClip) -> Float32Array:
        others = babble(clip.voices, clip.rate_hz, clip.random, len(clip.samples))
        return with_sound(clip.samples, clip.rate_hz, others, snr_db=snr_db)

    return hear
