"""The process in which a Dask worker computes. `deepemo.cluster_worker` starts it and talks to it by pipes."""

import os
import pickle
import sys
from socket import gethostname
from typing import Any

from deepemo.cluster_worker import Packed, Place, code_digest
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
    sees_files = False
    task: bytes = pickle.load(asked)
    while True:
        try:
            chunk: Packed = pickle.load(asked)
        except EOFError:
            return
        try:
            if work is None:
                work, sees_files = _ready(task)
            items = _items(chunk, sees_files)
            results = None if items is None else [work(item) for item in items]
            answer: tuple[bool, Any] = (True, results and pickle.dumps(results, protocol=pickle.HIGHEST_PROTOCOL))
        except Exception as error:
            answer = (False, sendable(error))
        pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _ready(task: bytes) -> tuple[Any, bool]:
    """The work of a task, after its `start` was called, and whether this process is now in the folder of the run."""
    of_run, place = pickle.loads(task)
    code, start, work = pickle.loads(of_run)
    if code != code_digest():
        raise InputError(
            f"the Dask worker on {gethostname()} runs another version of deepemo, or other packages, than the machine "
            "that asks; install the same revision and the same requirements.lock there"
        )
    seen = _entered(place)
    if begin := pickle.loads(start):
        begin()
    return pickle.loads(work), seen


def _entered(place: Place) -> bool:
    """Go to the folder of the run, if this machine sees it."""
    if seen := place.is_seen():
        os.chdir(place.folder)
    return seen


def _items(chunk: Packed, sees_files: bool) -> list[Any] | None:
    """The items of a chunk; None if they name files that this process does not find, or finds changed."""
    if not chunk.by_name:
        return [pickle.loads(item) for item in chunk.items]
    if not sees_files:
        return None
    try:
        return [pickle.loads(item) for item in chunk.items]
    except (OSError, InputError):
        return None


if __name__ == "__main__":
    main()
