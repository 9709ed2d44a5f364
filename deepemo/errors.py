"""The errors that callers can tell apart; every other error is a fault of this package.

All of them are about bad input. The message names the input, what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class InputError(ValueError):
    """An input cannot be used: a file, a name, a parameter, an address."""


class DecodeError(InputError):
    """A recording that no reader can decode."""


class TooLongError(InputError):
    """A recording that is too long to be accepted."""


def first_problem(error: ValidationError, *, whole: str) -> str:
    """The first problem of refused data in words: its key, or `whole` if it is about all keys, and what is wrong."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"]) or whole
    return f"{key}: {problem['msg']}"


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import the packages of an extra of this project inside the block.

    Raises:
        InputError: one of them cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        package = error.name or "a package"
        raise InputError(f"{package} cannot be imported ({error}); the extra deepemo[{name}] brings it") from error
