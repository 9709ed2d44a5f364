"""How every stage starts, and how it ends if its input is bad."""

import argparse
import sys
from collections.abc import Callable, Iterable

from deepemo.errors import InputError
from deepemo.params import Params
from deepemo.pipeline import load_params
from stages import UNPINNED


def stage_main(main: Callable[..., str], *arguments: str) -> None:
    """Run a stage with checked params and print its one line of result.

    A bad value in params.yaml or a bad file ends in one message on stderr and exit status 1, without a traceback. If
    the bytes that the stage writes may differ from those of other machines, a warning says so.

    Args:
        main: the stage: takes the params and any further arguments, and returns the line.
        arguments: these further arguments.
    """
    if UNPINNED:
        print(f"warning: {UNPINNED}", file=sys.stderr)
    try:
        params: Params = load_params()
        print(main(params, *arguments))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def family_argument(stage: str, names: Iterable[str]) -> str:
    """The model family that the command line names; any other name ends in a message and exit status 2.

    Args:
        stage: name of the stage, for the message.
        names: of the families that have this stage.
    """
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}")
    parser.add_argument("family", choices=list(names), help="the model family")
    family: str = parser.parse_args().family
    return family
