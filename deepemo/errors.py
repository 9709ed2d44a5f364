"""What goes wrong in ways that callers tell apart; every other error is a fault of this package.

All of them are about what was given: the message names it, what was found and what was expected.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """What was given cannot be used: a file, a name, a parameter, an address."""


class DecodeError(InputError):
    """A recording that no reader makes sound of."""


class TooLongError(InputError):
    """A recording that is longer than is accepted."""


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
