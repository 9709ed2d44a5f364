"""Augmentation: changed views of the features of training clips.

A view may have a neutral clip appended (CopyPaste, Pappagari et al. 2021). It may be stretched and shifted, louder or
softer, noisier, masked (SpecAugment, Park et al. 2019), and mixed with another clip (mixup, Zhang et al. 2018). All
draws are stateless TensorFlow operations on a given seed, so threads do not change them. tensorflow-io's own masks are
not used, because their draws cannot be seeded.
"""

import tensorflow as tf

from deepemo.audio.spec import FeatureSpec
from deepemo.emotions import Emotions
from deepemo.errors import InputError
from deepemo.params import Augment


def neutral_class(section: Augment, emotions: Emotions) -> int | None:
    """Class of the neutral clips among the emotions of a run; None if there is none.

    Raises:
        InputError: `neutral` is none of the emotions, but the section appends neutral clips.
    """
    if "neutral" in emotions:
        return emotions.index("neutral")
    if section.append_neutral:
        raise InputError(
            f"params.yaml: augment.append_neutral: found {section.append_neutral:g}, expected 0 where neutral is none "
            f"of the emotions {list(emotions)}"
        )
    return None


def append_neutral(
    features: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, *, share: float, neutral: int
) -> tf.Tensor:
    """Append a neutral clip of the batch to a share of its clips, which keep their own emotion.

    The appended clip starts at the end of the sound of the first clip and is cut at the last frame. A batch without a
    neutral clip is not changed.

    Args:
        features: float32 [n, frames, bands].
        targets: float32 [n, classes].
        seed: int32 [2].
        share: share of the clips to which one is appended, in [0, 1].
        neutral: class of the neutral clips.

    Returns:
        float32 [n, frames, bands].
    """
    seeds = tf.random.experimental.stateless_split(seed, 2)
    count, frames = tf.shape(features)[0], features.shape[1]
    is_neutral = targets[:, neutral] == 1.0
    order = tf.random.stateless_uniform([count, count], seeds[0])
    follower = tf.argmax(tf.where(is_neutral, order, -1.0), axis=1)  # a random neutral clip for each
    position = tf.range(frames)
    sounds = tf.reduce_any(features > 0, axis=2)  # [n, frames]
    end = tf.reduce_max(tf.where(sounds, position + 1, 0), axis=1, keepdims=True)  # [n, 1]
    since = position - end  # frames since the clip's end
    following = tf.gather(tf.gather(features, follower), tf.maximum(since, 0), axis=1, batch_dims=1)
    chosen = tf.random.stateless_uniform([count, 1], seeds[1]) < share
    appended = chosen & (since >= 0) & tf.reduce_any(is_neutral)
    return tf.where(appended[..., tf.newaxis], following, features)


def warp(
    features: tf.Tensor, seed: tf.Tensor, *, time_scale: float, shift_frames: float, shift_bands: float
) -> tf.Tensor:
    """Stretch, shift in time and shift in frequency, in one bilinear step: [n, frames, bands] to the same.

    Args:
        features: float32 [n, frames, bands].
        seed: int32 [2].
        time_scale: largest change of the duration, longer or shorter, as a share of it.
        shift_frames: largest shift in time, earlier or later, in frames.
        shift_bands: largest shift in frequency, up or down, in bands. On mel bands, this resembles another pitch and
            vocal tract.
    """
    count = tf.shape(features)[0]
    frames, bands = features.shape[1], features.shape[2]
    drawn = tf.random.stateless_uniform([3, count], seed, -1.0, 1.0)
    scale = 1.0 / (1.0 + time_scale * drawn[0])
    shift = shift_frames * drawn[1]
    lift = shift_bands * drawn[2]
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
    """Add a random constant from `-gain` to `gain` to each clip where it has sound, and clip the sum to [0, 1]."""
    offset = tf.random.stateless_uniform([tf.shape(features)[0], 1, 1], seed, -gain, gain)
    return tf.where(features > 0, tf.clip_by_value(features + offset, 0.0, 1.0), features)


