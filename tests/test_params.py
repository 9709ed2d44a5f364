"""The schema of params.yaml: the file in the repository fits it, and mistakes are named."""

import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from deepemo.errors import InputError
from deepemo.models.speech.family import EmbedSpeech
from deepemo.pipeline import load_params, recorded
from deepemo.yaml12 import read_yaml, write_yaml

ROOT = Path(__file__).parents[1]


def changed(tmp_path: Path, key: str, value: Any) -> Path:
    params = read_yaml(ROOT / "params.yaml")
    section = params
    *parents, last = key.split(".")
    for parent in parents:
        section = section[parent]
    section[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(write_yaml(params))
    return path


def test_the_repositorys_own_file_fits() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.download.corpora == ["synthetic"]
    assert params.download.source_dir is None


def test_the_record_of_the_real_corpora_has_todays_params_but_for_the_corpora() -> None:
    record = ROOT / "docs" / "results" / "four-corpora" / "params.yaml"
    ours, theirs = load_params(ROOT / "params.yaml").to_mapping(), load_params(record).to_mapping()
    for section, key in (("download", "corpora"), ("download", "source_dir"), ("gate", "non_speech_dir")):
        assert ours[section].pop(key) != theirs[section].pop(key)
    assert ours == theirs


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("featurize.sample_rate", 16000, "featurize.sample_rate: no such parameter"),
        ("featurize.sample_rate_hz", "16000", "featurize.sample_rate_hz: found '16000'"),
        ("featurize.hop_seconds", 0.5, "hop_seconds 0.5 must be at most window_seconds"),
        ("featurize.max_hz", 9000.0, "max_hz 9000.0 must be at most 8000, half of sample_rate_hz"),
        ("featurize.min_hz", 8000.0, "min_hz 8000.0 must be below max_hz"),
        ("featurize.window_seconds", 5.0, "window_seconds 5.0 must be at most clip_seconds"),
        ("featurize.kind", "mfcc", "featurize.kind: found 'mfcc'"),
        ("download.corpora", ["ravdes"], "download.corpora.0: found 'ravdes'; expected one of"),
        ("download.corpora", ["savee", "savee"], "corpora names one twice"),
        ("download.corpora", [], "download.corpora: found []"),
        ("embed.backbone", "vgg99", "embed.backbone: found 'vgg99'; expected one of"),
        ("validate.min_seconds", 30.0, "min_seconds 30.0 must be below max_seconds"),
        ("train_shallow.dropout", 1.0, "train_shallow.dropout: found 1.0"),
        ("train_shallow.augment.mixup", -0.1, "train_shallow.augment.mixup: found -0.1"),
        ("embed_speech_views.strength.min_snr_db", 40.0, "min_snr_db 40.0 must be at most max_snr_db 30.0"),
        (
            "embed_speech.encoder",
            "hubert",
            "embed_speech.encoder: found 'hubert'; expected one of ['moonshine_tiny', 'whisper_tiny_en'], several of ",
        ),
        (
            "embed_speech.encoder",
            "moonshine_tiny+moonshine_tiny",
            "found 'moonshine_tiny+moonshine_tiny'; expected one",
        ),
        ("embed_speech.encoder", "moonshine_tiny+hubert", "found 'moonshine_tiny+hubert'; expected one of"),
        ("embed_speech.encoder", "/my/hubert.onnx", "embed_speech.encoder: found '/my/hubert.onnx'; expected one of"),
        (
            "embed_speech.taps",
            ["stem", "layer9"],
            "taps: ['layer9'] are no outputs of moonshine_tiny+whisper_tiny_en, expected some of",
        ),
        ("embed_speech.taps", ["stem", "stem"], "taps names one twice"),
        ("embed_speech_views.views", -1, "embed_speech_views.views: found -1"),
        ("robustness.mp3_kbps", 17, "robustness.mp3_kbps: found 17"),
        ("seed", 1.5, "seed: found 1.5"),
        ("train_shallow.learning_rate", math.inf, "train_shallow.learning_rate: found inf; Input should be a finite"),
        ("train_shallow.learning_rate", math.nan, "train_shallow.learning_rate: found nan"),
        ("validate.max_seconds", math.inf, "validate.max_seconds: found inf"),
        ("emotions", ["angry", "joy"], "['joy'] are none of the seven, expected 2 or more of ['angry', 'disgust', "),
        ("emotions", ["sad"], "expected 2 or more of ['angry', 'disgust', "),
        ("emotions", [], "emotions: found []; expected 2 or more"),
        ("emotions", ["sad", "angry", "sad"], "emotions: found ['sad', 'angry', 'sad']; one is named twice"),
        ("emotions", "angry", "emotions: found 'angry'"),
        ("emotions", ["angry", 3], "emotions.1: found 3"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, key: str, value: Any, named: str) -> None:
    with pytest.raises(InputError) as error:
        load_params(changed(tmp_path, key, value))
    assert named in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    path = changed(tmp_path, "seed", 1)
    params = read_yaml(path)
    del params["featurize"]["kind"]
    path.write_text(write_yaml(params))
    with pytest.raises(InputError, match=r"featurize\.kind: missing"):
        load_params(path)


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    path = changed(tmp_path, "featurize.sample_rate", 1)
    params = read_yaml(path)
    params["split"]["test_share"] = 2.0
    path.write_text(write_yaml(params))
    with pytest.raises(InputError) as error:
        load_params(path)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("content", ["", "seed: [", "- a\n- b\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"params\.yaml"):
        load_params(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_params(tmp_path / "absent.yaml")


def test_emotions_have_their_own_order_in_the_run_and_in_its_record(tmp_path: Path) -> None:
    params = load_params(changed(tmp_path, "emotions", ["sad", "angry", "neutral"]))
    assert params.emotions == ("angry", "neutral", "sad")
    assert recorded(params)["emotions"] == ["angry", "neutral", "sad"]


def test_an_encoder_of_the_users_may_have_outputs_of_any_names(tmp_path: Path) -> None:
    content = read_yaml(ROOT / "params.yaml")
    content["embed_speech"] |= {"encoder": "encoders/mine.onnx", "taps": ["hidden3"]}
    (tmp_path / "params.yaml").write_text(write_yaml(content))
    params = load_params(tmp_path / "params.yaml")
    assert params.section("embed_speech", EmbedSpeech).onnx_file == Path("encoders/mine.onnx")
    assert recorded(params)["embed_speech"]["taps"] == ["hidden3"]


def test_values_cannot_be_changed_after_loading() -> None:
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 3  # type: ignore[misc]


def test_a_process_that_gets_the_params_has_the_same() -> None:
    params = load_params(ROOT / "params.yaml")
    changed = params.model_copy(update={"emotions": ("angry", "sad")})
    for sent in (params, changed):
        received = pickle.loads(pickle.dumps(sent))
        assert received.to_mapping() == sent.to_mapping()
        assert list(received.to_mapping()) == list(sent.to_mapping())
        assert received.section("embed_speech", EmbedSpeech) == sent.section("embed_speech", EmbedSpeech)


def test_the_mapping_is_what_the_file_holds_in_its_order() -> None:
    content = read_yaml(ROOT / "params.yaml")
    mapping = load_params(ROOT / "params.yaml").to_mapping()
    assert write_yaml(mapping) == write_yaml(content)


def test_the_record_names_no_folder_of_the_machine_and_nothing_that_changes_no_figure(tmp_path: Path) -> None:
    path = changed(tmp_path, "download.source_dir", "/somewhere/on/a/disk")
    content = read_yaml(path)
    content["gate"]["non_speech_dir"] = "/somewhere/without/speech"
    path.write_text(write_yaml(content))
    record = recorded(load_params(path))
    assert "/somewhere" not in write_yaml(record)
    assert set(content) - set(record) == {"eda", "robustness"}
    assert set(content["featurize"]) - set(record["featurize"]) == {"workers"}
    assert record["train_transfer"] == content["train_transfer"]
