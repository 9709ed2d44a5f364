"""From samples to embeddings: each clip's own statistics, in any batch and order, and in the exported network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.speech.embed import SpeechEmbedder, embed_in_order
from deepemo.models.speech.embedder import SegmentMeans, StatisticsPooling, build_embedder, segment_means
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import CHANNELS, SAMPLE_RATE_HZ, TAPS, samples_of
from deepemo.serving.export import load_tflite, to_onnx, to_tflite

pytestmark = pytest.mark.slow


def test_pooling_counts_a_clips_own_frames() -> None:
    x = np.random.default_rng(1).normal(3, 2, (2, 7, 5)).astype(np.float32)
    found = StatisticsPooling()(x, np.array([7, 4])).numpy()
    for row, frames in ((0, 7), (1, 4)):
        own = x[row, :frames]
        np.testing.assert_allclose(found[row], np.concatenate([own.mean(0), own.std(0)]), rtol=1e-4)


def test_segments_are_equal_parts_of_a_clips_own_frames() -> None:
    x = np.random.default_rng(1).normal(3, 2, (3, 8, 5)).astype(np.float32)
    found = SegmentMeans(2)(x, np.array([8, 3, 1])).numpy()
    np.testing.assert_allclose(found[0], [x[0, :4].mean(0), x[0, 4:].mean(0)], rtol=1e-5)
    half = x[1, 1] / 2.0
    expected = [(x[1, 0] + half) / 1.5, (half + x[1, 2]) / 1.5]
    np.testing.assert_allclose(found[1], expected, rtol=1e-5, err_msg="the middle frame is half of both")
    np.testing.assert_allclose(found[2], [x[2, 0], x[2, 0]], rtol=1e-5)
    for row, frames in ((0, 8), (1, 3), (2, 1)):
        np.testing.assert_allclose(segment_means(x[row, :frames], 2), found[row], rtol=1e-5)


def test_the_segments_of_all_taps_follow_the_statistics(encoder: keras.Model, clips: list[np.ndarray]) -> None:
    taps = ("layer1", "layer2")
    embedder = SpeechEmbedder(build_embedder(encoder, taps, segments=4), segments=4)
    assert (embedder.width, embedder.segment_width) == (2 * CHANNELS * (2 + 4), 2 * CHANNELS)
    found = embedder(clips[:2])
    assert_close(found[:, : 4 * CHANNELS], SpeechEmbedder(build_embedder(encoder, taps))(clips[:2]))
    outputs = encoder([clips[0][np.newaxis], np.array([len(clips[0])], np.int32)])
    frames = np.concatenate([outputs[TAPS.index(tap)][0].numpy() for tap in taps], axis=1)
    assert_close(found[0, 4 * CHANNELS :], segment_means(frames, 4).ravel())


@pytest.fixture(scope="module")
def embedder(encoder: keras.Model) -> SpeechEmbedder:
    return SpeechEmbedder(build_embedder(encoder, TAPS), batch_size=2)


@pytest.fixture(scope="module")
def clips(spoken: list[np.ndarray], front_end: SpeechFrontEnd) -> list[np.ndarray]:
    short = np.random.default_rng(2).normal(0, 0.05, samples_of(1)).astype(np.float32)
    return [*(front_end.prepare(clip, SAMPLE_RATE_HZ) for clip in spoken), short]


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


def test_an_embedding_is_mean_and_deviation_of_every_tap(
    encoder: keras.Model, embedder: SpeechEmbedder, clips: list[np.ndarray]
) -> None:
    taps = encoder([clips[0][np.newaxis], np.array([len(clips[0])], np.int32)])
    expected = np.concatenate([part for tap in taps for part in (tap[0].numpy().mean(0), tap[0].numpy().std(0))])
    assert expected.shape == (len(TAPS) * 2 * CHANNELS,)
    assert_close(embedder(clips[:1])[0], expected)


def test_embeddings_come_in_order_and_do_not_depend_on_company(
    embedder: SpeechEmbedder, clips: list[np.ndarray]
) -> None:
    together = embedder(clips)
    alone = np.concatenate([embedder([clip]) for clip in clips])
    assert_close(together, alone)
    assert_close(embedder(clips[::-1])[::-1], together)
    assert np.linalg.norm(together[0] - together[1]) > 0.1 * np.linalg.norm(together[0])


def test_the_same_clips_give_the_same_bytes(embedder: SpeechEmbedder, clips: list[np.ndarray]) -> None:
    assert embedder(clips).tobytes() == embedder(clips).tobytes()


def test_a_stream_keeps_its_keys_and_its_order(
    embedder: SpeechEmbedder, clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepemo.models.speech.embed.WINDOW_CLIPS", 3)
    found = list(embed_in_order(embedder, zip("abcd", clips, strict=True)))
    assert [key for key, _ in found] == list("abcd")
    assert_close(np.stack([embedding for _, embedding in found]), embedder(clips))


def test_a_stream_is_not_read_far_ahead(embedder: SpeechEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepemo.models.speech.embed.WINDOW_CLIPS", 2)
    asked = []

    def endless():
        while True:
            asked.append(None)
            yield len(asked), np.zeros(samples_of(1), np.float32)

    stream = embed_in_order(embedder, endless())
    assert [next(stream)[0] for _ in range(3)] == [1, 2, 3]
    assert len(asked) == 4


def test_nothing_gives_nothing(embedder: SpeechEmbedder) -> None:
    assert embedder([]).shape == (0, len(TAPS) * 2 * CHANNELS)


def test_taps_are_chosen_by_name(encoder: keras.Model, embedder: SpeechEmbedder, clips: list[np.ndarray]) -> None:
    chosen = SpeechEmbedder(build_embedder(encoder, ("layer3", "stem")))(clips[:2])
    width = 2 * CHANNELS
    everything = embedder(clips[:2])
    third = TAPS.index("layer3") * width
    assert_close(chosen, np.hstack([everything[:, third : third + width], everything[:, :width]]))
    alone = SpeechEmbedder(build_embedder(encoder, ("stem",)))(clips[:2])
    assert_close(alone, everything[:, :width])


def one_clip_function(network: keras.Model, samples: int) -> tf.types.experimental.GenericFunction:
    """The exported function: samples of one clip of a fixed length to its embedding."""

    def embed(clip: tf.Tensor) -> tf.Tensor:
        return network([clip[tf.newaxis], tf.constant([samples], tf.int32)], training=False)[0]

    return tf.function(embed, input_signature=[tf.TensorSpec([samples], tf.float32, name="samples")])


def test_tensorflow_lite_gives_the_same(embedder: SpeechEmbedder, clips: list[np.ndarray]) -> None:
    exported = load_tflite(to_tflite(one_clip_function(embedder.network, len(clips[0]))))
    assert_close(exported(clips[0]), embedder(clips[:1])[0])


def test_onnx_gives_the_same(embedder: SpeechEmbedder, clips: list[np.ndarray]) -> None:
    pytest.importorskip("tf2onnx", reason="the extra deepemo[onnx] is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra deepemo[onnx] is not installed")
    session = runtime.InferenceSession(to_onnx(one_clip_function(embedder.network, len(clips[0]))))
    assert_close(session.run(None, {"samples": clips[0]})[0], embedder(clips[:1])[0])
