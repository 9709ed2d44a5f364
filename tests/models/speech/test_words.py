"""The paragraph of the model card: which encoders hear a clip, and what the heads take."""

from pathlib import Path

import pytest

from deepemo.models.speech.words import paragraph
from deepemo.params import Params
from deepemo.pipeline import load_params


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(Path(__file__).parents[3] / "params.yaml")


def written(params: Params, **settings: object) -> str:
    usual = {"components": 1024, "perceptron_components": 384, "members": 4, "attention_members": 0, "segments": 0}
    usual |= {"discriminant_share": 0.0, "taps": ["stem", "output"]}
    about = {
        "settings": {**usual, **settings},
        "features": {"clip_seconds": 6.0, "sample_rate_hz": 16000},
        "parameters": 27_718_997,
    }
    return " ".join(paragraph(about, params).split())


def test_two_encoders_are_named_as_two(params: Params) -> None:
    text = written(params, encoder="moonshine_tiny+whisper_tiny_en")
    assert "`moonshine_tiny` and `whisper_tiny_en`, networks that were trained elsewhere" in text
    assert "hear the samples" in text
    assert "are left as they were" in text
    assert "2 of their layers: the mean of 4 perceptrons on the first 384 of them." in text


def test_one_encoder_is_named_as_one(params: Params) -> None:
    text = written(params, encoder="moonshine_tiny", components=300)
    assert "`moonshine_tiny`, a network that was trained elsewhere" in text
    assert "is left as it was" in text
    assert "2 of its layers: the mean of 4 perceptrons." in text
