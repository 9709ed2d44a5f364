"""Augmented views are seeded and within range, and each kind has its own effect."""

import numpy as np
import pytest
import tensorflow as tf

from deepemo.audio.augment import augment, neutral_class
from deepemo.audio.spec import FeatureSpec
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.params import Augment

SPEC = FeatureSpec(
    sample_rate_hz=16000, kind="mel", clip_seconds=1.0, trim_below_db=None, window_seconds=0.064, hop_seconds=0.02,
    mel_bands=20, min_hz=50.0, max_hz=8000.0, range_db=80.0,
)  # fmt: skip
OFF = Augment(
    append_neutral=0.0,
    time_scale=0.0,
    time_shift_seconds=0.0,
    frequency_shift_bands=0.0,
    gain_db=0.0,
    noise=0.0,
    time_masks=0,
    time_mask_seconds=0.0,
    frequency_masks=0,
    frequency_mask_bands=0,
    mixup=0.0,
)
ON = Augment(
    append_neutral=0.5,
    time_scale=0.1,
    time_shift_seconds=0.1,
    frequency_shift_bands=2.0,
    gain_db=4.0,
    noise=0.02,
    time_masks=2,
    time_mask_seconds=0.16,
    frequency_masks=2,
    frequency_mask_bands=4,
    mixup=0.3,
)
SEED = tf.constant([7, 3])
NEUTRAL = EMOTIONS.index("neutral")


def only(**values: float) -> Augment:
    """One kind of view, all others off."""
    return OFF.model_copy(update=values)


@pytest.fixture
def batch() -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(1)
    features = tf.constant(rng.uniform(0.1, 0.9, (6, 50, 20)).astype(np.float32))
    return features, tf.one_hot(rng.integers(0, 7, 6), 7)


def spot(frame: int, band: int) -> tuple[tf.Tensor, tf.Tensor]:
    features = np.zeros((64, 50, 20), np.float32)
    features[:, frame, band] = 1.0
    return tf.constant(features), tf.one_hot([0] * 64, 7)


def test_everything_off_changes_nothing(batch: tuple[tf.Tensor, tf.Tensor]) -> None:
    features, targets = augment(*batch, SEED, OFF, SPEC)
    np.testing.assert_array_equal(features, batch[0])
    np.testing.assert_array_equal(targets, batch[1])


