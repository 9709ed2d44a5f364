"""The process in which a worker of a Dask cluster computes. `deepemo.cluster` starts it and talks to it by pipes."""

import os
import pickle
import sys
from socket import gethostname
from typing import Any

from deepemo.cluster import Packed, code_digest
from deepemo.cores import keep_to_share
from deepemo.errors import InputError
from deepemo.parallel import sendable


def main() -> None:
    """Read a task, then answer every chunk of items with results or an error, until the pipe is closed.

    The arguments are this process's number among those of the Dask worker, and their number.
    """
    keep_to_share(int(sys.argv[1]), int(sys.argv[2]))
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Text that libraries print must not get among the answers.
    os.dup2(2, 1)
    work: Any = None
    task: bytes = pickle.load(asked)
    while True:
        try:
            chunk: Packed = pickle.load(asked)
        except EOFError:
            return
        try:
            if work is None:
                work = _ready(task)
            results = [work(pickle.loads(item)) for item in chunk.items]
            answer: tuple[bool, Any] = (True, pickle.dumps(results, protocol=pickle.HIGHEST_PROTOCOL))
        except Exception as error:
            answer = (False, sendable(error))
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _ready(task: bytes) -> Any:
    """The work of a task, after its `start` was called."""
    code, start, work = pickle.loads(task)
    if code != code_digest():
        raise InputError(
            f"the Dask worker on {gethostname()} runs another version of deepemo, or other packages, than the machine "
            "that asks; install the same revision and the same requirements.lock there"
        )
    if begin := pickle.loads(start):
        begin()
    return pickle.loads(work)


if __name__ == "__main__":
    main()
