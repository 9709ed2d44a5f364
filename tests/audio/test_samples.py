import numpy as np
import pytest

from deepemo.audio.samples import (
    FLOOR_DBFS,
    at_level,
    cancelled_channel,
    measure_levels,
    mix_down,
    rms,
    to_dbfs,
)


def sine(amplitude: float, frames: int = 16_000) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * 100 * np.arange(frames) / 16_000)).astype(np.float32)


def test_a_full_scale_sine_has_minus_three_decibels() -> None:
    levels = measure_levels(sine(1.0))
    assert levels.rms_dbfs == pytest.approx(-3.0103, abs=1e-3)
    assert levels.peak_dbfs == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("gain_db", [-6.0, -40.0, -90.0])
def test_levels_fall_by_the_gain(gain_db: float) -> None:
    levels = measure_levels(sine(10 ** (gain_db / 20)))
    assert levels.rms_dbfs == pytest.approx(-3.0103 + gain_db, abs=1e-3)
    assert levels.peak_dbfs == pytest.approx(gain_db, abs=1e-3)


@pytest.mark.parametrize("frames", [0, 1, 1000])
def test_digital_silence_lies_at_the_floor(frames: int) -> None:
    levels = measure_levels(np.zeros(frames, dtype=np.float32))
    assert (levels.rms_dbfs, levels.peak_dbfs, levels.clipped_share) == (FLOOR_DBFS, FLOOR_DBFS, 0.0)


def test_the_floor_holds_for_what_is_quieter_than_it() -> None:
    assert to_dbfs(1e-30) == FLOOR_DBFS


def test_clipped_share_counts_both_rails_of_every_channel() -> None:
    samples = np.zeros((100, 2), dtype=np.float32)
    samples[:10, 0] = 32767 / 32768
    samples[10:15, 1] = -1.0
    assert measure_levels(samples).clipped_share == pytest.approx(15 / 200)


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_the_highest_pcm_value_counts_as_full_scale(bits: int) -> None:
    top = np.full(4, 1 - 2.0 ** (1 - bits), dtype=np.float32)
    assert measure_levels(top).clipped_share == 1.0


def test_a_sine_driven_into_clipping_by_six_decibels_is_clipped_two_thirds_of_the_time() -> None:
    clipped = np.clip(sine(2.0), -1, 1)
    # |2 sin x| exceeds 1 for x between 30 and 150 degrees: two thirds of a half wave.
    assert measure_levels(clipped).clipped_share == pytest.approx(2 / 3, abs=0.01)


@pytest.mark.parametrize("level_dbfs", [-10.0, -63.5])
def test_a_recording_is_brought_to_the_level_asked_for(level_dbfs: float) -> None:
    scaled = at_level(sine(0.3), level_dbfs)
    assert measure_levels(scaled).rms_dbfs == pytest.approx(level_dbfs, abs=1e-3)
    assert scaled.dtype == np.float32


def test_silence_has_no_level_to_be_brought_to() -> None:
    silence = np.zeros(10, dtype=np.float32)
    np.testing.assert_array_equal(at_level(silence, -20.0), silence)
    assert rms(np.zeros(0, dtype=np.float32)) == 0.0


@pytest.mark.parametrize(
    ("gains", "channel"),
    [
        ((1.0, -1.0), 0),
        ((-0.9, 1.0), 1),
        ((1.0, 1.0), None),
        ((1.0, 0.0), None),
        ((1.0, -0.5), None),
        ((1.0,), None),
        ((0.0, 0.0), None),
        ((0.5, -1.0, 0.5), 1),
        ((1.0, 0.0, 0.0, 0.0, 0.0, 0.0), None),
    ],
)
def test_channels_that_cancel_one_another_are_told_from_quiet_ones(
    gains: tuple[float, ...], channel: int | None
) -> None:
    voice = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    samples = np.stack([np.float32(gain) * voice for gain in gains], axis=1)
    assert cancelled_channel(samples) == channel
    heard = samples.mean(axis=1) if channel is None else samples[:, channel]
    np.testing.assert_allclose(mix_down(samples), heard, atol=1e-7)


@pytest.mark.parametrize("offset", [0.01, 0.2, -0.5])
def test_a_constant_offset_hides_no_cancelled_voice_and_is_none(offset: float) -> None:
    voice = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    constant = np.float32(offset)
    assert cancelled_channel(np.stack([constant + 0.5 * voice, constant - 0.6 * voice], axis=1)) == 1
    assert cancelled_channel(np.stack([constant + voice, constant + voice], axis=1)) is None
    assert cancelled_channel(np.full((16_000, 2), constant)) is None


def test_of_channels_as_loud_as_one_another_the_first_is_heard() -> None:
    voice = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    assert cancelled_channel(np.stack([voice, -1.0001 * voice], axis=1)) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 3e38])
def test_samples_that_are_no_numbers_cancel_nothing(broken: float) -> None:
    samples = np.zeros((100, 2), np.float32)
    samples[7, 0] = broken
    assert cancelled_channel(samples) is None


def test_independent_channels_do_not_cancel_one_another() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (16_000, 8)).astype(np.float32)
    assert cancelled_channel(samples) is None
