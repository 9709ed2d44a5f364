"""The container file: its Python, what it installs, its user, and that its server is found healthy.

No container is built here. The tests check only what can be read from the file.
"""

import json
import re
import shlex
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from deepemo.serving.cli import app as command_line
from install.cut import TARGET, serving_lock

ROOT = Path(__file__).parents[2]
# The C libraries of Debian's releases.
GLIBC = {"bookworm": "2.36", "trixie": "2.41"}
IMAGE = re.compile(r"docker\.io/library/python:(?P<python>3\.\d+)-slim-(?P<debian>\w+)( AS \w+)?")
TEXT = (ROOT / "container" / "Containerfile").read_text()
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    if line.strip()
]


def arguments(name: str) -> list[str]:
    """The arguments of all instructions of a name."""
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


def installs() -> list[list[str]]:
    """The words of each `pip install`."""
    parts = [part for run in arguments("RUN") for part in run.split("&&")]
    return [words for words in map(shlex.split, parts) if "install" in words]


def entry() -> list[str]:
    (found,) = arguments("ENTRYPOINT")
    return json.loads(found)


@pytest.mark.parametrize("image", arguments("FROM"))
def test_every_stage_has_a_python_and_a_c_library_for_which_the_lock_has_wheels(image: str) -> None:
    found = IMAGE.fullmatch(image)
    assert found is not None, image
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert Version(found["python"]) in SpecifierSet(project["requires-python"])
    machines = json.loads((ROOT / "install" / "supported.json").read_text())["machines"][found["python"]]
    for machine in ("Linux x86_64", "Linux aarch64"):
        assert Version(machines[machine]["since"]) <= Version(GLIBC[found["debian"]])


def test_packages_come_from_the_lock_alone_and_no_resolver_picks_any() -> None:
    locked, own = installs()
    assert {"--no-deps", "--require-hashes"} < set(locked)
    assert locked[locked.index("-r") + 1 :] == ["container/serving.lock"]
    assert {"--no-deps", "--no-index", "--no-build-isolation"} < set(own)
    assert own[-1] == "."


def test_the_lock_of_the_container_is_what_serving_needs_of_the_lock() -> None:
    assert TARGET.read_text() == serving_lock(), "run: make container/serving.lock"


def test_what_is_copied_exists_and_a_build_sees_it() -> None:
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for rest in arguments("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert sorted(copied) == sorted(seen)
    for source in copied:
        assert (ROOT / source).exists(), source


def test_the_server_does_not_run_as_root_and_leaves_room_for_models_alone() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    (user,) = arguments("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    assert len(names) - 1 - names[::-1].index("FROM") < names.index("USER") < names.index("ENTRYPOINT")
    (volume,) = map(json.loads, arguments("VOLUME"))
    assert volume == [entry()[entry().index("--models") + 1]]


def test_the_server_takes_its_arguments_and_its_health_is_asked_at_a_name_that_it_answers_to() -> None:
    assert entry()[:2] == ["deepemo", "serve"]
    serve = typer.main.get_command(command_line).commands["serve"]  # type: ignore[attr-defined]
    given = serve.make_context("serve", [*entry()[2:], "--workers", "2", "--allow-host", "voice.example"]).params
    assert given["host"] == "0.0.0.0"
    (check,) = arguments("HEALTHCHECK")
    found = re.search(r"urlopen\('(\S+)',", check)
    assert found is not None
    address = urlsplit(found[1])
    assert address.path == "/healthz"
    assert address.hostname in given["hosts"]
    assert [str(address.port)] == [str(given["port"])] == arguments("EXPOSE")
