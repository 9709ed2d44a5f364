"""The process in which a Dask worker computes. `deepemo.cluster_worker` starts it and talks to it by pipes."""

import os
import pickle
import sys
from socket import gethostname
from typing import Any

from deepemo.cluster_worker import Packed, Place
from deepemo.code import code_digest
from deepemo.cores import keep_to_share
from deepemo.errors import InputError
from deepemo.parallel import sendable


def main() -> None:
    """Read a task and the folder of the run, then answer every chunk of items, until the pipe is closed.

    An answer is results, None or an error. The arguments are this process's number among those of the Dask worker, and
    their number.
    """
    keep_to_share(int(sys.argv[1]), int(sys.argv[2]))
    asked, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Text that libraries print must not get among the answers.
    os.dup2(2, 1)
    work: Any = None
    sees_files = False
    task: bytes = pickle.load(asked)
    place: Place = pickle.load(asked)
    while True:
        try:
            chunk: Packed = pickle.load(asked)
        except EOFError:
            return
        try:
            if work is None:
                sees_files = place.is_seen()
                if sees_files:
                    os.chdir(place.folder)
                work = _ready(task)
            results = _results(work, chunk, sees_files)
            packed = None if results is None else pickle.dumps(results, protocol=pickle.HIGHEST_PROTOCOL)
            answer: tuple[bool, Any] = (True, packed)
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


def _results(work: Any, chunk: Packed, sees_files: bool) -> list[Any] | None:
    """The results of a chunk; None if its items name files that this process cannot read, or finds changed."""
    if not chunk.by_name:
        return [work(pickle.loads(item)) for item in chunk.items]
    if not sees_files:
        return None
    try:
        items = [pickle.loads(item) for item in chunk.items]
    except (OSError, InputError):
        return None
    try:
        return [work(item) for item in items]
    except OSError:
        return None


if __name__ == "__main__":
    main()
