"""A worker of a Dask cluster whose libraries are pinned as those of the stages are.

`python -m deepemo.worker tcp://scheduler:8786` takes the options of `dask worker`. Dask imports NumPy before any task,
so the pins must be there before Dask.
"""

import os
import sys

from deepemo.errors import InputError, extra
from deepemo.reproducible import pin


def main() -> None:
    """Pin the libraries and start Dask's worker."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if warning := pin():
        print(f"warning: {warning}", file=sys.stderr)
    try:
        with extra("cluster"):
            from distributed.cli.dask_worker import main as dask_worker
    except InputError as error:
        sys.exit(f"error: {error}")
    dask_worker(prog_name="python -m deepemo.worker")


if __name__ == "__main__":
    main()
