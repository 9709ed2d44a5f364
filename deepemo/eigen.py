"""Fix the cache sizes from which Eigen, TensorFlow's library of matrix products, derives the order of sums.

Eigen asks the processor for the sizes of its caches, and cuts matrix products into blocks that fit. The blocks
determine the order in which a product is summed, and so its last bits. Eigen offers `setCpuCacheSizes` to choose the
sizes, but TensorFlow does not export it, and no environment variable sets them. This module finds the sizes in
TensorFlow's memory by their values: three numbers in a row that are those of the processor.
"""

import ctypes
import os
import struct
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from deepemo.reproducible import FAST, NEEDED, processor_flags

KIB = 1 << 10
# Bytes of the first, second and third level, as in the processors on which most results here were made.
CACHE_BYTES = (32 * KIB, 1024 * KIB, 32768 * KIB)
_LIBRARY = "libtensorflow_cc.so.2"
# In the library that this one needs: Eigen::internal::queryCacheSizes(int&, int&, int&).
_ASKING_LIBRARY = "libtensorflow_framework.so.2"
_QUESTION = "_ZN5Eigen8internal15queryCacheSizesERiS1_S1_"
_SIZES = struct.Struct("=3q")  # as Eigen stores them


def hold_caches(sizes: tuple[int, int, int] = CACHE_BYTES) -> None:
    """Let Eigen cut products as on a processor with caches of these sizes.

    This does nothing if `DEEPEMO_FAST` is 1 or the processor lacks AVX2 or FMA, because the bytes then differ anyway.
    TensorFlow computes something here, so limits of its threads must be set before.

    Args:
        sizes: bytes of the caches of the first, second and third level.
    """
    if os.environ.get(FAST) == "1" or not processor_flags().issuperset(NEEDED):
        return
    found = _addresses()
    if not found:
        warnings.warn(
            "TensorFlow's cache sizes were not found in its memory: this is not the version of requirements.lock, and "
            "a processor with other caches gives other bytes",
            RuntimeWarning,
            stacklevel=2,
        )
    for address in found:
        ctypes.memmove(address, _SIZES.pack(*sizes), _SIZES.size)


@cache
def _addresses() -> list[int]:
    """Addresses of the sizes in TensorFlow's memory, one for each of its parts that has its own copy of Eigen."""
    import tensorflow as tf

    # Eigen asks the processor when it first multiplies.
    tf.matmul(tf.ones([64, 64]), tf.ones([64, 64]))
    sizes = _sizes_of_processor()
    if min(sizes) <= 0:
        return []  # the processor does not say; Eigen holds sizes of its own
    asked, addresses = _SIZES.pack(*sizes), []
    for start, content in _writable_memory(_LIBRARY):
        place = content.find(asked)
        while place >= 0:
            addresses.append(start + place)
            place = content.find(asked, place + 1)
    return addresses


def _sizes_of_processor() -> tuple[int, ...]:
    """Bytes of the caches of the first, second and third level, as Eigen gets them from the processor."""
    spec = find_spec("tensorflow")
    library = ctypes.CDLL(str(Path(str(spec and spec.origin)).parent / _ASKING_LIBRARY))
    sizes = [ctypes.c_int() for _ in range(3)]
    ask = getattr(library, _QUESTION)
    ask.restype = None
    ask(*map(ctypes.byref, sizes))
    return tuple(size.value for size in sizes)


def _writable_memory(library: str) -> Iterator[tuple[int, bytes]]:
    """Address and content of each part of this process's memory that holds variables of a library."""
    owner, end = "", 0
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, rights, _, _, _, *path = line.split(maxsplit=5)
        first, last = (int(address, 16) for address in span.split("-"))
        # Variables that start as 0 lie in a part without a name, directly after the parts of the file.
        owner = path[0] if path else owner if first == end else ""
        end = last
        if rights.startswith("rw") and Path(owner).name == library:
            yield first, ctypes.string_at(first, last - first)
