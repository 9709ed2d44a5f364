"""The house is as docs/architecture.md says: imports run downwards, and no module is too long to read in one go."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/architecture.md").read_text()
# The packages from the top down, as the table of the page lists them; the last row is for `deepemo/*.py`.
PACKAGES = re.findall(r"^\| `([^`]+?)/?` \|", PAGE, flags=re.MULTILINE)
MODULES = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("deepemo", "stages") for path in (ROOT / folder).rglob("*.py")
)
# Exceptions that the page names, and the doors of the package, which lead to what it is for.
UPWARDS = {
    ("deepemo/serving/cli.py", "deepemo/http"),
    ("deepemo/pipeline.py", "deepemo/corpora"),
    ("deepemo/pipeline.py", "deepemo/models"),
    ("deepemo/__init__.py", "deepemo/serving"),
    ("deepemo/__main__.py", "deepemo/serving"),
}
MOST_LINES = 350


def package_of(module: str) -> str:
    parts = module.split("/")
    return "deepemo/*.py" if parts[0] == "deepemo" and len(parts) == 2 else "/".join(parts[: len(parts) - 1][:2])


def imports(module: str) -> Iterator[str]:
    """Project modules that a module imports, those inside functions and those for type checkers too."""
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (found for name in names if (found := f"{name.replace('.', '/')}.py") in MODULES)


def upwards(module: str) -> set[tuple[str, str]]:
    """Packages above a module's own from which it imports."""
    own = PACKAGES.index(package_of(module))
    return {(module, package) for package in map(package_of, imports(module)) if PACKAGES.index(package) < own}


def test_the_page_lists_every_package() -> None:
    assert set(map(package_of, MODULES)) == set(PACKAGES)
    assert len(PACKAGES) == len(set(PACKAGES))


def test_imports_run_downwards() -> None:
    assert set().union(*map(upwards, MODULES)) == UPWARDS


@pytest.mark.parametrize("folder", ["deepemo", "stages", "benchmarks", "install"])
def test_no_module_is_longer_than_a_reader_takes_in(folder: str) -> None:
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lines
    assert {str(path): count for path, count in lines.items() if count > MOST_LINES} == {}
