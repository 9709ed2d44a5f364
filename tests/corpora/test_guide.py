"""The guide to adding a corpus: its module and its test, exactly as printed, pass the tests that it names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = """
from deepemo.corpora import catalogue

catalogue.__path__.append({folder!r})
"""


@pytest.mark.slow
def test_the_module_and_the_test_of_the_guide_work_as_they_stand(tmp_path: Path) -> None:
    guide = (ROOT / "docs/adding-a-corpus.md").read_text(encoding="utf-8")
    module, test = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue/example.py").write_text(module, encoding="utf-8")
    (tmp_path / "test_example.py").write_text(test, encoding="utf-8")
    (tmp_path / "with_example.py").write_text(PLUGIN.format(folder=str(tmp_path / "catalogue")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "pytest", "-p", "with_example", "-p", "no:cacheprovider", "-k", "example"]
    style = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    linted = subprocess.run(
        [*style, str(tmp_path / "catalogue")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    answer = subprocess.run(
        [
            *command,
            "-m",
            "not corpora",
            str(ROOT / "tests/corpora/test_definition.py"),
            str(tmp_path / "test_example.py"),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    passed = re.search(r"(\d+) passed", answer.stdout)
    # The guide's own fourteen tests, and those of the contract for the guide's corpus.
    assert passed, answer.stdout
    assert int(passed[1]) > 20
