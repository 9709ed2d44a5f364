"""Write container/serving.lock: the part of requirements.lock that `deepemo serve` needs on Linux.

`make container/serving.lock` runs it in the environment of that lock, whose packages say what each of them needs.
"""

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from install.supported import LOCK, PYTHONS, ROOT, environment

TARGET = ROOT / "container" / "serving.lock"
EXTRA = "serve"
MACHINES = ("Linux x86_64", "Linux aarch64")
_PACKAGE = re.compile(r"^([\w.-]+)==.*?[^\\]$", re.MULTILINE | re.DOTALL)


def needed(roots: Iterable[str], requirements_of: Callable[[str], list[str]]) -> set[str]:
    """Normalized names of all packages that some requirements need, themselves included.

    Args:
        roots: the requirements.
        requirements_of: what a package needs, by its name; markers are judged for every Python and machine.
    """
    environments = [environment(python, machine) for python in PYTHONS for machine in MACHINES]
    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(root), "") for root in roots]
    while waiting:
        requirement, extra = waiting.pop()
        asked = [{**one, "extra": extra} for one in environments]
        if requirement.marker is not None and not any(map(requirement.marker.evaluate, asked)):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(Requirement(further), wanted) for further in requirements_of(name)]
    return {name for name, _ in found}


def cut(lock: str, names: set[str]) -> str:
    """The entries of these packages, as they stand in the lock.

    Raises:
        ValueError: one of them has no entry.
    """
    entries = {canonicalize_name(entry[1]): entry[0] for entry in _PACKAGE.finditer(lock)}
    if missing := names - set(entries):
        raise ValueError(f"requirements.lock: found no entry of {sorted(missing)}, expected one for each")
    return "".join(f"{entries[name]}\n" for name in entries if name in names)


def installed_requirements(name: str) -> list[str]:
    """What an installed package needs."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        sys.exit(f"error: {name} is not installed; run this in the environment of requirements.lock: make test-fast")


def serving_lock(pyproject: Path = ROOT / "pyproject.toml", lock: Path = LOCK) -> str:
    """What container/serving.lock holds."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    roots = [*project["dependencies"], *project["optional-dependencies"][EXTRA]]
    return cut(lock.read_text(encoding="utf-8"), needed(roots, installed_requirements))


if __name__ == "__main__":
    TARGET.write_text(serving_lock(), encoding="utf-8")
