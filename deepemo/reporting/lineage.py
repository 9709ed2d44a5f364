"""What a report was made with: the revision of the code, and the packages."""

import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

# What decides what a run gives; results and documents are left out, so that committing them changes no revision.
CODE = ("deepemo", "stages", "params.yaml", "dvc.yaml", "requirements.lock")
MOST_NAMED = 3
PACKAGES = (
    "tensorflow", "tensorflow-io", "keras", "numpy", "scipy", "pandas", "scikit-learn", "soundfile", "soxr", "dvc",
)  # fmt: skip


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def git_revision(root: Path, paths: Iterable[str] = CODE) -> str:
    """The last commit that changed any of the paths, and which of them hold more than is committed.

    A report that named the newest commit would change with the commit that stores it; this one stays what it is until
    the code changes.

    Args:
        root: folder of the checkout.
        paths: files and folders in it.

    Returns:
        A commit's hash, or words that say why there is none.
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
    more = [f"{len(files) - MOST_NAMED} more"] if len(files) > MOST_NAMED else []
    return f"{commit} with uncommitted changes in {', '.join(files[:MOST_NAMED] + more)}" if files else commit


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of installed packages, by name.

    Python's is left out: a report is the same bytes by each that the packages are locked for.
    """
    return {package: version(package) for package in packages}
