"""A room's response begins with the direct sound and decays in the given time; speed changes length and frequency."""

import numpy as np
import pytest

from deepemo.audio.perturb.filters import at_speed, in_room, room_response

RATE_HZ = 16_000


@pytest.mark.parametrize("direct_db", [10.0, 0.0, -6.0])
def test_the_direct_sound_is_first_and_the_echo_has_its_energy(direct_db: float) -> None:
    response = room_response(
        np.random.default_rng(1), RATE_HZ, reverberation_seconds=0.5, direct_to_reverberant_db=direct_db
    )
    assert response[0] == 1.0
    assert not response[1:49].any()  # 3 ms
    assert -10 * np.log10(np.sum(response[1:] ** 2)) == pytest.approx(direct_db, abs=1e-6)
    clip = np.zeros(RATE_HZ, np.float32)
    clip[1000] = 0.5
    heard = in_room(clip, response)
    assert (heard.dtype, heard.shape) == (np.float32, clip.shape)
    assert np.abs(heard[:1000]).max() < 1e-6
    assert heard[1000] == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(heard[1000 : 1000 + len(response)], 0.5 * response, atol=1e-6)


def test_the_echo_decays_by_sixty_decibels_in_its_time() -> None:
    response = room_response(np.random.default_rng(2), RATE_HZ, reverberation_seconds=1.0, direct_to_reverberant_db=0.0)
    energy_db = [10 * np.log10(np.mean(part**2)) for part in np.split(response[49:], 10)]
    assert np.diff(energy_db).mean() == pytest.approx(-6.0, abs=0.2)


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1])
def test_speed_divides_the_length_and_multiplies_the_frequency(speed: float) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE_HZ) / RATE_HZ).astype(np.float32)
    found = at_speed(tone, speed)
    assert found.dtype == np.float32
    assert abs(len(found) - len(tone) / speed) <= 1
    spectrum = np.abs(np.fft.rfft(found[:RATE_HZ]))
    assert abs(int(spectrum.argmax()) - 1000 * speed) <= 1
