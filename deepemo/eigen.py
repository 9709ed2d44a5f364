"""The cache sizes by which Eigen, TensorFlow's library of products, cuts sums; held still in a process that computes.

Eigen asks the processor how large its caches are, and cuts matrix products into blocks that fit. The order in which a
product is summed up, and so its last bits, depend on the blocks. Eigen offers `setCpuCacheSizes` to choose the sizes,
but TensorFlow does not export it, and no environment variable reaches it. The sizes are found in TensorFlow's memory by
what they are: three numbers in a row that are what the processor said.
"""

import ctypes
import os
import struct
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from deepemo.reproducible import FAST

KIB = 1 << 10
# Bytes of the first, second and third level: of the processors that most results here were made on.
CACHE_BYTES = (32 * KIB, 1024 * KIB, 32768 * KIB)
_LIBRARY = "libtensorflow_cc.so.2"
# Of the library that this one needs: Eigen::internal::queryCacheSizes(int&, int&, int&).
_ASKING_LIBRARY = "libtensorflow_framework.so.2"
_QUESTION = "_ZN5Eigen8internal15queryCacheSizesERiS1_S1_"
_SIZES = struct.Struct("=3q")  # as Eigen holds them


def hold_caches(sizes: tuple[int, int, int] = CACHE_BYTES) -> None:
    """Let Eigen cut products as on a processor with caches of these sizes, unless `DEEPEMO_FAST` is 1.

    TensorFlow computes something here, so limits of its threads come before.

    Args:
        sizes: bytes of the caches of the first, second and third level.
    """
    if os.environ.get(FAST) == "1":
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
    """Where TensorFlow holds the sizes, in each part of it that has its own copy of Eigen."""
    import tensorflow as tf

    # Eigen asks the processor when it first multiplies.
    tf.matmul(tf.ones([64, 64]), tf.ones([64, 64]))
    asked = _SIZES.pack(*_sizes_of_processor())
    addresses = []
    for start, content in _writable_memory(_LIBRARY):
        place = content.find(asked)
        while place >= 0:
            addresses.append(start + place)
            place = content.find(asked, place + 1)
    return addresses


def _sizes_of_processor() -> tuple[int, ...]:
    """What Eigen hears when it asks: bytes of the caches of the first, second and third level."""
    spec = find_spec("tensorflow")
    library = ctypes.CDLL(str(Path(str(spec and spec.origin)).parent / _ASKING_LIBRARY))
    sizes = [ctypes.c_int() for _ in range(3)]
    ask = getattr(library, _QUESTION)
    ask.restype = None
    ask(*map(ctypes.byref, sizes))
    return tuple(size.value for size in sizes)


def _writable_memory(library: str) -> Iterator[tuple[int, bytes]]:
    """Address and content of each piece of this process's memory that holds variables of a library."""
    owner, end = "", 0
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        span, rights, _, _, _, *path = line.split(maxsplit=5)
        first, last = (int(address, 16) for address in span.split("-"))
        # Variables that start as 0 lie in a piece without a name, right behind those of the file.
        owner = path[0] if path else owner if first == end else ""
        end = last
        if rights.startswith("rw") and Path(owner).name == library:
            yield first, ctypes.string_at(first, last - first)
