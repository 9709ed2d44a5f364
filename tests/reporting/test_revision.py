"""The revision of the code, in checkouts made for the test."""

import subprocess
from pathlib import Path

import pytest

from deepemo.reporting.revision import git_revision, package_versions


def _git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    return subprocess.run(
        ["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "code")
    return tmp_path


def test_names_the_commit_of_the_code_and_not_of_results(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    assert git_revision(checkout, ["code"]) == commit
    (checkout / "report.md").write_text(commit)
    _git(checkout, "add", ".")
    _git(checkout, "commit", "-qm", "results")
    assert git_revision(checkout, ["code"]) == commit
    assert _git(checkout, "rev-parse", "HEAD") != commit


def test_names_what_is_not_as_it_was_committed(checkout: Path) -> None:
    (checkout / "code" / "a.py").write_text("2\n")
    assert git_revision(checkout, ["code"]).endswith(" with uncommitted changes in code/a.py")
    for name in "bcdef":
        (checkout / "code" / f"{name}.py").write_text("3\n")
    _git(checkout, "add", ".")
    named = "code/a.py, code/b.py, code/c.py, 3 more"
    assert git_revision(checkout, ["code"]).endswith(f" with uncommitted changes in {named}")


def test_says_when_there_is_nothing_to_name(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert git_revision(checkout, ["other"]) == "unknown: nothing of it is committed"
    assert git_revision(tmp_path_factory.mktemp("bare"), ["code"]) == "unknown: not a git checkout"


def test_versions_are_those_installed() -> None:
    import numpy as np

    assert package_versions(["numpy"]) == {"numpy": np.__version__}
