"""Arrays in files without a name, for what grows with the clips.

The system writes such an array to disk when it needs the memory, and reads it again when it is used. The file has no
name: it ends with the last use of its array, or with the process, however that ends.
"""

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deepemo.files import RESUME, explained_full_disk

# Rows that are taken into memory at once. The rounding of a matrix product's last rows depends on their number, so the
# products of several blocks may differ in the last digit from one product of all rows.
BLOCK = 8192


def mapped(shape: Sequence[int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of zeros in a file of `.resume`, which is on the disk of the run and not in a folder held in memory.

    Args:
        shape: of the array.
        dtype: of its values.

    Raises:
        InputError: the disk is full.
    """
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    if size_bytes == 0:
        return np.zeros(shape, dtype)
    RESUME.mkdir(parents=True, exist_ok=True)
    with explained_full_disk(RESUME), tempfile.TemporaryFile(dir=RESUME) as file:
        _allocate(file.fileno(), size_bytes)
        return np.asarray(np.memmap(file, dtype, mode="r+", shape=tuple(shape)))


def _allocate(file: int, size_bytes: int) -> None:
    """Give the file its blocks on the disk: without them, a disk that is full later would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size_bytes)
    else:  # macOS
        os.truncate(file, size_bytes)


def blocks(rows: int) -> Iterator[slice]:
    """Slices of at most `BLOCK` rows, from the first row to the last.

    Example:
        >>> list(blocks(10_000))
        [slice(0, 8192, None), slice(8192, 10000, None)]
    """
    for start in range(0, rows, BLOCK):
        yield slice(start, min(start + BLOCK, rows))


def mapped_rows(values: npt.NDArray[Any], chosen: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """A copy of some rows, see `mapped`.

    Args:
        values: [n, ...].
        chosen: true for the rows to copy, bool [n].

    Raises:
        InputError: the disk is full.
    """
    positions = np.flatnonzero(chosen)
    copied = mapped((len(positions), *values.shape[1:]), values.dtype)
    for rows in blocks(len(positions)):
        copied[rows] = values[positions[rows]]
    return copied
