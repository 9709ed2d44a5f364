"""The errors that callers can tell apart; every other error is a fault of this package.

All of them are about bad input. The message names the input, what was found and what was expected.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """An input cannot be used: a file, a name, a parameter, an address."""


class DecodeError(InputError):
    """A recording that no reader can decode."""


class TooLongError(InputError):
    """A recording that is too long to be accepted."""


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
