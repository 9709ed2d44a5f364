"""Holding Eigen's cache sizes: what is said where they are not found, and the switch; bytes: test_reproducible.py."""

import warnings

import pytest

from deepemo import eigen
from deepemo.eigen import hold_caches
from deepemo.reproducible import FAST


def test_another_build_of_tensorflow_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FAST, raising=False)
    monkeypatch.setattr(eigen, "_addresses", list)
    with pytest.warns(RuntimeWarning, match=r"cache sizes were not found .* not the version of requirements\.lock"):
        hold_caches()


def test_the_switch_leaves_the_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FAST, "1")
    monkeypatch.setattr(eigen, "_addresses", lambda: pytest.fail("it was searched"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hold_caches()


def test_a_processor_for_which_nothing_is_pinned_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FAST, raising=False)
    monkeypatch.setattr(eigen, "processor_flags", lambda: frozenset({"asimd"}))
    monkeypatch.setattr(eigen, "_addresses", lambda: pytest.fail("it was searched"))
    hold_caches()


def test_memory_of_a_library_is_that_of_its_file_and_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "1000-2000 r-xp 00000000 08:01 5 /lib/a b/wanted.so.2",
        "2000-3000 rw-p 00001000 08:01 5 /lib/a b/wanted.so.2",
        "3000-4000 rw-p 00000000 00:00 0",
        "5000-6000 rw-p 00000000 00:00 0",
        "6000-7000 rw-p 00000000 08:01 6 /lib/other.so",
        "7000-8000 rw-p 00000000 00:00 0",
    ]
    monkeypatch.setattr(eigen.Path, "read_text", lambda *_, **__: "\n".join(lines))
    monkeypatch.setattr(eigen.ctypes, "string_at", lambda start, size: size)
    assert list(eigen._writable_memory("wanted.so.2")) == [(0x2000, 0x1000), (0x3000, 0x1000)]
