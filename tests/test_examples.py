"""The examples in docstrings give the printed results."""

import doctest
import importlib
import pkgutil

import pytest

import deepemo

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(deepemo.__path__, "deepemo.")
    if not module.name.endswith("__main__")
)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_package_has_examples() -> None:
    finder = doctest.DocTestFinder()
    with_examples = {
        name.split(".")[1]
        for name in MODULES
        if any(test.examples for test in finder.find(importlib.import_module(name)))
    }
    packages = {name.split(".")[1] for name in MODULES if name.count(".") > 1}
    assert packages == with_examples & packages
