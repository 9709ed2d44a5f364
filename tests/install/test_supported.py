"""The list of machines is computed from the names of the locked wheels."""

from typing import Any

import pytest

from install.supported import MACHINES, PYTHONS, locked_wheels, oldest, supported


def wheel(name: str, digest: str) -> dict[str, Any]:
    return {"url": f"files/{name}", "hashes": {"sha256": digest}}


def verdicts(*packages: dict[str, Any], lock: bytes = b"--hash=sha256:aa --hash=sha256:bb") -> dict[str, Any]:
    return supported({"packages": packages}, lock)["machines"]


def test_a_pure_wheel_is_for_every_machine() -> None:
    found = verdicts({"name": "one", "wheels": [wheel("one-1-py3-none-any.whl", "aa")]})
    assert all("since" in found[python][machine] for python in PYTHONS for machine in MACHINES)


@pytest.mark.parametrize(
    ("name", "machine", "expected"),
    [
        ("one-1-cp311-cp311-manylinux_2_28_x86_64.whl", "Linux x86_64", {"since": "2.28"}),
        ("one-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "Linux x86_64", {"since": "2.17"}),
        ("one-1-cp311-cp311-manylinux2014_x86_64.whl", "Linux x86_64", {"since": "2.17"}),
        ("one-1-cp39-abi3-manylinux_2_34_x86_64.whl", "Linux x86_64", {"since": "2.34"}),
        ("one-1-cp312-cp312-manylinux_2_28_x86_64.whl", "Linux x86_64", {"lacking": ["one"]}),
        ("one-1-cp312-abi3-manylinux_2_28_x86_64.whl", "Linux x86_64", {"lacking": ["one"]}),
        ("one-1-py3-none-manylinux_2_28_aarch64.whl", "Linux x86_64", {"lacking": ["one"]}),
        ("one-1-py3-none-manylinux_2_28_aarch64.whl", "Linux aarch64", {"since": "2.28"}),
        ("one-1-py3-none-musllinux_1_2_x86_64.whl", "Linux-musl x86_64", {"since": "1.2"}),
        ("one-1-py3-none-musllinux_1_2_x86_64.whl", "Linux x86_64", {"lacking": ["one"]}),
        ("one-1-cp311-cp311-macosx_14_0_arm64.whl", "Darwin arm64", {"since": "14"}),
        ("one-1-cp311-cp311-macosx_10_9_universal2.whl", "Darwin arm64", {"since": "11"}),
        ("one-1-cp311-cp311-macosx_14_0_arm64.whl", "Darwin x86_64", {"lacking": ["one"]}),
        ("one-1-cp311-cp311-win_amd64.whl", "Windows AMD64", {"since": None}),
    ],
)
def test_a_wheel_is_for_the_machines_that_its_tags_name(name: str, machine: str, expected: dict[str, Any]) -> None:
    packages = locked_wheels({"packages": [{"name": "one", "wheels": [wheel(name, "aa")]}]}, {"aa"})
    assert oldest(packages, "3.11", machine) == expected


def test_the_newest_need_counts_and_each_package_may_choose_among_its_wheels() -> None:
    packages = [
        {
            "name": "one",
            "wheels": [
                wheel("one-1-cp311-cp311-manylinux_2_28_x86_64.whl", "aa"),
                wheel("one-1-cp311-cp311-manylinux_2_31_x86_64.whl", "bb"),
            ],
        },
        {"name": "two", "wheels": [wheel("two-1-py3-none-manylinux_2_30_x86_64.whl", "aa")]},
    ]
    locked = list(locked_wheels({"packages": packages}, {"aa", "bb"}))
    assert oldest(locked, "3.11", "Linux x86_64") == {"since": "2.30"}


@pytest.mark.slow
def test_a_file_that_the_lock_does_not_hold_does_not_count() -> None:
    pylock = {"name": "one", "wheels": [wheel("one-1-py3-none-manylinux_2_17_x86_64.whl", "cc")]}
    other = {"name": "two", "wheels": [wheel("two-1-py3-none-manylinux_2_28_x86_64.whl", "aa")]}
    result = supported({"packages": [pylock, other]}, b"--hash=sha256:aa")
    assert result["from_source"] == ["one"]
    assert result["machines"]["3.11"]["Linux x86_64"] == {"since": "2.28"}


def test_a_package_for_other_machines_alone_is_not_missed() -> None:
    package = {
        "name": "one",
        "marker": "sys_platform == 'win32'",
        "wheels": [wheel("one-1-cp311-cp311-win_amd64.whl", "aa")],
    }
    found = verdicts(package)
    assert found["3.11"]["Linux x86_64"] == {"since": "2.17"}
    assert found["3.12"]["Windows AMD64"] == {"lacking": ["one"]}
