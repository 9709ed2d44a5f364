import numpy as np
import pytest

from deepemo.audio.samples import measure_levels
from deepemo.vad.stimuli import KINDS, RATE_HZ, SECONDS, make_sound


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", range(4))
def test_every_sound_has_its_length_and_level(kind: str, variant: int) -> None:
    sound = make_sound(kind, variant=variant, seed=3)
    assert sound.shape == (round(RATE_HZ * SECONDS),)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert measure_levels(sound).rms_dbfs == pytest.approx(-20.0, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_is_the_same_for_the_same_arguments_and_another_for_others(kind: str) -> None:
    sound = make_sound(kind, variant=1, seed=3)
    np.testing.assert_array_equal(sound, make_sound(kind, variant=1, seed=3))
    assert not np.array_equal(sound, make_sound(kind, variant=2, seed=3))
    assert not np.array_equal(sound, make_sound(kind, variant=1, seed=4))


def test_a_tone_has_one_line_in_its_spectrum() -> None:
    power = np.abs(np.fft.rfft(make_sound("tone", variant=0, seed=0) * np.hanning(round(RATE_HZ * SECONDS)))) ** 2
    peak = int(power.argmax())
    assert power[peak - 3 : peak + 4].sum() / power.sum() > 0.999
