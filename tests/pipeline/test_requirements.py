"""requirements.lock installs the same packages under every Python that the project allows, and a resolver picks none.

The requirements of a package are read from its installed metadata. Packages that are locked only for other machines
(pywin32) are not installed, so their requirements cannot be read; a test lists these packages.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from install.supported import PYTHONS, environment

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [Requirement(one) for one in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())]
LOCKED = {
    canonicalize_name(requirement.name): requirement
    for requirement in map(Requirement, re.findall(r"^(\S+==[^\\\n]+)", LOCK, flags=re.MULTILINE))
}
SUPPORTED = json.loads((ROOT / "install" / "supported.json").read_text())
PLACES = [
    (python, machine)
    for python, machines in SUPPORTED["machines"].items()
    for machine, verdict in machines.items()
    if "since" in verdict
]


def version(requirement: Requirement) -> str:
    """The one version that a line of the lock allows."""
    (pin,) = requirement.specifier
    return pin.version


def closure_problems(asked: list[Requirement], locked: dict[str, Requirement], place: dict[str, str]) -> Iterator[str]:
    """Requirements that the lock does not meet, followed from the project's own requirements.

    Args:
        asked: the project's requirements.
        locked: the lock's lines, by package.
        place: values of the environment markers.
    """
    todo = [("pyproject.toml", requirement) for requirement in asked]
    seen = set()
    while todo:
        asker, requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        found = locked.get(name)
        if found is None or (found.marker and not found.marker.evaluate(place)):
            yield f"{asker} asks for {requirement}, which is not locked"
            continue
        if not requirement.specifier.contains(version(found), prereleases=True):
            yield f"{asker} asks for {requirement}, and {version(found)} is locked"
        for extra in ["", *requirement.extras]:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for line in distribution(name).requires or []:
                further = Requirement(line)
                if further.marker is None or further.marker.evaluate({**place, "extra": extra}):
                    todo.append((f"{name}[{extra}]" if extra else name, further))


def test_one_version_of_each_package():
    pins = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*])?==", LOCK, flags=re.MULTILINE)
    assert [name for name, times in Counter(pins).items() if times > 1] == []
    assert len(LOCKED) == len(pins) > 100


def test_no_address_and_no_package_without_a_hash():
    assert "://" not in LOCK
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)[1:])


def test_the_environment_is_that_of_the_lock():
    wanted = {name: version(line) for name, line in LOCKED.items() if not line.marker or line.marker.evaluate()}
    assert {name: distribution(name).version for name in wanted} == wanted


def test_only_what_other_systems_need_is_not_here():
    absent = []
    for name in LOCKED:
        try:
            distribution(name)
        except PackageNotFoundError:
            absent.append(name)
    of_older_pythons = {"importlib-metadata", "lazy-importer", "zipp"} if sys.version_info >= (3, 12) else set()
    assert set(absent) <= {"pywin32"} | of_older_pythons


@pytest.mark.slow
@pytest.mark.parametrize(("python", "machine"), PLACES)
def test_the_lock_is_closed(python: str, machine: str):
    if tuple(map(int, python.split("."))) < sys.version_info[:2]:
        pytest.skip(f"what Python {python} alone needs is not installed here, so its requirements cannot be read")
    assert list(closure_problems(ASKED, LOCKED, environment(python, machine))) == []


@pytest.mark.parametrize("name", ["numpy", "protobuf", "execnet", "typing-extensions"])
def test_a_package_that_is_missing_or_too_old_is_found_out(name: str):
    place = environment("3.11", "Linux x86_64")
    without = {key: line for key, line in LOCKED.items() if key != name}
    assert any("which is not locked" in problem for problem in closure_problems(ASKED, without, place))
    aged = LOCKED | {name: Requirement(f"{name}==0.0.1")}
    assert any("and 0.0.1 is locked" in problem for problem in closure_problems(ASKED, aged, place))
    elsewhere = LOCKED | {name: Requirement(f"{name}=={version(LOCKED[name])} ; sys_platform == 'win32'")}
    assert any("which is not locked" in problem for problem in closure_problems(ASKED, elsewhere, place))


def test_an_extra_that_a_requirement_asks_for_is_followed():
    place = environment("3.11", "Linux x86_64")
    assert not list(closure_problems([Requirement("fastapi")], LOCKED, place))
    missing = list(closure_problems([Requirement("fastapi[all]")], LOCKED, place))
    assert any(problem.startswith("fastapi[all] asks for ") for problem in missing)


def test_the_pythons_are_those_of_the_project():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(8, 20) if f"3.{minor}.0" in allowed] == list(PYTHONS)
    assert list(SUPPORTED["machines"]) == list(PYTHONS)


def test_the_list_of_machines_is_that_of_the_lock():
    assert SUPPORTED["lock"] == hashlib.sha256(LOCK.encode()).hexdigest(), "run `make lock`"


def recipe(*options: str) -> list[str]:
    """The commands that make runs to make the environment."""
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", *options, ".venv/ready"]
    # If make runs these tests, its environment is not part of the recipe.
    outside = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "WITH_PIP")}
    shown = subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True).stdout
    return shown.replace("\\\n", " ").splitlines()


@pytest.mark.slow
def test_a_resolver_is_left_nothing_to_choose():
    installs = [line for line in recipe() if "pip install" in line]
    assert all("--no-deps" in line for line in installs)
    # Packages come from registries and are checked by hash, or are not downloaded at all.
    assert all(("--require-hashes" in line) != ("--no-index" in line) for line in installs)
    assert sum("-r requirements.lock" in line for line in installs) == 1
    # pip builds with the newest setuptools, unless it is told to use the installed one.
    first, *others = installs
    picked = subprocess.run(
        first.split("|")[0], shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^(\S+)==", picked, flags=re.MULTILINE) == ["setuptools", "wheel"]
    assert picked.count("--hash=sha256:") >= 2
    assert not picked.endswith("\\\n")
    assert all("--no-build-isolation" in line for line in others)
    (another_pip,) = [line for line in recipe("WITH_PIP=22.3") if "pip install" in line and line not in installs]
    assert another_pip.endswith(" pip==22.3")


@pytest.mark.slow
def test_the_environment_is_checked_before_it_counts_as_made():
    lines = recipe()
    order = [
        "rm -f .venv/ready",
        "venv --clear .venv",
        "-r requirements.lock",
        "--editable .",
        "pip --disable-pip-version",
    ]
    places = [next(place for place, line in enumerate(lines) if part in line) for part in order]
    assert places == sorted(places)
    assert "check.py machine" in "".join(lines[: places[0]])
    assert "check.py installed" in "".join(lines[places[-1] :])
    assert lines[-1] == "touch .venv/ready"
