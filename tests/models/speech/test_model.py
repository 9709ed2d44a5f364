"""A trained network of the family in serving: what it answers does not depend on how it is run."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepemo.models.speech.embed import SpeechEmbedder
from deepemo.models.speech.embedder import build_embedder, build_encoder
from deepemo.models.speech.family import EmbedSpeech, TrainSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.model import SpeechModel
from deepemo.models.speech.network import DISCRIMINANT, DISTANCE, HEAD, MIXTURE, build_speech, trained_part
from deepemo.pipeline import load_params
from deepemo.serving.export import load_onnx, load_tflite, to_onnx, to_tflite

SAMPLES = 8000


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    params = load_params(Path(__file__).parents[3] / "params.yaml")
    keras.utils.set_random_seed(3)
    heads = params.section("train_speech", TrainSpeech).model_copy(
        update={"components": 12, "members": 1, "segment_components": 3}
    )
    encoder = build_encoder("moonshine_tiny+whisper_tiny_en")
    network = build_speech(encoder, heads, taps=["stem", "whisper_stem", "whisper_output"], segments=4, classes=7)
    model = SpeechModel(network, {"kind": "speech"}, SpeechFrontEnd(params.section("embed_speech", EmbedSpeech)))
    # The second clip lies between near and far.
    squares = np.square(model.components_of_clips(clips())[:, :12]).sum(axis=1)
    network.get_layer(DISTANCE).scale.assign(np.full(12, np.sqrt(2.0 / squares[1])))
    network.get_layer(HEAD).get_layer(MIXTURE).near.assign(0.1)
    return model


def clips() -> np.ndarray:
    random = np.random.default_rng(1)
    return (np.array([[0.001], [0.05], [0.5]]) * random.normal(size=(3, SAMPLES))).astype(np.float32)


@pytest.mark.slow
def test_a_clip_is_answered_by_its_distance(model: SpeechModel) -> None:
    components = model.components_of_clips(clips())
    distances = model.network.get_layer(DISTANCE)(components[:, :12]).numpy()[:, 0]
    head = model.network.get_layer(HEAD)
    trained = trained_part(head)(components).numpy()
    linear = head.get_layer(DISCRIMINANT)(components[:, :12]).numpy()
    share = (0.1 + 0.7 * np.clip(distances - 1.5, 0.0, 1.0))[:, np.newaxis]
    assert 0.3 < share[1, 0] < 0.6
    expected = (1.0 - share) * trained + share * linear
    np.testing.assert_allclose(model.logits_of_clips(clips()), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_zeros_after_a_clip_do_not_count(model: SpeechModel) -> None:
    encoder = build_encoder("moonshine_tiny+whisper_tiny_en")
    embedder = build_embedder(encoder, ["stem", "whisper_stem", "whisper_output"], segments=4)
    embedder.set_weights(model.network.get_layer("embedder").get_weights())
    embeddings = SpeechEmbedder(embedder, segments=4)(list(clips()))
    padded = np.pad(clips(), [(0, 0), (0, 3001)])
    np.testing.assert_allclose(model.components_of_clips(padded), model.components(embeddings), rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_an_exported_network_gives_the_same_logits(model: SpeechModel, kind: str) -> None:
    if kind == "onnx":
        pytest.importorskip("tf2onnx", reason="the extra deepemo[onnx] is not installed")
        pytest.importorskip("onnxruntime", reason="the extra deepemo[onnx] is not installed")
    signature = [tf.TensorSpec([SAMPLES], tf.float32, name="samples")]
    function = tf.function(lambda samples: model.graph(samples[tf.newaxis])[0], input_signature=signature)
    run = load_tflite(to_tflite(function)) if kind == "tflite" else load_onnx(to_onnx(function))
    expected = model.logits_of_clips(clips())
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    for clip, logits in zip(clips(), expected, strict=True):
        np.testing.assert_allclose(run(clip), logits, rtol=1e-3, atol=1e-3)
