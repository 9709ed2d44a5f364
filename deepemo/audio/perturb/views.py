"""Views: random perturbations of a clip that imitate other speakers, microphones, rooms and places."""

import hashlib
from collections.abc import Sequence

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.audio.perturb.filters import at_speed, band_limited, equalised, in_room, room_response
from deepemo.audio.perturb.noise import babble, with_noise, with_sound
from deepemo.params import WaveformViews

_LOWEST_CUT_HZ = 40.0
_SHORTEST_ROOM_SECONDS = 0.15
_HIGHEST_DIRECT_DB = 12.0
_STEEPEST_NOISE = 2.0
_BABBLE_VOICES = 6


def generator_of(clip: str, *, view: int, seed: int) -> np.random.Generator:
    """Random numbers of one view of a clip. They do not depend on other clips or on the order of clips.

    Args:
        clip: its id.
        view: number of the view.
        seed: of the run.
    """
    digest = hashlib.blake2b(clip.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, view, int.from_bytes(digest, "big")])


def random_view(
    samples: Float32Array,
    rate_hz: int,
    strength: WaveformViews,
    random: np.random.Generator,
    voices: Sequence[Float32Array] = (),
) -> Float32Array:
    """Perturb a clip: speed, then equalisation, band limits, a room, noise and babble.

    Args:
        samples: float32 [n].
        rate_hz: their rate.
        strength: of each step.
        random: gives the draws.
        voices: other clips at `rate_hz` for the babble; if there are none, there is no babble.

    Returns:
        float32 [m], m = n / speed, with the speed drawn from 1 - `strength.speed` to 1 + `strength.speed`; values may
        exceed full scale.
    """
    # All draws are made, used or not, so that one step's strength does not change the draws of another.
    speed = random.uniform(-1, 1)
    cuts_low, cuts_high, has_room, has_noise = random.random(4)
    low, high, reverberation, direct, slope, snr = random.random(6)
    has_babble, babble_snr = random.random(2)
    equaliser, tail, noise, others = random.spawn(4)

    view = at_speed(samples, 1 + strength.speed * speed)
    view = equalised(view, rate_hz, equaliser, deviation_db=strength.equaliser_db)
    view = band_limited(
        view,
        rate_hz,
        low_hz=_between(_LOWEST_CUT_HZ, strength.low_cut_hz, low) if cuts_low < strength.cut_share else None,
        high_hz=_between(strength.high_cut_hz, rate_hz / 2, high) if cuts_high < strength.cut_share else None,
    )
    if has_room < strength.room_share:
        response = room_response(
            tail,
            rate_hz,
            reverberation_seconds=_between(_SHORTEST_ROOM_SECONDS, strength.reverberation_seconds, reverberation),
            direct_to_reverberant_db=_HIGHEST_DIRECT_DB + direct * (strength.min_direct_db - _HIGHEST_DIRECT_DB),
        )
        view = in_room(view, response)
    if has_noise < strength.noise_share:
        snr_db = _ratio(strength, snr)
        view = with_noise(view, rate_hz, noise, slope=_STEEPEST_NOISE * slope, snr_db=snr_db)
    if has_babble < strength.babble_share and voices:
        heard = [voices[number] for number in others.permutation(len(voices))[:_BABBLE_VOICES]]
        view = with_sound(view, rate_hz, babble(heard, rate_hz, others, len(view)), snr_db=_ratio(strength, babble_snr))
    return view


def _ratio(strength: WaveformViews, share: float) -> float:
    """The signal-to-noise ratio in dB at this share of the way from the lowest to the highest."""
    return float(strength.min_snr_db + share * (strength.max_snr_db - strength.min_snr_db))


def _between(low: float, high: float, share: float) -> float:
    """The value at this share of the way from `low` to `high`, on a logarithmic scale."""
    return float(low * (high / low) ** share)
