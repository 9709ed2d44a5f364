"""How every stage starts, and how it ends when its input is bad."""

import sys
from collections.abc import Callable

from deepemo.errors import InputError
from deepemo.params import Params
from deepemo.pipeline import load_params


def stage_main(main: Callable[[Params], str]) -> None:
    """Run a stage with checked params and print its one line of result.

    A bad value in params.yaml or a bad file ends in one message on stderr and exit status 1, without a traceback.
    """
    try:
        print(main(load_params()))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