def add_noise(features: tf.Tensor, seed: tf.Tensor, deviation: float) -> tf.Tensor:
    """Add Gaussian noise of this standard deviation, and clip the sum to [0, 1]."""
    noise = tf.random.stateless_normal(tf.shape(features), seed, stddev=deviation)
    return tf.clip_by_value(features + noise, 0.0, 1.0)


def _kept(count: tf.Tensor, length: int, seed: tf.Tensor, masks: int, longest: int) -> tf.Tensor:
    """0 in up to `masks` intervals of each row, 1 elsewhere: [n, length]."""
    drawn = tf.random.stateless_uniform([2, count, masks, 1], seed)
    width = drawn[0] * tf.cast(longest, tf.float32)
    start = drawn[1] * (tf.cast(length, tf.float32) - width)
    position = tf.range(length, dtype=tf.float32)  # [length]
    masked = (position >= start) & (position < start + width)  # [n, masks, length]
    return tf.cast(~tf.reduce_any(masked, axis=1), tf.float32)


def mask(features: tf.Tensor, seed: tf.Tensor, section: Augment, spec: FeatureSpec) -> tf.Tensor:
    """Set random intervals of time and ranges of frequency to 0 (SpecAugment); arguments as for `augment`.

    Returns:
        float32 [n, frames, bands].
    """
    count = tf.shape(features)[0]
    seeds = tf.random.experimental.stateless_split(seed, 2)
    longest_frames = round(section.time_mask_seconds / spec.hop_seconds)
    if section.time_masks and longest_frames:
        kept = _kept(count, features.shape[1], seeds[0], section.time_masks, longest_frames)
        features = features * kept[:, :, tf.newaxis]
    if section.frequency_masks and section.frequency_mask_bands:
        kept = _kept(count, features.shape[2], seeds[1], section.frequency_masks, section.frequency_mask_bands)
        features = features * kept[:, tf.newaxis, :]
    return features


def mix(features: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix each clip with the previous one of the batch, and their targets by the same share.

    The clip itself keeps a share of at least one half. The first clip is mixed with the last one.

    Args:
        features: float32 [n, frames, bands].
        targets: float32 [n, classes].
        seed: int32 [2].
        alpha: both parameters of the beta distribution of the shares, which are drawn as ratios of two gamma draws.
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


def augment(
    features: tf.Tensor,
    targets: tf.Tensor,
    seed: tf.Tensor,
    section: Augment,
    spec: FeatureSpec,
    neutral: int | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """A new view of a batch.

    Args:
        features: float32 [n, frames, bands] in [0, 1].
        targets: float32 [n, classes], shares that sum to 1.
        seed: int32 [2]; the same seed gives the same view.
        section: the strength of each change; 0 switches it off.
        spec: of the features, to turn seconds into frames and decibels into shares of the range.
        neutral: class of the neutral clips, some of which are appended to others; None if there is none.

    Returns:
        Features and targets of the same shapes.
    """
    shift_frames = section.time_shift_seconds / spec.hop_seconds
    gain = section.gain_db / spec.range_db
    seeds = tf.random.experimental.stateless_split(seed, 6)
    if section.append_neutral and neutral is not None:
        features = append_neutral(features, targets, seeds[5], share=section.append_neutral, neutral=neutral)
    if section.time_scale or shift_frames or section.frequency_shift_bands:
        features = warp(
            features,
            seeds[0],
            time_scale=section.time_scale,
            shift_frames=shift_frames,
            shift_bands=section.frequency_shift_bands,
        )
    if gain:
        features = brighten(features, seeds[1], gain)
    if section.noise:
        features = add_noise(features, seeds[2], section.noise)
    features = mask(features, seeds[3], section, spec)
    if section.mixup:
        features, targets = mix(features, targets, seeds[4], section.mixup)
    return features, targets
