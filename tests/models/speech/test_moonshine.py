"""The speech encoder: shapes; and other clips of a batch do not change a clip's result."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.speech import family
from deepemo.models.speech.moonshine import (
    CHANNELS,
    TAPS,
    ClipNormalisation,
    RotaryAttention,
    frames_of,
    moonshine_tiny,
    samples_of,
)


def test_a_frame_each_24_ms_of_a_field_of_895_samples() -> None:
    assert samples_of(1) == 895
    assert samples_of(101) - samples_of(1) == 100 * 384


def test_params_name_the_taps_of_the_encoder() -> None:
    assert family.TAPS["moonshine_tiny"] == TAPS


@pytest.mark.parametrize("frames", [1, 2, 7, 250])
def test_samples_are_the_fewest_that_give_so_many_frames(frames: int) -> None:
    assert frames_of(samples_of(frames)) == frames
    assert frames_of(samples_of(frames) - 1) == frames - 1


@pytest.mark.slow
def test_taps_have_the_frames_that_are_foretold() -> None:
    network = moonshine_tiny()
    for samples in (895, 1278, 1279, 4000):
        taps = network([np.zeros((2, samples), np.float32), np.full(2, samples, np.int32)])
        assert len(taps) == len(TAPS)
        assert {tuple(tap.shape) for tap in taps} == {(2, frames_of(samples), CHANNELS)}


@pytest.mark.slow
def test_a_clip_does_not_hear_its_batch(encoder: keras.Model, spoken: list[np.ndarray]) -> None:
    random = np.random.default_rng(0)
    longest = max(map(len, spoken)) + 500
    batch = np.stack([np.append(clip, random.normal(0, 10, longest - len(clip))) for clip in spoken]).astype(np.float32)
    together = encoder([batch, np.array([len(clip) for clip in spoken], np.int32)])
    for row, clip in enumerate(spoken):
        alone = encoder([clip[np.newaxis], np.array([len(clip)], np.int32)])
        for name, shared, own in zip(TAPS, together, alone, strict=True):
            frames = frames_of(len(clip))
            assert own.shape[1] == frames
            difference = np.linalg.norm(shared[row, :frames] - own[0]) / np.linalg.norm(own)
            assert difference < 1e-5, name


@pytest.mark.slow
def test_the_whole_network_hears_where_the_encoder_was_told_that_a_clip_ends(
    encoder: keras.Model, spoken: list[np.ndarray]
) -> None:
    # If lengths were ignored, the test above would pass and this one would fail.
    clip = spoken[0][np.newaxis]
    whole, half = (encoder([clip, np.array([length], np.int32)])[-1] for length in (clip.shape[1], clip.shape[1] // 2))
    frames = frames_of(clip.shape[1] // 2)
    assert np.linalg.norm(whole[:, :frames] - half[:, :frames]) > 0.05 * np.linalg.norm(half[:, :frames])


def test_clip_normalisation_counts_a_clips_own_frames() -> None:
    random = np.random.default_rng(3)
    x = random.normal(2, 5, (2, 9, 4)).astype(np.float32)
    layer = ClipNormalisation()
    layer.build(x.shape)
    layer.set_weights([np.array([1, 2, 3, 4], np.float32), np.array([0, 1, 0, -1], np.float32)])
    found = layer(x, np.array([9, 5])).numpy()
    for row, frames in ((0, 9), (1, 5)):
        own = x[row, :frames]
        expected = (own - own.mean()) / np.sqrt(own.var() + 1e-5) * [1, 2, 3, 4] + [0, 1, 0, -1]
        np.testing.assert_allclose(found[row, :frames], expected, atol=1e-5)


def attention(heads: int, size: int) -> RotaryAttention:
    layer = RotaryAttention(heads)
    layer.build((None, None, heads * size))
    random = np.random.default_rng(4)
    layer.set_weights([random.normal(0, 0.3, weight.shape).astype(np.float32) for weight in layer.weights])
    return layer


def test_attention_against_sums_written_out() -> None:
    heads, size, frames = 2, 36, 5
    layer = attention(heads, size)
    x = np.random.default_rng(5).normal(size=(1, 6, heads * size)).astype(np.float32)
    kernel, output = layer.get_weights()
    queries, keys, values = (
        part.reshape(6, heads, size) for part in np.split(x[0].astype(np.float64) @ kernel, 3, axis=1)
    )

    def turned(vector: np.ndarray, position: int) -> np.ndarray:
        """The pairs as complex numbers, each turned by its angle."""
        turns = np.exp(1j * position * 10000.0 ** (-np.arange(16) / 16))
        pairs = (vector[:16] + 1j * vector[16:32]) * turns
        return np.concatenate([pairs.real, pairs.imag, vector[32:]])

    attended = np.zeros((6, heads, size))
    for head in range(heads):
        for at in range(6):
            query = turned(queries[at, head], at)
            scores = np.array([query @ turned(keys[to, head], to) for to in range(frames)]) / np.sqrt(size)
            shares = np.exp(scores - scores.max())
            attended[at, head] = shares / shares.sum() @ values[:frames, head]
    found = layer(x, np.array([frames])).numpy()[0]
    np.testing.assert_allclose(found, attended.reshape(6, -1) @ output, atol=1e-4)


@pytest.mark.slow
def test_a_network_is_rebuilt_from_its_config() -> None:
    network = moonshine_tiny()
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    fed = [np.random.default_rng(6).normal(0, 0.05, (1, 3000)).astype(np.float32), np.array([3000], np.int32)]
    for one, other in zip(network(fed), again(fed), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_gradients_reach_every_weight() -> None:
    network = moonshine_tiny()
    fed = [np.random.default_rng(7).normal(0, 0.05, (2, 3000)).astype(np.float32), np.array([3000, 2000], np.int32)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(network(fed)[-1] - 1.0))
    gradients = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
    assert all(gradient is not None and np.any(gradient) for gradient in gradients)
