"""requirements.lock installs the same packages under every Python that the project allows."""

import re
import tomllib
from collections import Counter
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PINS = re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*])?==", LOCK, flags=re.MULTILINE)


def test_one_version_of_each_package():
    assert [name for name, times in Counter(PINS).items() if times > 1] == []


def test_no_address_and_no_package_without_a_hash():
    assert "://" not in LOCK
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)[1:])


def test_every_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = chain(project["dependencies"], *project["optional-dependencies"].values())
    wanted = {re.split(r"[<>=!~\[ ;]", one, maxsplit=1)[0].lower() for one in asked}
    assert wanted - set(PINS) == set()
