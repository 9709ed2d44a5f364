"""What goes wrong in ways that callers tell apart; every other error is a fault of this package.

All of them are about what was given: the message names it, what was found and what was expected.
"""


class InputError(ValueError):
    """What was given cannot be used: a file, a name, a parameter, an address."""


class DecodeError(InputError):
    """A recording that no reader makes sound of."""


class TooLongError(InputError):
    """A recording that is longer than is accepted."""
