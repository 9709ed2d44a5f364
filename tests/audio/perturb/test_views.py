"""A view is drawn by a clip's id alone, and each strength of 0 switches its perturbation off."""

import numpy as np
import pytest

from deepemo.audio.perturb.views import generator_of, random_view
from deepemo.params import WaveformViews

RATE_HZ = 16_000
OFF = WaveformViews(
    speed=0.0,
    equaliser_db=0.0,
    cut_share=0.0,
    low_cut_hz=300.0,
    high_cut_hz=3400.0,
    room_share=0.0,
    reverberation_seconds=0.8,
    min_direct_db=-3.0,
    noise_share=0.0,
    babble_share=0.0,
    min_snr_db=10.0,
    max_snr_db=10.0,
)


@pytest.fixture
def clip() -> np.ndarray:
    """A second of white noise between digital silence."""
    return np.pad(np.random.default_rng(1).normal(0, 0.05, RATE_HZ), 1000).astype(np.float32)


def view(clip: np.ndarray, *, name: str = "a", number: int = 0, seed: int = 1, **strength: float) -> np.ndarray:
    return random_view(clip, RATE_HZ, OFF.model_copy(update=strength), generator_of(name, view=number, seed=seed))


def test_a_view_without_strength_is_the_clip(clip: np.ndarray) -> None:
    np.testing.assert_allclose(view(clip), clip, atol=1e-7)


@pytest.mark.parametrize(
    "strength", [{"speed": 0.1}, {"equaliser_db": 5.0}, {"cut_share": 1.0}, {"room_share": 1.0}, {"noise_share": 1.0}]
)
def test_each_strength_changes_the_clip_by_its_id_its_number_and_the_seed(
    clip: np.ndarray, strength: dict[str, float]
) -> None:
    first = view(clip, **strength)
    assert first.tobytes() == view(clip, **strength).tobytes()
    others = [view(clip, **{"name": "b"}, **strength), view(clip, number=1, **strength), view(clip, seed=2, **strength)]
    for other in (clip, *others):
        assert len(other) != len(first) or np.abs(other - first).max() > 1e-3


def test_a_babble_is_made_of_the_voices_that_are_given(clip: np.ndarray) -> None:
    seconds = np.arange(RATE_HZ) / RATE_HZ
    voices = [(0.1 * np.sin(2 * np.pi * hz * seconds)).astype(np.float32) for hz in range(500, 1500, 100)]
    strength = OFF.model_copy(update={"babble_share": 1.0})
    found = random_view(clip, RATE_HZ, strength, generator_of("a", view=0, seed=1), voices) - clip
    speech = clip[1000:-1000]
    assert 20 * np.log10(np.std(speech) / np.std(found)) == pytest.approx(10.0, abs=0.2)
    spectrum = np.abs(np.fft.rfft(found[:RATE_HZ]))
    assert (spectrum[500:1500:100] > 0.1 * spectrum.max()).sum() == 6
    np.testing.assert_allclose(view(clip, babble_share=1.0), clip, atol=1e-7)


def test_one_strength_does_not_change_the_draws_of_another(clip: np.ndarray) -> None:
    noisy, noisy_in_bands = view(clip, noise_share=1.0), view(clip, noise_share=1.0, cut_share=1.0)
    quiet = slice(0, 900)  # before the sound there is only noise, at several levels
    noise, other = noisy[quiet], noisy_in_bands[quiet]
    assert np.corrcoef(noise, other)[0, 1] > 0.99


def test_views_have_the_lengths_and_the_shares_that_were_asked_for(clip: np.ndarray) -> None:
    lengths = [len(view(clip, name=str(number), speed=0.1)) / len(clip) for number in range(100)]
    assert 1 / 1.1 - 1e-3 < min(lengths) < 0.93
    assert 1.07 < max(lengths) < 1 / 0.9 + 1e-3
    noisy = [np.abs(view(clip, name=str(number), noise_share=0.6)[:900]).max() > 1e-6 for number in range(200)]
    assert np.mean(noisy) == pytest.approx(0.6, abs=0.1)
