"""dvc.yaml names exactly the modules that each stage imports, and its sections of params."""

import ast
from pathlib import Path

import pytest

from deepemo.yaml12 import read_yaml

ROOT = Path(__file__).parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
# Found by the registry at run time, not by an import statement: a dep as a folder.
FOLDERS = {"deepemo/corpora/registry.py": "deepemo/corpora/catalogue"}
# Holds no behaviour: its values are tracked as params, section by section.
SCHEMA = {"deepemo/params.py"}
# Docstrings alone, or names that only the schema reads.
EMPTY = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("deepemo/**/__init__.py")}


def imported(path: Path) -> set[str]:
    """Project files that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = Path(*name.split(".")).with_suffix(".py")
            if name.split(".")[0] in ("deepemo", "stages") and (ROOT / file).is_file():
                found.add(file.as_posix())
    return found


def closure(start: str) -> set[str]:
    """Everything that a stage imports, directly or not; folders for what is found at run time."""
    todo, seen = [start, f"{Path(start).parent}/__init__.py"], set()
    while todo:
        file = todo.pop()
        if file in seen or file in SCHEMA:
            continue
        seen.add(file)
        if file in FOLDERS:
            seen.add(FOLDERS[file])
            todo += [path.relative_to(ROOT).as_posix() for path in (ROOT / FOLDERS[file]).glob("*.py")]
        todo += imported(ROOT / file)
    return {file for file in seen - EMPTY if not any(file.startswith(f"{folder}/") for folder in FOLDERS.values())}


def flat(entries: list[str | dict[str, object]]) -> set[str]:
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_what_the_stage_imports(name: str) -> None:
    code = {dep for dep in STAGES[name]["deps"] if dep.startswith(("stages/", "deepemo/"))}
    assert code == closure(f"stages/{name}.py")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_described_and_run_as_a_module(name: str) -> None:
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"
    assert len(STAGES[name]["desc"]) > 20


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_tracks_its_own_section_and_nothing_wider(name: str) -> None:
    assert set(STAGES[name].get("params", [])) <= {name, "seed"}


def test_every_data_dep_is_made_by_a_stage() -> None:
    made = {
        out for stage in STAGES.values() for kind in ("outs", "metrics", "plots") for out in flat(stage.get(kind, []))
    }
    needed = {dep for stage in STAGES.values() for dep in stage["deps"] if not dep.startswith(("stages/", "deepemo/"))}
    assert needed <= made
