"""The one root of errors that people can mend: a bad file, name, parameter or address."""


class InputError(ValueError):
    """What was given cannot be used; the message names it, what was found and what was expected."""
