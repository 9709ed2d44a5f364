"""Real networks, tiny and untrained: from files on disk to answers, and exported from TensorFlow."""

import csv
import json
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import deepemo
from deepemo.audio.features import Featurizer
from deepemo.dataset.featurize import featurize_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.evaluation.calibration import scale, softmax
from deepemo.evaluation.predictions import Predictions, predict
from deepemo.models.saved import load_model
from deepemo.serving import cli
from deepemo.serving.batching import Batcher, stack
from deepemo.serving.export import export, load_onnx, load_tflite
from deepemo.serving.predictor import Predictor
from tests.fixtures.models import ENSEMBLE_WEIGHTS, FITTED, SPEC
from tests.fixtures.serving import RATE_HZ

pytestmark = pytest.mark.slow

FOUR = ("angry", "happy", "neutral", "sad")


@pytest.fixture
def models(made_models: Path) -> Path:
    return made_models


def test_a_recording_gives_the_model_the_very_features_of_training(models, speech, wav, tmp_path):
    rate_hz = 44_100
    moments = np.arange(0, len(speech), RATE_HZ / rate_hz)
    silence = np.zeros(rate_hz, np.float32)
    stereo = np.concatenate([silence, np.interp(moments, np.arange(len(speech)), speech), silence])
    content = wav(np.stack([stereo, 0.5 * stereo], axis=1), rate_hz)
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("a.wav", content)
    clips = pd.DataFrame({"clip": ["made/a"], "corpus": ["made"], "member": ["a.wav"]})
    ((_, trained_on),) = featurize_clips(clips, tmp_path, Featurizer(SPEC), workers=1)

    asked = []
    recognizer = deepemo.Recognizer.load(models)
    watching = recognizer.with_predict(lambda inputs: asked.append(inputs) or recognizer.model.probabilities(inputs))
    assert watching.recognize(content).probabilities is not None
    assert [len(inputs) for inputs in asked] == [1], "both networks are fed the same, which is made once"
    np.testing.assert_array_equal(asked[0][0].astype(np.float16), trained_on[None])


@pytest.mark.parametrize("name", ["shallow", "transfer", "ensemble"])
def test_its_probabilities_are_those_that_evaluation_calibrates(models, name):
    """Evaluation's own way, from other modules: predict, with_ensemble, scale."""
    features = np.random.default_rng(5).uniform(0, 1, (6, SPEC.frames, SPEC.bands)).astype(np.float32)
    clips = pd.DataFrame(
        {
            "clip": [f"made/{number}" for number in range(6)],
            "corpus": "made",
            "language": "en",
            "speaker": "made/1",
            "gender": "female",
            "emotion": "happy",
            "role": "validation",
        }
    )
    batches = [(list(clips["clip"]), features)]
    parts = {part: (load_model(models / part, EMOTIONS), batches) for part in ("shallow", "transfer")}
    predictions: Predictions = predict(clips, parts, EMOTIONS).with_ensemble(
        dict(zip(parts, ENSEMBLE_WEIGHTS, strict=True))
    )
    temperature, threshold = FITTED[name]
    expected = scale(predictions.probabilities[name], temperature)
    predictor = Predictor.load(models, name)
    np.testing.assert_allclose(predictor.probabilities((features,)), expected, atol=1e-6)
    assert predictor.threshold == threshold


@pytest.mark.parametrize("name", ["shallow", "ensemble"])
def test_an_exported_model_gives_the_same_probabilities(models, name, speech, tmp_path):
    predictor = Predictor.load(models, name)
    made = export(predictor, tmp_path, "tflite")
    assert made.difference < 1e-4
    assert made.bytes == made.path.stat().st_size
    assert min(made.milliseconds, made.original_milliseconds) > 0
    # Compare with the answers to recordings: speech, read from the file.
    featurizer = Featurizer(SPEC)
    answered = predictor.probabilities((featurizer(speech, RATE_HZ)[None],))[0]
    exported = load_tflite(made.path.read_bytes())(featurizer.clip(speech, RATE_HZ))
    np.testing.assert_allclose(exported, answered, atol=1e-4)
    about = json.loads((tmp_path / f"{name}.json").read_text())
    assert about["emotions"] == list(EMOTIONS)
    assert about["input"].startswith(f"float32 [{SPEC.clip_samples}]")


