"""Say whether requirements.lock can be installed on this machine, and whether it was.

The Makefile runs `check.py machine` before anything is installed, so it needs only the standard library, and any Python
from 3.6 on can run it. It runs `check.py installed` in the new environment.
"""

import json
import os
import platform
import re
import struct
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
SUPPORTED = ROOT / "install" / "supported.json"
# What an environment has beyond the lock.
OURS = {"pip", "deepemo"}
SYSTEM_NAMES = {"Darwin": "macOS", "Linux-musl": "Linux (musl)"}


class Machine(NamedTuple):
    """A Python and what it runs on.

    Attributes:
        implementation: of Python, such as CPython.
        python: its version as in supported.json, such as 3.11.
        system: as in supported.json, such as Linux.
        processor: as in supported.json, such as x86_64.
        release: of glibc or macOS; None where there is none, or it is not known.
    """

    implementation: str
    python: str
    system: str
    processor: str
    release: "str | None"


def this_machine() -> Machine:
    """The Python that runs this, and what it runs on."""
    system, processor, release = platform.system(), platform.machine(), None
    if system == "Linux":
        try:
            library = os.confstr("CS_GNU_LIBC_VERSION") or ""
        except ValueError:
            library = ""
        if library.startswith("glibc "):
            release = library.split()[1]
        else:
            system = "Linux-musl"
    elif system == "Darwin":
        release = platform.mac_ver()[0]
    if struct.calcsize("P") != 8:
        processor += " (32 bit)"
    python = "{}.{}".format(*sys.version_info[:2])
    return Machine(platform.python_implementation(), python, system, processor, release)


def numbers(release: str) -> list:
    """A release as numbers that compare: 2.9 is before 2.28."""
    return [int(part) for part in re.findall(r"\d+", release)]


def described(system: str, processor: str, release: "str | None", suffix: str = "") -> str:
    """A machine in words, such as "Linux x86_64 with glibc 2.28"."""
    if system == "Darwin":
        return f"macOS {release or ''}{suffix} {processor}"
    if system == "Linux" and release:
        return f"Linux {processor} with glibc {release}{suffix}"
    return f"{SYSTEM_NAMES.get(system, system)} {processor}"


def supported_machines(supported: dict, python: str) -> list:
    """The machines on which a Python can install the lock, in words."""
    places = []
    for name, verdict in supported["machines"][python].items():
        if "since" in verdict:
            system, processor = name.split()
            places.append(described(system, processor, verdict["since"], " or later"))
    return places


def machine_problem(machine: Machine, supported: dict) -> str:
    """Why the lock cannot be installed on a machine, in one line; empty where it can.

    Args:
        machine: what there is.
        supported: content of supported.json.
    """
    pythons = supported["machines"]
    if machine.implementation != "CPython" or machine.python not in pythons:
        return (
            f"DeepEmo needs CPython {' or '.join(pythons)}, found {machine.implementation} {machine.python}; "
            "name another with: make PYTHON=/path/to/python3.11"
        )
    verdict = pythons[machine.python].get(f"{machine.system} {machine.processor}", {})
    if "since" in verdict and numbers(machine.release or "") >= numbers(verdict["since"] or ""):
        return ""
    places = ", ".join(supported_machines(supported, machine.python))
    found = described(machine.system, machine.processor, machine.release)
    lacking = f", for which there is no wheel of {', '.join(verdict['lacking'])}" if "lacking" in verdict else ""
    return f"requirements.lock can be installed on {places}; found {found}{lacking}"


def locked(text: str) -> dict:
    """The version of each package that requirements.lock holds for this Python and machine.

    Args:
        text: content of requirements.lock.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found = {}
    for entry in re.findall(r"^(\S+==[^\\\n]+)", text, flags=re.MULTILINE):
        requirement = Requirement(entry)
        if requirement.marker is None or requirement.marker.evaluate():
            found[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    return found


def installed() -> dict:
    """The version of each package of the environment that runs this."""
    from importlib.metadata import distributions

    from packaging.utils import canonicalize_name

    return {canonicalize_name(found.metadata["Name"]): found.version for found in distributions()}


def difference(wanted: dict, found: dict) -> list:
    """How what is installed differs from the lock, a line a package.

    Args:
        wanted: versions of the lock, by package.
        found: versions of the environment, by package.
    """
    from packaging.version import Version

    lines = []
    for name in sorted({*wanted, *found} - OURS):
        if name not in found:
            lines.append(f"{name}: {wanted[name]} is locked and not installed")
        elif name not in wanted:
            lines.append(f"{name}: {found[name]} is installed and not locked")
        elif Version(wanted[name]) != Version(found[name]):
            lines.append(f"{name}: {wanted[name]} is locked and {found[name]} installed")
    return lines


def main(what: str) -> int:
    """Run one check; prints what is wrong and returns the exit status."""
    if what == "machine":
        problem = machine_problem(this_machine(), json.loads(SUPPORTED.read_text(encoding="utf-8")))
        lines = [problem] if problem else []
    else:
        lines = difference(locked(LOCK.read_text(encoding="utf-8")), installed())
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
