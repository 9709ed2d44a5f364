import subprocess
import sys


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
