"""The table of predictions: computed in batches, written and read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.calibration import softmax
from deepemo.evaluation.predictions import Predictions, predict, read_predictions, write_predictions

CLIPS = pd.DataFrame(
    {
        "clip": ["c/a", "c/b", "c/d"],
        "corpus": "c",
        "language": "en",
        "speaker": "c/1",
        "gender": "female",
        "emotion": ["angry", "sad", "fear"],
        "role": "test_seen",
    }
)
FEATURES = {clip: np.full((2, 3), number, dtype=np.float32) for number, clip in enumerate(CLIPS["clip"])}


class Echo:
    """Raises the logit of the emotion with the clip's number."""

    def logits(self, features: np.ndarray) -> np.ndarray:
        return 5.0 * np.eye(7, dtype=np.float32)[features[:, 0, 0].astype(int)]


def _batches(*groups: list[str]) -> list[tuple[list[str], np.ndarray]]:
    return [(names, np.stack([FEATURES[name] for name in names])) for names in groups]


def test_answers_go_to_their_clips_whatever_the_order_of_the_batches() -> None:
    found = predict(CLIPS, {"echo": (Echo(), _batches(["c/d"], ["c/b", "c/a"]))}, EMOTIONS)
    assert found.answers("echo").tolist() == [0, 1, 2]
    assert found.probabilities["echo"].sum(axis=1) == pytest.approx([1, 1, 1])
    assert found.labels.tolist() == [0, 5, 2]


def test_each_model_has_inputs_of_its_own() -> None:
    other = [(list(CLIPS["clip"]), np.full((3, 1, 1), 6, dtype=np.float32))]
    found = predict(CLIPS, {"echo": (Echo(), _batches(["c/a", "c/b", "c/d"])), "constant": (Echo(), other)}, EMOTIONS)
    assert found.predictors == ("echo", "constant")
    assert found.answers("echo").tolist() == [0, 1, 2]
    assert found.answers("constant").tolist() == [6, 6, 6]


def test_a_clip_without_features_is_named() -> None:
    with pytest.raises(InputError, match="echo: no inputs of 1 clips, among them c/b"):
        predict(CLIPS, {"echo": (Echo(), _batches(["c/a", "c/d"]))}, EMOTIONS)


def test_an_unknown_emotion_is_named() -> None:
    with pytest.raises(InputError, match="calm"):
        predict(CLIPS.assign(emotion="calm"), {"echo": (Echo(), [])}, EMOTIONS)


def test_the_weighted_mean_of_two_predictors() -> None:
    probabilities = {"a": np.full((3, 7), 1 / 7), "b": np.eye(7)[[0, 1, 2]]}
    joined = Predictions(CLIPS, probabilities, EMOTIONS).with_ensemble({"b": 0.75, "a": 0.25})
    assert joined.predictors == ("a", "b", "ensemble")
    assert joined.probabilities["ensemble"][0, 0] == pytest.approx(0.25 / 7 + 0.75)
    np.testing.assert_allclose(joined.probabilities["ensemble"].sum(axis=1), 1)


def test_what_is_written_is_read(tmp_path: Path, made_predictions: Predictions) -> None:
    write_predictions(tmp_path / "predictions.csv", made_predictions)
    found = read_predictions(tmp_path / "predictions.csv", EMOTIONS)
    pd.testing.assert_frame_equal(found.clips, made_predictions.clips)
    assert found.predictors == made_predictions.predictors
    for name, values in made_predictions.probabilities.items():
        assert found.probabilities[name] == pytest.approx(values, rel=1e-5)
        assert np.array_equal(found.answers(name), made_predictions.answers(name))


def test_softmax_of_large_logits_stays_finite() -> None:
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_predictions_of_fewer_emotions_are_written_read_and_refused_elsewhere(tmp_path: Path) -> None:
    three = ("angry", "fear", "sad")
    answers = np.array([[0.8, 0.1, 0.1], [0.2, 0.3, 0.5], [0.2, 0.5, 0.3]])
    write_predictions(tmp_path / "p.csv", Predictions(CLIPS, {"a": answers}, three))
    found = read_predictions(tmp_path / "p.csv", three)
    np.testing.assert_array_equal(found.probabilities["a"], answers)
    assert found.labels.tolist() == [0, 2, 1]
    with pytest.raises(InputError, match=r"p\.csv: emotions: found \['angry', 'fear', 'sad'\], expected \['angry', "):
        read_predictions(tmp_path / "p.csv", EMOTIONS)
