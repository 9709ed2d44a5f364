"""How every stage starts, and how it ends when its input is bad."""

import sys
from collections.abc import Callable

from deepemo.errors import InputError
from deepemo.params import Params, load_params
from stages import UNPINNED


def stage_main(main: Callable[[Params], str]) -> None:
    """Run a stage with checked params and print its one line of result.

    A bad value in params.yaml or a bad file ends in one message on stderr and exit status 1, without a traceback. Where
    the stage's bytes are not those of other machines, one line says so.
    """
    if UNPINNED:
        print(f"warning: {UNPINNED}", file=sys.stderr)
    try:
        print(main(load_params()))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
