"""The model families, each by its name and the module that describes it."""

import importlib

from deepemo.errors import InputError
from deepemo.models.family import ModelFamily

_MODULES = {
    "shallow": "deepemo.models.shallow.family",
    "transfer": "deepemo.models.imagenet.family",
    "speech": "deepemo.models.speech.family",
}
# The name of the predictor that joins all families. No family may have it.
ENSEMBLE = "ensemble"


def register(name: str, module: str) -> None:
    """Add a family.

    Args:
        name: of the family.
        module: its `FAMILY` is a `ModelFamily` of that name; it is imported when the family is first used.

    Raises:
        InputError: the name is taken.
    """
    if name in _MODULES or name == ENSEMBLE:
        raise InputError(f"Bad model family {name!r}, expected a name that is not one of {[*_MODULES, ENSEMBLE]}")
    _MODULES[name] = module


def unregister(name: str) -> None:
    """Remove a family that was added."""
    del _MODULES[name]


def family_names() -> tuple[str, ...]:
    """Names of the families, in the order in which they are always shown.

    >>> family_names()
    ('shallow', 'transfer', 'speech')
    """
    return tuple(_MODULES)


def predictor_names() -> tuple[str, ...]:
    """Names of all predictors: one for each family, and the ensemble of them.

    >>> predictor_names()
    ('shallow', 'transfer', 'speech', 'ensemble')
    """
    return (*_MODULES, ENSEMBLE)


def load_family(name: str) -> ModelFamily:
    """The family with this name.

    Raises:
        InputError: there is none.
    """
    if name not in _MODULES:
        raise InputError(f"Bad model {name!r}, expected one of {list(_MODULES)}")
    family: ModelFamily = importlib.import_module(_MODULES[name]).FAMILY
    return family
