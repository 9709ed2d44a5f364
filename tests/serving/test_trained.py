"""With real networks, tiny and untrained: the way from files on disk to answers, and out of TensorFlow."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

import deepemo
from deepemo.audio.features import Featurizer
from deepemo.audio.spectrogram import FeatureSpec
from deepemo.audio.voice import VoiceGate
from deepemo.dataset.featurizing import featurize_clips
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.learning.calibration import scale
from deepemo.learning.predictions import Predictions, predict
from deepemo.networks.classifier import Classifier
from deepemo.networks.shallow import build_shallow
from deepemo.networks.storage import save_classifier
from deepemo.params import load_params
from deepemo.serving.calibrated import DEFAULT_GATE, DEFAULT_LIMITS, ClipLimits
from deepemo.serving.export import export, load_onnx, load_tflite
from deepemo.serving.lineage import LIMITS, describe, model_card
from deepemo.serving.predictor import Predictor

pytestmark = pytest.mark.slow

RATE_HZ = 16_000
SPEC = FeatureSpec(
    sample_rate_hz=RATE_HZ,
    kind="mel",
    clip_seconds=3.5,
    trim_below_db=40.0,
    window_seconds=0.064,
    hop_seconds=0.05,
    mel_bands=16,
    min_hz=50.0,
    max_hz=8000.0,
    range_db=80.0,
)
CALIBRATION = {
    "shallow": {"temperature": 0.7, "threshold": 0.2, "wanted_accuracy": 0.8, "fitted_on": {"clips": 5}},
    "transfer": {"temperature": 1.0, "threshold": 0.0, "wanted_accuracy": 0.8},
    "ensemble": {"temperature": 1.6, "threshold": 0.0, "wanted_accuracy": 0.8},
}


# As DVC writes a section tracked whole, and keys tracked alone.
LOCK = """\
stages:
  download: {params: {params.yaml: {download: {corpora: [synthetic], connections: 6}, seed: 1}}}
  validate: {params: {params.yaml: {validate.min_seconds: 0.8, validate.silent_below_dbfs: -60.0}}}
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Folder of models as a pipeline run leaves it; a small network stands for the transferred one too."""
    folder = tmp_path_factory.mktemp("run") / "models"
    for number, name in enumerate(("shallow", "transfer")):
        keras.utils.set_random_seed(number)
        settings = {"channels": [4, 8], "band_pooling": 1, "dropout": 0.1}
        network = build_shallow(frames=SPEC.frames, bands=SPEC.bands, **settings)
        # Untrained, its answers hardly differ; these do.
        network.get_layer("emotions").kernel.assign(np.random.default_rng(number).normal(0, 6, (16, len(EMOTIONS))))
        about = {"trained_on": {"clips": 7, "sha256": "0"}, "seed": number}
        save_classifier(folder / name, network, kind="shallow", settings=settings, spec=SPEC, **about)
    (folder / "serving").mkdir()
    (folder / "serving" / "calibration.json").write_text(json.dumps(CALIBRATION))
    return folder


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
    watching = recognizer.with_predict(
        lambda features: asked.append(features) or recognizer.model.probabilities(features)
    )
    assert watching.recognize(content).probabilities is not None
    assert len(asked) == 1
    np.testing.assert_array_equal(asked[0], trained_on[None])


@pytest.mark.parametrize("name", ["shallow", "transfer", "ensemble"])
def test_its_probabilities_are_those_that_evaluation_calibrates(models, name):
    """Evaluation's own way, from other modules: predict, with_mean, scale."""
    features = np.random.default_rng(5).uniform(0, 1, (6, SPEC.frames, SPEC.bands)).astype(np.float32)
    clips = pd.DataFrame(
        {
            "clip": [f"made/{number}" for number in range(6)],
            "corpus": "made",
            "speaker": "made/1",
            "gender": "female",
            "emotion": "happy",
            "role": "validation",
        }
    )
    classifiers = {part: Classifier.load(models / part) for part in ("shallow", "transfer")}
    predictions: Predictions = predict(classifiers, clips, [(list(clips["clip"]), features)]).with_mean()
    expected = scale(predictions.probabilities[name], CALIBRATION[name]["temperature"])
    predictor = Predictor.load(models, name)
    np.testing.assert_allclose(predictor.probabilities(features), expected, atol=1e-6)
    assert predictor.threshold == CALIBRATION[name]["threshold"]


@pytest.mark.parametrize("name", ["shallow", "ensemble"])
def test_an_exported_model_gives_the_same_probabilities(models, name, speech, tmp_path):
    predictor = Predictor.load(models, name)
    made = export(predictor, tmp_path, "tflite")
    assert made.difference < 1e-4
    assert made.bytes == made.path.stat().st_size
    assert min(made.milliseconds, made.original_milliseconds) > 0
    # Against the way that recordings are answered, on speech, from the file.
    featurizer = Featurizer(SPEC)
    answered = predictor.probabilities(featurizer(speech, RATE_HZ)[None])[0]
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
    answered = predictor.probabilities(featurizer(speech, RATE_HZ)[None])[0]
    np.testing.assert_allclose(exported, answered, atol=1e-4)


