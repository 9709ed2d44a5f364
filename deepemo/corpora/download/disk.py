"""Room on the disk: asked for before much is written, and a full disk told as what it is."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepemo.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DiskFullError(InputError):
    """There is no room for a file; the message names it, what is free and what is needed."""


def require_room(path: Path, needed_bytes: int) -> None:
    """Check that a file of a size would still fit.

    Raises:
        DiskFullError: it would not.
    """
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes:
        raise DiskFullError(
            f"{path}: the disk has {free_bytes:,} bytes free, {needed_bytes:,} are needed; make room and run again"
        )


@contextmanager
def telling_full_disk(path: Path) -> Iterator[None]:
    """Give the system's error about a full disk, which names no file, the name of the one being written.

    Raises:
        DiskFullError: the disk, or the share of it that one may use, is full.
        OSError: what else went wrong in writing.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFullError(f"{path}: cannot be written: {error.strerror}; make room and run again") from error