def test_onnx_gives_the_same_probabilities(models, speech, tmp_path):
    pytest.importorskip("tf2onnx", reason="the extra deepemo[onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra deepemo[onnx] is not installed")
    predictor = Predictor.load(models, "ensemble")
    made = export(predictor, tmp_path, "onnx")
    assert made.difference < 1e-4
    featurizer = Featurizer(SPEC)
    exported = load_onnx(made.path.read_bytes())(featurizer.clip(speech, RATE_HZ))
    answered = predictor.probabilities((featurizer(speech, RATE_HZ)[None],))[0]
    np.testing.assert_allclose(exported, answered, atol=1e-4)


def test_without_its_packages_onnx_says_what_brings_them(models, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"tf2onnx cannot be imported .*deepemo\[onnx\]"):
        export(Predictor.load(models, "shallow"), tmp_path, "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_written_whole_or_not_at_all(models, tmp_path, monkeypatch):
    predictor = Predictor.load(models, "shallow")
    export(predictor, tmp_path, "tflite")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"shallow.tflite", "shallow.json"}

    def fail(path, content):
        path.write_text("half")
        raise OSError("no space left")

    monkeypatch.setattr("deepemo.serving.export.write_json", fail)
    predictor.threshold = 0.99
    with pytest.raises(OSError, match="no space left"):
        export(predictor, tmp_path, "tflite")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_export_to_something_else_is_refused(models, tmp_path):
    with pytest.raises(InputError, match=r"'pickle', expected one of \['tflite', 'onnx'\]"):
        export(Predictor.load(models, "shallow"), tmp_path, "pickle")


@pytest.fixture(scope="module")
def unlike(tmp_path_factory, write_models) -> Path:
    """Two networks with different features of clips of different lengths as input."""
    folder = tmp_path_factory.mktemp("unlike") / "models"
    short = SPEC.model_copy(update={"clip_seconds": 2.0, "mel_bands": 12})
    write_models(folder, {"shallow": SPEC, "transfer": short})
    return folder


def test_networks_with_different_front_ends_are_each_fed_their_own(unlike, speech):
    predictor = Predictor.load(unlike, "ensemble")
    inputs = stack([predictor.prepare(speech, RATE_HZ), predictor.prepare(speech[::-1], RATE_HZ)])
    assert [array.shape for array in inputs] == [(2, 70, 16), (2, 40, 12)]
    each = [
        load_model(unlike / name, EMOTIONS).logits(array)
        for name, array in zip(("shallow", "transfer"), inputs, strict=True)
    ]
    joined = np.average([softmax(logits.astype(np.float64)) for logits in each], axis=0, weights=ENSEMBLE_WEIGHTS)
    expected = scale(joined, FITTED["ensemble"][0])
    np.testing.assert_allclose(predictor.probabilities(inputs), expected, atol=1e-6)


def test_the_shortest_clip_decides_how_a_recording_is_cut(unlike, speech):
    recognizer = deepemo.Recognizer.load(unlike, "ensemble")
    line = recognizer.recognize(np.tile(speech, 3), RATE_HZ).timeline
    assert line.window_seconds == pytest.approx(2.0)
    batcher = Batcher(recognizer.model.probabilities, batch_windows=8)
    again = recognizer.with_predict(batcher).recognize(np.tile(speech, 3), RATE_HZ).timeline
    batcher.close()
    for window, same in zip(line.windows, again.windows, strict=True):
        assert window.answer == same.answer


