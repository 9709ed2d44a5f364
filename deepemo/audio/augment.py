"""Views of features for training: followed by a neutral clip, warped, louder or noisier, masked, mixed.

Everything is drawn by stateless TensorFlow ops from the seed it is given, whatever thread runs it.
tensorflow-io's own masks draw unseeded numbers, which is why they are not used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import tensorflow as tf

from deepemo.emotions import INDEX


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far views of a clip may go from it, in units of the features; 0 switches a kind off.

    Attributes:
        append_neutral: share of clips that a neutral one follows (CopyPaste, Pappagari et al. 2021).
        time_scale: longer or shorter by up to this share.
        time_shift_frames: earlier or later by up to this.
        frequency_shift_bands: up or down by up to this; on mel bands much like another pitch and vocal tract.
        gain: lighter or darker by up to this, where there is sound.
        noise: deviation of added noise.
        time_masks: how many stretches of time are silenced (SpecAugment, Park et al. 2019).
        time_mask_frames: longest such stretch.
        frequency_masks: how many stretches of bands are silenced.
        frequency_mask_bands: widest such stretch.
        mixup: alpha of the beta distribution that pairs of clips are mixed by (Zhang et al. 2018).
    """

    append_neutral: float
    time_scale: float
    time_shift_frames: float
    frequency_shift_bands: float
    gain: float
    noise: float
    time_masks: int
    time_mask_frames: int
    frequency_masks: int
    frequency_mask_bands: int
    mixup: float

    @classmethod
    def from_params(cls, values: Mapping[str, Any], *, hop_seconds: float, range_db: float) -> Self:
        """Build from an `augment` section of params.yaml, which is in seconds and decibels."""
        return cls(
            append_neutral=values["append_neutral"],
            time_scale=values["time_scale"],
            time_shift_frames=values["time_shift_seconds"] / hop_seconds,
            frequency_shift_bands=values["frequency_shift_bands"],
            gain=values["gain_db"] / range_db,
            noise=values["noise"],
            time_masks=values["time_masks"],
            time_mask_frames=round(values["time_mask_seconds"] / hop_seconds),
            frequency_masks=values["frequency_masks"],
            frequency_mask_bands=values["frequency_mask_bands"],
            mixup=values["mixup"],
        )


