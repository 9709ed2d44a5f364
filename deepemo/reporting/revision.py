"""The revision of the code and the versions of the packages of a run."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

# These paths determine the results of a run. Results and documents are left out, so committing them changes no
# revision.
CODE = ("deepemo", "stages", "params.yaml", "dvc.yaml", "requirements.lock")
MAX_NAMED = 3
PACKAGES = (
    "tensorflow", "tensorflow-io", "keras", "numpy", "scipy", "pandas", "scikit-learn", "soundfile", "soxr", "dvc",
)  # fmt: skip


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def git_revision(root: Path, paths: Iterable[str] = CODE) -> str:
    """The last commit that changed any of the paths, and which of their files have uncommitted changes.

    The newest commit is not used: the report would then change with every commit, even with the commit of the report.

    Args:
        root: folder of the checkout.
        paths: files and folders in it.

    Returns:
        The hash of the commit, followed by the names of changed files if there are any; or `unknown` with the reason.
    """
    paths = tuple(paths)
    try:
        commit = _git(root, "log", "-1", "--format=%H", "--", *paths)
        changed = _git(root, "status", "--porcelain", "--", *paths)
    except FileNotFoundError:
        return "unknown: git is not installed"
    except subprocess.CalledProcessError:
        return "unknown: not a git checkout"
    if not commit:
        return "unknown: nothing of it is committed"
    files = [line.split(maxsplit=1)[1] for line in changed.splitlines()]
    more = [f"{len(files) - MAX_NAMED} more"] if len(files) > MAX_NAMED else []
    return f"{commit} with uncommitted changes in {', '.join(files[:MAX_NAMED] + more)}" if files else commit


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of installed packages, by name.

    Python's version is left out, so that a report has the same bytes with every Python that the packages are locked
    for.
    """
    return {package: version(package) for package in packages}
