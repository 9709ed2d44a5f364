"""Before anything is installed, one line says whether the lock can be installed on a machine."""

import ast
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from install.check import Machine, difference, locked, machine_problem, supported_machines, this_machine

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "install" / "check.py"
SUPPORTED = json.loads((ROOT / "install" / "supported.json").read_text())
GLIBC = SUPPORTED["machines"]["3.11"]["Linux x86_64"]["since"]
MADE = {
    "machines": {
        "3.11": {
            "Linux x86_64": {"since": "2.28"},
            "Darwin arm64": {"since": "14"},
            "Linux aarch64": {"lacking": ["tensorflow-io"]},
            "Windows AMD64": {"since": None},
        },
        "3.12": {"Linux x86_64": {"lacking": ["av"]}, "Darwin arm64": {"since": "14"}},
    }
}


@pytest.mark.parametrize(
    "machine",
    [
        Machine("CPython", "3.11", "Linux", "x86_64", "2.28"),
        Machine("CPython", "3.11", "Linux", "x86_64", "2.100"),
        Machine("CPython", "3.11", "Linux", "x86_64", "3.0"),
        Machine("CPython", "3.12", "Darwin", "arm64", "14.6.1"),
        Machine("CPython", "3.11", "Windows", "AMD64", None),
    ],
)
def test_a_machine_with_wheels_is_taken(machine: Machine) -> None:
    assert machine_problem(machine, MADE) == ""


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine("CPython", "3.11", "Linux", "x86_64", "2.9"), "found Linux x86_64 with glibc 2.9"),
        (Machine("CPython", "3.11", "Linux", "x86_64", None), "found Linux x86_64"),
        (Machine("CPython", "3.11", "Linux-musl", "x86_64", None), "found Linux (musl) x86_64"),
        (Machine("CPython", "3.11", "Linux", "x86_64 (32 bit)", "2.36"), "found Linux x86_64 (32 bit) with glibc 2.36"),
        (Machine("CPython", "3.11", "Linux", "riscv64", "2.41"), "found Linux riscv64 with glibc 2.41"),
        (Machine("CPython", "3.11", "Linux", "aarch64", "2.36"), "for which there is no wheel of tensorflow-io"),
        (Machine("CPython", "3.11", "Darwin", "arm64", "13.7"), "found macOS 13.7 arm64"),
        (Machine("CPython", "3.11", "FreeBSD", "amd64", None), "found FreeBSD amd64"),
        (Machine("CPython", "3.12", "Linux", "x86_64", "2.36"), "for which there is no wheel of av"),
        (Machine("CPython", "3.10", "Linux", "x86_64", "2.36"), "needs CPython 3.11 or 3.12, found CPython 3.10;"),
        (Machine("CPython", "3.13", "Linux", "x86_64", "2.36"), "needs CPython 3.11 or 3.12, found CPython 3.13;"),
        (Machine("PyPy", "3.11", "Linux", "x86_64", "2.36"), "needs CPython 3.11 or 3.12, found PyPy 3.11;"),
    ],
)
def test_any_other_is_named_in_one_line(machine: Machine, said: str) -> None:
    problem = machine_problem(machine, MADE)
    assert said in problem
    assert len(problem.splitlines()) == 1
    if machine.python in MADE["machines"] and machine.implementation == "CPython":
        assert problem.startswith("requirements.lock can be installed on ")
        assert all(place in problem for place in supported_machines(MADE, machine.python))


def test_windows_and_an_old_glibc_are_refused_by_the_real_list() -> None:
    old = Machine("CPython", "3.11", "Linux", "x86_64", "2.17")
    windows = Machine("CPython", "3.12", "Windows", "AMD64", None)
    for machine in (old, windows):
        assert f"Linux x86_64 with glibc {GLIBC} or later" in machine_problem(machine, SUPPORTED)


def test_this_machine_is_known() -> None:
    machine = this_machine()
    assert machine.python == ".".join(platform.python_version_tuple()[:2])
    assert machine_problem(machine, SUPPORTED) == ""


def test_the_readme_names_the_machines_of_the_list() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for python in SUPPORTED["machines"]:
        for place in supported_machines(SUPPORTED, python):
            assert place in readme


def test_an_old_python_can_read_it() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_refusal_is_a_line_and_a_status(tmp_path: Path) -> None:
    (tmp_path / "install").mkdir()
    shutil.copy(SCRIPT, tmp_path / "install")
    (tmp_path / "install" / "supported.json").write_text(json.dumps({"machines": {"2.7": {}}}))
    run = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "install" / "check.py"), "machine"], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("error: DeepEmo needs CPython 2.7, found CPython 3.")
    assert len(run.stderr.splitlines()) == 1


def test_the_lock_is_read_for_this_machine() -> None:
    text = (
        "absl-py==2.5.1 \\\n    --hash=sha256:aa\n"
        "Odd_Name[extra]==1.0 ; python_version >= '3' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
        "pywin32==312 ; sys_platform == 'nowhere' \\\n    --hash=sha256:dd\n"
    )
    assert locked(text) == {"absl-py": "2.5.1", "odd-name": "1.0"}


def test_every_difference_from_the_lock_is_a_line() -> None:
    wanted = {"av": "18.1.0", "numpy": "1.26.4", "scipy": "1.17", "tqdm": "4.0"}
    found = {"av": "18.1.0", "numpy": "2.0.0", "scipy": "1.17.0", "uv": "1", "pip": "22.3", "deepemo": "0.1.0"}
    assert difference(wanted, found) == [
        "numpy: 1.26.4 is locked and 2.0.0 installed",
        "tqdm: 4.0 is locked and not installed",
        "uv: 1 is installed and not locked",
    ]
    assert difference(wanted, wanted) == []
