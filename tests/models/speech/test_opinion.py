"""The second opinion of the voice gate: fitted in closed form, kept with the weights, silent if it learned nothing."""

from pathlib import Path

import keras
import numpy as np
import pytest

from deepemo.models.family import SpeechJudge
from deepemo.models.speech.family import EmbedSpeech, TrainSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.model import JUDGED_SECONDS, SpeechModel
from deepemo.models.speech.network import OPINION, Layout, build_on_embeddings
from deepemo.models.speech.opinion import THRESHOLD_POSITION, speech_opinion
from deepemo.pipeline import load_params
from tests.fixtures.rote import RoteJudge, RoteVoiceModel

ROOT = Path(__file__).parents[3]
COMPONENTS = 8


def cloud(count: int, centre: float, seed: int) -> np.ndarray:
    """Components float32 [count, COMPONENTS] that differ in the first one."""
    values = np.random.default_rng(seed).normal(size=(count, COMPONENTS))
    values[:, 0] += centre
    return values.astype(np.float32)


def sounding(count: int, seconds: float) -> np.ndarray:
    """Clips float32 [count, 96000] with so much sound, and zeros after it."""
    clips = np.zeros((count, 96_000), np.float32)
    clips[:, : round(seconds * 16_000)] = 0.1
    return clips


def scores(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (values @ kernel + bias)[:, 0]


def test_speech_and_sounds_are_told_apart_at_the_position_of_the_threshold() -> None:
    speech, sounds = cloud(600, 3.0, 1), cloud(40, -3.0, 2)
    kernel, bias = speech_opinion(speech, np.zeros((0, *speech.shape), np.float32), sounds, seed=1)
    assert (kernel.shape, kernel.dtype, bias.shape) == ((COMPONENTS, 1), np.float32, (1,))
    assert (scores(cloud(200, 3.0, 3), kernel, bias) >= 0).mean() > 0.98
    assert (scores(cloud(200, -3.0, 4), kernel, bias) >= 0).mean() < 0.01
    low, high = scores(sounds, kernel, bias).mean(), scores(speech, kernel, bias).mean()
    assert -low / (high - low) == pytest.approx(THRESHOLD_POSITION, abs=0.02)
    again = speech_opinion(speech, np.zeros((0, *speech.shape), np.float32), sounds, seed=1)
    assert [one.tobytes() for one in (kernel, bias)] == [one.tobytes() for one in again]


def test_views_count_as_speech() -> None:
    speech, sounds = cloud(600, 3.0, 1), cloud(40, -3.0, 2)
    far = cloud(600, 0.0, 3)  # the views are nearer to the sounds
    alone = speech_opinion(speech, np.zeros((0, *speech.shape), np.float32), sounds, seed=1)
    with_views = speech_opinion(speech, far[np.newaxis], sounds, seed=1)
    assert (scores(far, *with_views) >= 0).mean() > (scores(far, *alone) >= 0).mean() + 0.1


@pytest.fixture
def network() -> keras.Model:
    section = load_params(ROOT / "params.yaml").section("train_speech", TrainSpeech)
    return build_on_embeddings(Layout(12), section.model_copy(update={"components": COMPONENTS}), classes=7)


def model_of(network: keras.Model) -> SpeechModel:
    section = load_params(ROOT / "params.yaml").section("embed_speech", EmbedSpeech)
    return SpeechModel(network, {"kind": "speech"}, SpeechFrontEnd(section))


@pytest.mark.slow
def test_without_sounds_everything_is_speech_and_nobody_is_asked(network: keras.Model) -> None:
    model = model_of(network)
    assert isinstance(model, SpeechJudge)
    assert not model.has_opinion
    assert model.is_speech(sounding(20, 2.0), cloud(20, -9.0, 1)).all()


@pytest.mark.slow
def test_the_opinion_is_kept_with_the_weights(network: keras.Model, tmp_path: Path) -> None:
    kernel = np.eye(COMPONENTS, 1, dtype=np.float32)
    network.get_layer(OPINION).set_weights([kernel, np.array([-1.0], np.float32)])
    network.save_weights(tmp_path / "model.weights.h5")
    network.get_layer(OPINION).set_weights([0 * kernel, np.zeros(1, np.float32)])
    network.load_weights(tmp_path / "model.weights.h5")
    model = model_of(network)
    assert model.has_opinion
    values = cloud(50, 1.0, 1)
    np.testing.assert_array_equal(model.is_speech(sounding(50, 2.0), values), values[:, 0] >= 1.0)
    assert model.is_speech(sounding(50, JUDGED_SECONDS - 0.01), values).all(), "too short to judge"
    np.testing.assert_array_equal(model.is_speech(sounding(50, JUDGED_SECONDS), values), values[:, 0] >= 1.0)
    alone = np.asarray(network.get_layer("head")([values, np.zeros((50, 1))]))
    np.testing.assert_array_equal(model.logits_of_components(values), alone)


def test_a_network_that_only_knows_voices_is_no_judge() -> None:
    assert isinstance(RoteJudge(), SpeechJudge)
    assert not isinstance(object.__new__(RoteVoiceModel), SpeechJudge)
