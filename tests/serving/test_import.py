"""A recognizer and its command need only the core dependencies."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from setuptools import find_packages

from tests.fixtures.alone import CORE, EXTRAS, MODULES

ROOT = Path(__file__).parents[2]
COMMAND = "from deepemo.serving.cli import app; app()"


def imported_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


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
def test_a_server_needs_its_own_extra_alone(
    alone: Callable[..., subprocess.CompletedProcess[str]], made_models: Path
) -> None:
    serve = """
import sys
from pathlib import Path

from deepemo.http.served import Served
from deepemo.http.server import Settings

app = Served.find(Path(sys.argv[1]), None, None, Settings()).load()
print("/v1/recognitions" in app.openapi()["paths"])
"""
    run = alone(serve, made_models, having="serve")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "True"


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
