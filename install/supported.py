"""Write install/supported.json: the machines on which every package of requirements.lock can be installed from wheels.

`make lock` runs it. requirements.lock holds hashes and no file names, so the names come from a pylock.toml (PEP 751)
that uv writes for the same pins; only files whose hash requirements.lock holds are counted.
"""

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TARGET = ROOT / "install" / "supported.json"
PYTHONS = ("3.11", "3.12")
# The names that `platform.system()` and `platform.machine()` give; musl is Linux without glibc.
MACHINES = ("Linux x86_64", "Linux aarch64", "Linux-musl x86_64", "Darwin arm64", "Darwin x86_64", "Windows AMD64")
SYS_PLATFORM = {"Linux": "linux", "Linux-musl": "linux", "Darwin": "darwin", "Windows": "win32"}
# glibc 2.17 is that of manylinux2014; macOS 11 the first on Apple's processors.
GLIBC_MINORS = range(17, 51)
MUSL_MINORS = range(1, 6)
MACOS_MAJORS = range(11, 31)


def releases(machine: str) -> Iterator[tuple[str | None, list[str]]]:
    """Each release of a machine's C library or system, the oldest first, with the platform tags that it takes."""
    system, processor = machine.split()
    if system == "Linux":
        tags = [f"linux_{processor}"]
        for older, minors in (("manylinux1", range(6)), ("manylinux2010", range(13)), ("manylinux2014", range(18))):
            tags += [f"{older}_{processor}", *(f"manylinux_2_{minor}_{processor}" for minor in minors)]
        for minor in GLIBC_MINORS:
            tags.append(f"manylinux_2_{minor}_{processor}")
            yield f"2.{minor}", list(tags)
    elif system == "Linux-musl":
        for minor in MUSL_MINORS:
            yield f"1.{minor}", [f"musllinux_1_{older}_{processor}" for older in range(minor + 1)]
    elif system == "Darwin":
        for major in MACOS_MAJORS:
            yield str(major), list(mac_platforms((major, 0), processor))
    else:
        yield None, [f"win_{processor.lower()}"]


def accepted(python: str, platforms: list[str]) -> set[Tag]:
    """All tags of wheels that a CPython takes on a machine of these platform tags."""
    version = tuple(int(part) for part in python.split("."))
    interpreter = f"cp{python.replace('.', '')}"
    return {*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)}


def environment(python: str, machine: str) -> dict[str, str]:
    """The values of PEP 508's environment markers."""
    system, processor = machine.split()
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "nt" if system == "Windows" else "posix",
        "platform_machine": processor,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": system.removesuffix("-musl"),
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": SYS_PLATFORM[system],
    }


def locked_wheels(
    pylock: Mapping[str, Any], hashes: set[str]
) -> Iterator[tuple[str, Marker | None, list[frozenset[Tag]]]]:
    """Each package's name, marker, and the tags of each of its locked wheels."""
    for package in pylock["packages"]:
        names = [
            wheel.get("name") or wheel["url"].rsplit("/", 1)[-1].replace("%2B", "+")
            for wheel in package.get("wheels", [])
            if wheel["hashes"]["sha256"] in hashes
        ]
        marker = Marker(package["marker"]) if "marker" in package else None
        yield package["name"], marker, [parse_wheel_filename(name)[3] for name in names]


def oldest(
    packages: Iterable[tuple[str, Marker | None, list[frozenset[Tag]]]], python: str, machine: str
) -> dict[str, Any]:
    """What `packages`, as `locked_wheels` gives them, need of one machine.

    Returns:
        either `since`, the oldest glibc, musl or macOS for which every package that has wheels has one, or `lacking`,
        the packages that have none for any.
    """
    asked = environment(python, machine)
    wanted = [(name, wheels) for name, marker, wheels in packages if marker is None or marker.evaluate(asked)]
    lacking: list[str] = []
    for release, platforms in releases(machine):
        tags = accepted(python, platforms)
        lacking = [name for name, wheels in wanted if wheels and not any(tags & wheel for wheel in wheels)]
        if not lacking:
            return {"since": release}
    return {"lacking": lacking}


def supported(pylock: Mapping[str, Any], lock: bytes) -> dict[str, Any]:
    """What install/supported.json holds.

    Returns:
        `lock`: the SHA-256 of requirements.lock; `from_source`: packages that have no wheel at all and are built on
        every machine; `machines`: for each Python and machine what `oldest` says of every other package.
    """
    packages = list(locked_wheels(pylock, set(re.findall(r"--hash=sha256:(\w+)", lock.decode()))))
    return {
        "lock": hashlib.sha256(lock).hexdigest(),
        "from_source": [name for name, _, wheels in packages if not wheels],
        "machines": {
            python: {machine: oldest(packages, python, machine) for machine in MACHINES} for python in PYTHONS
        },
    }


if __name__ == "__main__":
    content = supported(tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), LOCK.read_bytes())
    TARGET.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