def test_the_seed_alone_decides(batch: tuple[tf.Tensor, tf.Tensor]) -> None:
    first, again, other = (
        augment(*batch, tf.constant(seed), ON, SPEC, NEUTRAL)[0].numpy() for seed in ([7, 3], [7, 3], [7, 4])
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_views_stay_features(batch: tuple[tf.Tensor, tf.Tensor]) -> None:
    features, targets = augment(*batch, SEED, ON, SPEC, NEUTRAL)
    assert features.shape == batch[0].shape
    assert features.numpy().min() >= 0.0
    assert features.numpy().max() <= 1.0
    np.testing.assert_allclose(tf.reduce_sum(targets, axis=1), 1.0, rtol=1e-6)


def levels(values: list[float], lengths: list[int], emotions: list[str]) -> tuple[tf.Tensor, tf.Tensor]:
    features = np.zeros((len(values), 50, 20), np.float32)
    for clip, (value, length) in enumerate(zip(values, lengths, strict=True)):
        features[clip, :length] = value
    return tf.constant(features), tf.one_hot([EMOTIONS.index(emotion) for emotion in emotions], 7)


def test_a_neutral_clip_follows_where_the_clip_ends_and_is_cut_off_at_the_end() -> None:
    batch = levels([0.2, 0.5, 0.9], [30, 40, 15], ["angry", "neutral", "happy"])
    joined, targets = augment(*batch, SEED, only(append_neutral=1.0), SPEC, NEUTRAL)
    np.testing.assert_array_equal(targets, batch[1])
    first = joined.numpy()[:, :, 0]
    np.testing.assert_allclose(first[0], [0.2] * 30 + [0.5] * 20)
    np.testing.assert_allclose(first[1], [0.5] * 50)
    np.testing.assert_allclose(first[2], [0.9] * 15 + [0.5] * 35)


def test_as_many_clips_are_followed_as_asked_for_by_different_neutral_ones() -> None:
    emotions = ["angry"] * 400 + ["neutral"] * 4
    batch = levels([0.1] * 400 + [0.5, 0.6, 0.7, 0.8], [20] * 404, emotions)
    joined, _ = augment(*batch, SEED, only(append_neutral=0.25), SPEC, NEUTRAL)
    after = joined.numpy()[:400, 20, 0]
    assert (after > 0).mean() == pytest.approx(0.25, abs=0.08)
    assert set(np.round(after[after > 0], 1)) == {np.float32(0.5), np.float32(0.6), np.float32(0.7), np.float32(0.8)}


def test_without_a_neutral_clip_in_the_batch_nothing_follows() -> None:
    batch = levels([0.2, 0.5], [30, 40], ["angry", "sad"])
    joined, _ = augment(*batch, SEED, only(append_neutral=1.0), SPEC, NEUTRAL)
    np.testing.assert_array_equal(joined, batch[0])


def test_time_shift_moves_frames_within_its_bound() -> None:
    moved, _ = augment(*spot(25, 10), SEED, only(time_shift_seconds=0.1), SPEC)
    centre = (moved.numpy().sum(axis=2) * np.arange(50)).sum(axis=1)
    assert np.abs(centre - 25).max() <= 5.0 + 1e-3
    assert centre.min() < 22
    assert centre.max() > 28


def test_frequency_shift_moves_bands_within_its_bound() -> None:
    moved, _ = augment(*spot(25, 10), SEED, only(frequency_shift_bands=3.0), SPEC)
    centre = (moved.numpy().sum(axis=1) * np.arange(20)).sum(axis=1)
    assert np.abs(centre - 10).max() <= 3.0 + 1e-3
    assert centre.min() < 8.5
    assert centre.max() > 11.5


def test_time_scale_stretches_within_its_bound() -> None:
    moved, _ = augment(*spot(40, 10), SEED, only(time_scale=0.1), SPEC)
    at = moved.numpy().sum(axis=2).argmax(axis=1)
    assert at.min() >= 36 - 1
    assert at.max() <= 44 + 1
    assert at.min() < 38
    assert at.max() > 42


def test_masks_silence_stretches_no_longer_than_allowed(batch: tuple[tf.Tensor, tf.Tensor]) -> None:
    masked, _ = augment(*batch, SEED, only(time_masks=1, time_mask_seconds=0.16), SPEC)
    silent = (masked.numpy() == 0).all(axis=2).sum(axis=1)
    assert silent.max() <= 8
    assert silent.max() > 0
    masked, _ = augment(*batch, SEED, only(frequency_masks=1, frequency_mask_bands=4), SPEC)
    assert 0 < (masked.numpy() == 0).all(axis=1).sum(axis=1).max() <= 4


def test_gain_leaves_silence_silent() -> None:
    brighter, _ = augment(*spot(25, 10), SEED, only(gain_db=16.0), SPEC)
    assert np.count_nonzero(brighter) == 64
    assert brighter.numpy()[:, 25, 10].min() < 0.95


def test_noise_has_the_deviation_asked_for() -> None:
    grey = tf.fill([4, 50, 20], 0.5)
    noisy, _ = augment(grey, tf.one_hot([0] * 4, 7), SEED, only(noise=0.05), SPEC)
    assert np.std(noisy.numpy() - 0.5) == pytest.approx(0.05, rel=0.1)


def test_mixup_mixes_features_and_targets_by_the_same_share() -> None:
    features = tf.stack([tf.fill([50, 20], value) for value in (0.0, 1.0, 0.0, 1.0)])
    targets = tf.one_hot([0, 1, 0, 1], 7)
    mixed, soft = augment(features, targets, SEED, only(mixup=0.5), SPEC)
    np.testing.assert_allclose(mixed.numpy()[:, 0, 0], soft.numpy()[:, 1], atol=1e-6)
    assert soft.numpy().max(axis=1).min() >= 0.5
    assert soft.numpy().max(axis=1).min() < 1.0


@pytest.mark.parametrize("hop_seconds", [0.01, 0.04])
def test_seconds_are_turned_into_frames_of_the_features(hop_seconds: float) -> None:
    spec = SPEC.model_copy(update={"hop_seconds": hop_seconds})
    longest = round(0.16 / hop_seconds)
    masked, _ = augment(
        tf.ones((64, 50, 20)), tf.one_hot([0] * 64, 7), SEED, only(time_masks=1, time_mask_seconds=0.16), spec
    )
    silent = (masked.numpy() == 0).all(axis=2).sum(axis=1)
    assert longest - 2 <= silent.max() <= longest
    moved, _ = augment(*spot(25, 10), SEED, only(time_shift_seconds=0.1), spec)
    centre = (moved.numpy().sum(axis=2) * np.arange(50)).sum(axis=1)
    assert 0.7 * 0.1 / hop_seconds < np.abs(centre - 25).max() <= 0.1 / hop_seconds + 1e-3


@pytest.mark.parametrize("range_db", [40.0, 160.0])
def test_decibels_are_turned_into_shares_of_the_range(range_db: float) -> None:
    grey = tf.fill([64, 50, 20], 0.5)
    spec = SPEC.model_copy(update={"range_db": range_db})
    louder, _ = augment(grey, tf.one_hot([0] * 64, 7), SEED, only(gain_db=8.0), spec)
    change = np.abs(louder.numpy() - 0.5).max()
    assert 0.8 * 8.0 / range_db < change <= 8.0 / range_db + 1e-6


def test_neutral_clips_are_appended_wherever_neutral_stands_among_the_emotions() -> None:
    emotions = ("angry", "neutral", "sad")
    neutral = neutral_class(only(append_neutral=1.0), emotions)
    features = np.zeros((2, 50, 20), np.float32)
    features[0, :30], features[1, :40] = 0.2, 0.5
    targets = tf.one_hot([0, emotions.index("neutral")], len(emotions))
    joined, _ = augment(tf.constant(features), targets, SEED, only(append_neutral=1.0), SPEC, neutral)
    np.testing.assert_allclose(joined.numpy()[0, :, 0], [0.2] * 30 + [0.5] * 20)


def test_neutral_clips_can_be_wanted_only_where_there_are_some() -> None:
    assert neutral_class(OFF, ("angry", "sad")) is None
    with pytest.raises(InputError, match=r"append_neutral: found 0\.5, expected 0 where .* \['angry', 'sad'\]"):
        neutral_class(ON, ("angry", "sad"))
