"""Read the tensors of a PyTorch file without PyTorch, and without running any code the file may hold.

The format is the one from before PyTorch 1.6 (`torch.serialization._legacy_save`): pickles of a magic number, of the
format's version and of the writer's machine; the pickled state dict, whose storages are persistent ids; the pickled
list of storage keys; then for each key a 64-bit count and that many raw values.
"""

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from deepemo.errors import InputError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_FORMAT_VERSION = 1001
_STORAGE_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
# Tensors may share a storage. Together they may be at most this many times as large as the file.
_MOST_COPIES = 16
# Errors that unpickling a damaged or hostile file raises, by pickle's documentation and by trial.
_UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor before its storage is read: offset, shape and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Copy the tensor out of its storage [count]; strides may be anything that stays inside the storage."""
        if len(self.shape) != len(self.strides) or min((self.offset, *self.shape, *self.strides)) < 0:
            raise ValueError(f"a tensor of shape {self.shape} with strides {self.strides}")
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape or last >= len(values):
            raise ValueError(f"a tensor reaches element {last} of a storage of {len(values)}")
        # With strides of 0, a few bytes would be copied as many times as the shape says.
        if math.prod(self.shape) > len(values):
            raise ValueError(f"a tensor of shape {self.shape} in a storage of {len(values)} elements")
        steps = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, steps, writeable=False).copy()


def _rebuild_tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _View:
    return _View(storage, offset, shape, strides)


class _TensorUnpickler(pickle.Unpickler):
    """Knows the four names that a state dict of float and integer tensors needs, and imports nothing."""

    _NAMES: dict[tuple[str, str], Any] = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        **{("torch", name): dtype for name, dtype in _STORAGE_TYPES.items()},
    }

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in self._NAMES:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}, which no tensor needs")
        return self._NAMES[module_name, global_name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise pickle.UnpicklingError(f"unknown persistent id {pid!r}")
        return _Storage(key, dtype, count)


def load_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state dict: the tensors by name, each contiguous in C order.

    Raises:
        InputError: the file is no legacy PyTorch state dict, is cut short or damaged, or holds anything but
            float32 and int64 tensors.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            return _read(file, size_bytes=path.stat().st_size)
        except _UNPICKLING_ERRORS as error:
            raise InputError(
                f"{path}: not a state dict in PyTorch's format from before version 1.6: {error}"
            ) from error


def _read(file: BinaryIO, *, size_bytes: int) -> dict[str, NDArray[Any]]:
    magic, version, machine = (_TensorUnpickler(file).load() for _ in range(3))
    if (magic, version) != (_MAGIC_NUMBER, _FORMAT_VERSION):
        raise ValueError(f"expected magic number {_MAGIC_NUMBER:#x} and version {_FORMAT_VERSION}")
    if not machine["little_endian"]:
        raise ValueError("written on a big-endian machine")
    views = _TensorUnpickler(file).load()
    if not isinstance(views, dict) or not all(isinstance(view, _View) for view in dict(views).values()):
        raise ValueError("expected a dict of tensors and nothing else")
    copied_bytes = sum(math.prod(view.shape) * view.storage.dtype.itemsize for view in dict(views).values())
    if copied_bytes > _MOST_COPIES * size_bytes:
        raise ValueError(f"its tensors have {copied_bytes} bytes together, the file has {size_bytes}")
    storages = {view.storage.key: view.storage for view in dict(views).values()}
    values = {}
    for key in _TensorUnpickler(file).load():
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        count_bytes = count * storage.dtype.itemsize
        if count != storage.count or count_bytes > size_bytes - file.tell():
            raise ValueError(f"storage {key} announces {count} values, expected {storage.count}")
        values[key] = np.frombuffer(file.read(count_bytes), dtype=storage.dtype)
    return {name: view.of(values[view.storage.key]) for name, view in dict(views).items()}
