"""A recognizer and its command need only the core dependencies."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import find_packages

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
EXTRAS = {
    name: {canonicalize_name(Requirement(line).name) for line in lines}
    for name, lines in PROJECT["optional-dependencies"].items()
}
# TensorFlow and Keras need these themselves.
BROUGHT_BY_TENSORFLOW = {"flatbuffers", "packaging", "requests"}
MODULES = {
    module
    for module, distributions in packages_distributions().items()
    for distribution in distributions
    if canonicalize_name(distribution) in set().union(*EXTRAS.values()) - CORE - BROUGHT_BY_TENSORFLOW
}
BLOCKED = """
import runpy
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked", name=name)

blocked = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Block())
exec(sys.argv.pop(1))
"""
COMMAND = "from deepemo.serving.cli import app; app()"


def imported_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.fixture
def alone(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in a process that cannot import any package of an extra."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", BLOCKED, ",".join(sorted(MODULES)), code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)

    return run


def test_importing_the_package_imports_nothing_heavy() -> None:
    assert not imported_after("import deepemo") & {
        "numpy",
        "pandas",
        "pydantic",
        "scipy",
        "av",
        "fastapi",
        "tensorflow",
    }


@pytest.mark.slow
def test_the_command_line_starts_without_tensorflow() -> None:
    assert not imported_after("import deepemo.serving.cli") & {"tensorflow", "keras", "pandas", "scipy"}


def test_the_recognizer_is_there_by_its_short_name() -> None:
    loaded = imported_after("from deepemo import Recognizer")
    assert "deepemo.serving.recognizer" in loaded
    assert "tensorflow" not in loaded


def test_params_of_all_families_are_read_without_tensorflow() -> None:
    statement = "from deepemo.pipeline import load_params; load_params('params.yaml')"
    assert not imported_after(statement) & {"tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib"}


def test_nothing_but_the_package_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = find_packages(str(ROOT), **project["tool"]["setuptools"]["packages"]["find"])
    assert "deepemo.serving" in found
    assert {name.partition(".")[0] for name in found} == {"deepemo"}


def test_packages_of_extras_are_found_and_are_not_of_the_core() -> None:
    assert {"dvc", "matplotlib", "pandas", "sklearn", "scipy", "PIL", "fastapi", "uvicorn", "onnx", "pytest"} <= MODULES
    assert not CORE & set().union(*EXTRAS.values())


@pytest.mark.slow
def test_a_recognizer_of_every_family_needs_the_core_alone(
    alone: Callable[..., subprocess.CompletedProcess[str]], made_models: Path
) -> None:
    recognize = """
import numpy as np
import deepemo
from deepemo.models.imagenet.network import build_transfer

build_transfer(
    frames=40, bands=32, backbone="efficientnet_lite0", weights="random", band_pooling=1, depths=[0.1],
    hidden_units=0, dropout=0.0, classes=7,
)
recognizer = deepemo.Recognizer.load(sys.argv[1])
recognizer.warm_up()
print(recognizer.recognize(0.1 * np.sin(np.arange(32000, dtype=np.float32)), 16000).reason)
"""
    run = alone(recognize, made_models)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "no_voice"


@pytest.mark.slow
def test_predict_needs_the_core_alone(
    alone: Callable[..., subprocess.CompletedProcess[str]],
    made_models: Path,
    tmp_path: Path,
    wav: Callable[..., bytes],
    speech: np.ndarray,
) -> None:
    (tmp_path / "a.wav").write_bytes(wav(speech))
    run = alone(COMMAND, "predict", tmp_path / "a.wav", "--models", made_models, "--min-confidence", "0")
    assert run.returncode == 0, run.stderr
    assert "a.wav" in run.stdout.splitlines()[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["-c", COMMAND, "serve", "--port", "0"], "serve"),
        (["-m", "stages.download"], "pipeline"),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    alone: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str], extra: str
) -> None:
    option, what, *further = arguments
    code = what if option == "-c" else f"runpy.run_module({what!r}, run_name='__main__')"
    run = alone(code, *further)
    assert run.returncode != 0
    [line] = run.stderr.splitlines()
    assert re.fullmatch(rf"error: \S+ cannot be imported \(.+\); the extra deepemo\[{extra}\] brings it", line)


@pytest.mark.slow
def test_corpora_are_listed_with_the_core_alone(alone: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    run = alone(COMMAND, "corpora")
    assert run.returncode == 0, run.stderr
    assert "ravdess" in run.stdout