def test_without_its_packages_onnx_says_what_brings_them(models, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(InputError, match=r"tf2onnx cannot be imported .*deepemo\[onnx\]"):
        export(Predictor.load(models, "shallow"), tmp_path, "onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_to_something_else_is_refused(models, tmp_path):
    with pytest.raises(InputError, match=r"'pickle', expected one of \['tflite', 'onnx'\]"):
        export(Predictor.load(models, "shallow"), tmp_path, "pickle")


def test_what_is_missing_or_wrong_in_a_folder_of_models_is_named(models, tmp_path):
    with pytest.raises(InputError, match="'large', expected one of"):
        deepemo.Recognizer.load(models, "large")
    with pytest.raises(InputError, match=r"calibration\.json: no such file"):
        deepemo.Recognizer.load(tmp_path)
    (tmp_path / "serving").mkdir()
    for content in (
        "{",
        "[]",
        '{"ensemble": {"temperature": 1}}',
        '{"ensemble": {"temperature": "x", "threshold": 0}}',
    ):
        (tmp_path / "serving" / "calibration.json").write_text(content)
        with pytest.raises(InputError, match="expected temperature and threshold of 'ensemble'"):
            deepemo.Recognizer.load(tmp_path)


def test_networks_that_hear_differently_have_no_mean(models):
    one, other = Classifier.load(models / "shallow"), Classifier.load(models / "transfer")
    other.spec = FeatureSpec.from_dict({**SPEC.to_dict(), "clip_seconds": 2.0})
    with pytest.raises(InputError, match="expect different features"):
        Predictor([one, other], name="ensemble")


def test_lineage_leads_back_to_data_figures_and_revision(models, monkeypatch):
    root = models.parent
    monkeypatch.delenv("DEEPEMO_REVISION", raising=False)
    (root / "metrics").mkdir()
    (root / "reports").mkdir()
    figures = {"ensemble": {"unseen_speakers": {"accuracy": 0.6}}, "shallow": {}, "chance": {"uar": 0.1429}}
    (root / "metrics" / "evaluate.json").write_text(json.dumps(figures))
    gate = {"decision": {"threshold": 0.3, "min_share": 0.1, "min_seconds": 0.4}}
    (root / "metrics" / "gate.json").write_text(json.dumps(gate))
    (root / "reports" / "model_card.md").write_text("# Card\n")
    lock = LOCK
    (root / "dvc.lock").write_text(lock)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "dvc.lock"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Run"], check=True)
    revision = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    about = describe(models, "ensemble")
    assert about["revision"] == revision
    assert [part["name"] for part in about["parts"]] == ["shallow", "transfer"]
    assert all(len(part["weights_sha256"]) == 64 for part in about["parts"])
    assert about["figures"] == {"ensemble": figures["ensemble"], "chance": figures["chance"]}
    assert [corpus["name"] for corpus in about["corpora"]] == ["synthetic"]
    assert about["features"] == SPEC.to_dict()
    assert about["gate"] == gate
    assert deepemo.Recognizer.load(models).gate == VoiceGate(threshold=0.3, min_share=0.1, min_seconds=0.4)
    assert deepemo.Recognizer.load(models).limits == ClipLimits(min_seconds=0.8, silent_below_dbfs=-60.0)
    assert about["limits"] == list(LIMITS)
    assert model_card(models) == "# Card\n"

    (root / "dvc.lock").write_text(lock + "# changed\n")
    assert describe(models, "shallow")["revision"] == f"{revision}-dirty"
    monkeypatch.setenv("DEEPEMO_REVISION", "v1")
    assert describe(models, "shallow")["revision"] == "v1"


def test_a_model_without_records_says_that_there_are_none(models, tmp_path, monkeypatch):
    monkeypatch.delenv("DEEPEMO_REVISION", raising=False)
    copied = tmp_path / "copied" / "models"
    copied.mkdir(parents=True)
    for path in models.rglob("*"):
        target = copied / path.relative_to(models)
        target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    about = describe(copied, "shallow")
    assert (about["figures"], about["corpora"], about["revision"]) == ({}, [], None)
    assert model_card(copied) is None
    alone = deepemo.Recognizer.load(copied, "shallow")
    assert (alone.gate, alone.limits) == (DEFAULT_GATE, DEFAULT_LIMITS)
    (copied.parent / "metrics").mkdir()
    (copied.parent / "metrics" / "gate.json").write_text("{}")
    with pytest.raises(InputError, match=r"gate\.json: expected decision"):
        deepemo.Recognizer.load(copied, "shallow")
    (copied.parent / "metrics" / "gate.json").unlink()
    for lock, says in (("stages: [", "not YAML"), (LOCK.replace("-60.0", "loud"), "expected min_seconds")):
        (copied.parent / "dvc.lock").write_text(lock)
        with pytest.raises(InputError, match=rf"dvc\.lock: {says}"):
            deepemo.Recognizer.load(copied, "shallow")


def test_the_default_gate_and_limits_are_those_of_the_default_params():
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    gate = params.gate
    assert (
        VoiceGate(threshold=gate.voice_threshold, min_share=gate.min_voice_share, min_seconds=gate.min_voice_seconds)
        == DEFAULT_GATE
    )
    validated = params.validate_
    assert ClipLimits(validated.min_seconds, validated.silent_below_dbfs) == DEFAULT_LIMITS