def test_networks_of_clips_of_other_lengths_are_exported_for_the_shortest(unlike, speech, tmp_path):
    predictor = Predictor.load(unlike, "ensemble")
    made = export(predictor, tmp_path, "tflite")
    clip = predictor.front_end.clip(speech, RATE_HZ)
    assert clip.shape == (2 * RATE_HZ,)
    answered = predictor.probabilities(stack([predictor.prepare(clip, RATE_HZ)]))[0]
    np.testing.assert_allclose(load_tflite(made.path.read_bytes())(clip), answered, atol=1e-4)


@pytest.mark.parametrize("changed", [{"sample_rate_hz": 8000, "max_hz": 4000.0}, {"trim_below_db": None}])
def test_networks_that_are_fed_different_clips_are_exported_alone(changed, write_models, tmp_path):
    write_models(tmp_path / "models", {"shallow": SPEC, "transfer": SPEC.model_copy(update=changed)})
    with pytest.raises(InputError, match="ensemble: its networks are fed different clips, export each of them alone"):
        export(Predictor.load(tmp_path / "models", "ensemble"), tmp_path, "tflite")
    assert export(Predictor.load(tmp_path / "models", "transfer"), tmp_path, "tflite").difference < 1e-4


@pytest.fixture(scope="module")
def of_four(tmp_path_factory, write_models) -> Path:
    """Two networks that tell four emotions apart, and their ensemble."""
    folder = tmp_path_factory.mktemp("four") / "models"
    write_models(folder, emotions=FOUR)
    return folder


def test_a_model_of_four_emotions_answers_with_these_alone(of_four, speech):
    recognizer = deepemo.Recognizer.load(of_four)
    assert recognizer.model.emotions == FOUR
    answer = recognizer.recognize(np.tile(speech, 3), RATE_HZ)
    assert answer.answer in FOUR
    assert tuple(answer.probabilities) == FOUR
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    spans = [*answer.timeline.windows, *answer.timeline.segments]
    assert {tuple(span.probabilities) for span in spans if span.probabilities} == {FOUR}


def test_on_the_command_line_a_model_of_four_emotions_has_four_columns(of_four, speech, wav, tmp_path):
    (tmp_path / "a.wav").write_bytes(wav(speech))
    run = CliRunner().invoke(cli.app, ["predict", str(tmp_path / "a.wav"), "--csv", "--models", str(of_four)])
    assert run.exit_code == 0, run.stderr
    header, row = csv.reader(run.stdout.splitlines())
    assert tuple(header[6:-2]) == FOUR
    assert sum(map(float, row[6:-2])) == pytest.approx(1, abs=1e-3)
    run = CliRunner().invoke(cli.app, ["predict", str(tmp_path / "a.wav"), "--json", "--models", str(of_four)])
    assert tuple(json.loads(run.stdout)["probabilities"]) == FOUR


def test_an_exported_model_of_four_emotions_has_four_outputs(of_four, speech, tmp_path):
    predictor = Predictor.load(of_four)
    made = export(predictor, tmp_path, "tflite")
    found = load_tflite(made.path.read_bytes())(predictor.front_end.clip(speech, RATE_HZ))
    assert found.shape == (4,)
    about = json.loads((tmp_path / "ensemble.json").read_text())
    assert about["emotions"] == list(FOUR)
    assert about["output"].startswith("float32 [4]")


def test_a_bundle_of_other_emotions_than_its_networks_is_refused_with_both_lists(of_four, tmp_path):
    shutil.copytree(of_four, tmp_path / "models")
    path = tmp_path / "models/serving/bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"emotions": list(EMOTIONS)}))
    with pytest.raises(InputError) as error:
        deepemo.Recognizer.load(tmp_path / "models")
    about = tmp_path / "models/shallow/model.json"
    assert str(error.value) == (f"{about}: emotions: found {list(FOUR)}, expected {list(EMOTIONS)}, those of {path}")
