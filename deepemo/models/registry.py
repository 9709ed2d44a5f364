"""The model families this package knows, each by its name and the module that describes it."""

import importlib

from deepemo.errors import InputError
from deepemo.models.family import ModelFamily

_MODULES = {"shallow": "deepemo.models.shallow.family", "transfer": "deepemo.models.imagenet.family"}


def register(name: str, module: str) -> None:
    """Make a family known.

    Args:
        name: of the family.
        module: whose `FAMILY` describes it; imported when the family is first asked for.
    """
    _MODULES[name] = module


def family_names() -> tuple[str, ...]:
    """Names of the families, in the order in which they are always shown."""
    return tuple(_MODULES)


def load_family(name: str) -> ModelFamily:
    """The family of a name.

    Raises:
        InputError: there is none.
    """
    if name not in _MODULES:
        raise InputError(f"Bad model {name!r}, expected one of {list(_MODULES)}")
    family: ModelFamily = importlib.import_module(_MODULES[name]).FAMILY
    return family
