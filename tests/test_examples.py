"""The examples in docstrings give the printed results."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import deepemo

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(deepemo.__path__, "deepemo.")
    if not module.name.endswith("__main__")
)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.slow
def test_the_example_of_the_recognizer_holds_in_the_folder_of_a_run(
    made_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").symlink_to(made_models)
    soundfile.write(tmp_path / "silence.wav", np.zeros(16000, np.float32), 16000)
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(deepemo)
    assert (failed, tried) == (0, 4)


def test_every_package_has_examples() -> None:
    finder = doctest.DocTestFinder()
    with_examples = {
        name.split(".")[1]
        for name in MODULES
        if any(test.examples for test in finder.find(importlib.import_module(name)))
    }
    packages = {name.split(".")[1] for name in MODULES if name.count(".") > 1}
    assert packages == with_examples & packages