def append_neutral(features: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, share: float) -> tf.Tensor:
    """Let a neutral clip of the batch follow a share of its clips, where they end; the emotion stays the first one's.

    What does not fit is cut off, and a batch without a neutral clip stays as it is: [n, frames, bands] to the same.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    count, frames = tf.shape(features)[0], features.shape[1]
    neutral = targets[:, INDEX["neutral"]] == 1.0
    order = tf.random.stateless_uniform([count, count], seeds[0])
    follower = tf.argmax(tf.where(neutral, order, -1.0), axis=1)  # a random neutral clip for each
    position = tf.range(frames)
    sounds = tf.reduce_any(features > 0, axis=2)  # [n, frames]
    end = tf.reduce_max(tf.where(sounds, position + 1, 0), axis=1, keepdims=True)  # [n, 1]
    since = position - end  # frames since the clip's end
    following = tf.gather(tf.gather(features, follower), tf.maximum(since, 0), axis=1, batch_dims=1)
    chosen = tf.random.stateless_uniform([count, 1], seeds[1]) < share
    appended = chosen & (since >= 0) & tf.reduce_any(neutral)
    return tf.where(appended[..., tf.newaxis], following, features)


def warp(features: tf.Tensor, seed: tf.Tensor, how: Augmentation) -> tf.Tensor:
    """Stretch, shift in time and shift in frequency, in one bilinear step: [n, frames, bands] to the same."""
    count = tf.shape(features)[0]
    frames, bands = features.shape[1], features.shape[2]
    drawn = tf.random.stateless_uniform([3, count], seed, -1.0, 1.0)
    scale = 1.0 / (1.0 + how.time_scale * drawn[0])
    shift = how.time_shift_frames * drawn[1]
    lift = how.frequency_shift_bands * drawn[2]
    zero, one = tf.zeros_like(scale), tf.ones_like(scale)
    # Row by row: source band = band - lift, source frame = scale * (frame - shift).
    transforms = tf.stack([one, zero, -lift, zero, scale, -scale * shift, zero, zero], axis=1)
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=features[..., tf.newaxis],
        transforms=transforms,
        output_shape=[frames, bands],
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
        fill_value=0.0,
    )
    return warped[..., 0]


def brighten(features: tf.Tensor, seed: tf.Tensor, gain: float) -> tf.Tensor:
    """Add a constant to each clip where it has sound, kept within [0, 1]."""
    offset = tf.random.stateless_uniform([tf.shape(features)[0], 1, 1], seed, -gain, gain)
    return tf.where(features > 0, tf.clip_by_value(features + offset, 0.0, 1.0), features)


def add_noise(features: tf.Tensor, seed: tf.Tensor, deviation: float) -> tf.Tensor:
    """Add normal noise, kept within [0, 1]."""
    noise = tf.random.stateless_normal(tf.shape(features), seed, stddev=deviation)
    return tf.clip_by_value(features + noise, 0.0, 1.0)


def _kept(count: tf.Tensor, length: int, seed: tf.Tensor, masks: int, longest: int) -> tf.Tensor:
    """0 in up to `masks` stretches of each row, 1 elsewhere: [n, length]."""
    drawn = tf.random.stateless_uniform([2, count, masks, 1], seed)
    width = drawn[0] * tf.cast(longest, tf.float32)
    start = drawn[1] * (tf.cast(length, tf.float32) - width)
    position = tf.range(length, dtype=tf.float32)  # [length]
    masked = (position >= start) & (position < start + width)  # [n, masks, length]
    return tf.cast(~tf.reduce_any(masked, axis=1), tf.float32)


def mask(features: tf.Tensor, seed: tf.Tensor, how: Augmentation) -> tf.Tensor:
    """Silence stretches of time and of frequency (SpecAugment): [n, frames, bands] to the same."""
    count = tf.shape(features)[0]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    if how.time_masks and how.time_mask_frames:
        kept = _kept(count, features.shape[1], seeds[0], how.time_masks, how.time_mask_frames)
        features = features * kept[:, :, tf.newaxis]
    if how.frequency_masks and how.frequency_mask_bands:
        kept = _kept(count, features.shape[2], seeds[1], how.frequency_masks, how.frequency_mask_bands)
        features = features * kept[:, tf.newaxis, :]
    return features


def mix(features: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each clip with the next one of the batch, and their targets likewise: one share a clip.

    The share comes from a beta distribution, as the ratio of two gamma draws.
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    count = tf.shape(features)[0]
    gammas = [tf.random.stateless_gamma([count], seeds[position], alpha) for position in range(2)]
    total = gammas[0] + gammas[1]
    share = tf.where(total > 0, tf.math.divide_no_nan(gammas[0], total), 1.0)
    share = tf.maximum(share, 1.0 - share)
    beside = share[:, tf.newaxis, tf.newaxis]
    features = beside * features + (1.0 - beside) * tf.roll(features, 1, axis=0)
    targets = share[:, tf.newaxis] * targets + (1.0 - share[:, tf.newaxis]) * tf.roll(targets, 1, axis=0)
    return features, targets


def augment(features: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, how: Augmentation) -> tuple[tf.Tensor, tf.Tensor]:
    """A new view of a batch.

    Args:
        features: float32 [n, frames, bands] in [0, 1].
        targets: float32 [n, classes], shares that sum to 1.
        seed: int32 [2]; the same seed gives the same view.
        how: how far it may go.

    Returns:
        Features and targets of the same shapes.
    """
    seeds = tf.random.experimental.stateless_split(seed, 6)
    if how.append_neutral:
        features = append_neutral(features, targets, seeds[5], how.append_neutral)
    if how.time_scale or how.time_shift_frames or how.frequency_shift_bands:
        features = warp(features, seeds[0], how)
    if how.gain:
        features = brighten(features, seeds[1], how.gain)
    if how.noise:
        features = add_noise(features, seeds[2], how.noise)
    features = mask(features, seeds[3], how)
    if how.mixup:
        features, targets = mix(features, targets, seeds[4], how.mixup)
    return features, targets
