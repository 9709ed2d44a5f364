"""The reader of PyTorch files, against files written here by the format's description."""

import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.imagenet.backbones.torch_pickle import load_tensors

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C


class Named:
    """Pickled as a global of another package that need not be installed."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Storage:
    def __init__(self, key: str, values: np.ndarray) -> None:
        self.key, self.values = key, values


class Tensor:
    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())


class Calls:
    """Pickled as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class TorchPickler(pickle._Pickler):  # the pickler written in Python, which can write globals by name
    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Named):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, Tensor):
            self.save(Named("torch._utils", "_rebuild_tensor_v2"))
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        name = {"f": "FloatStorage", "i": "LongStorage"}[obj.values.dtype.kind]
        return ("storage", Named("torch", name), obj.key, "cpu", len(obj.values), None)


def write_torch_file(file: BinaryIO, state: Any, storages: list[Storage], *, magic: int = MAGIC_NUMBER) -> None:
    for header in (magic, 1001, {"protocol_version": 1001, "little_endian": True}):
        pickle.dump(header, file, protocol=2)
    TorchPickler(file, protocol=2).dump(state)
    pickle.dump([storage.key for storage in storages], file, protocol=2)
    for storage in storages:
        file.write(struct.pack("<q", len(storage.values)) + storage.values.tobytes())


def write(path: Path, state: Any, *storages: Storage, **options: int) -> Path:
    with path.open("wb") as file:
        write_torch_file(file, state, list(storages), **options)
    return path


def test_reads_tensors_that_share_a_storage_in_any_stride(tmp_path: Path) -> None:
    floats = Storage("7", np.arange(24, dtype="<f4"))
    counts = Storage("8", np.array([41, 42], dtype="<i8"))
    state = OrderedDict(
        plain=Tensor(floats, 0, (2, 3, 4), (12, 4, 1)),
        transposed=Tensor(floats, 0, (4, 6), (1, 4)),
        tail=Tensor(floats, 20, (4,), (1,)),
        repeated=Tensor(floats, 5, (3,), (0,)),
        scalar=Tensor(counts, 1, (), ()),
    )
    tensors = load_tensors(write(tmp_path / "weights.pth", state, floats, counts))
    values = np.arange(24, dtype=np.float32)
    np.testing.assert_array_equal(tensors["plain"], values.reshape(2, 3, 4))
    np.testing.assert_array_equal(tensors["transposed"], values.reshape(6, 4).T)
    np.testing.assert_array_equal(tensors["tail"], [20, 21, 22, 23])
    np.testing.assert_array_equal(tensors["repeated"], [5, 5, 5])
    assert tensors["scalar"] == 42
    assert all(tensor.flags.c_contiguous and tensor.flags.writeable for tensor in tensors.values())


def test_runs_nothing_that_a_hostile_file_asks_for(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile = write(tmp_path / "hostile.pth", OrderedDict(weight=Calls(os.mkdir, str(trace))))
    with pytest.raises(InputError, match=r"hostile\.pth.*mkdir"):
        load_tensors(hostile)
    assert not trace.exists()
    # Ordinary unpickling of the same file does the harm, so the test above can fail.
    with hostile.open("rb") as file:
        for _ in range(4):
            pickle.load(file)
    assert trace.exists()


@pytest.mark.parametrize("function", [eval, getattr, __import__])
def test_refuses_builtins(tmp_path: Path, function: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=function.__name__):
        load_tensors(write(tmp_path / "weights.pth", {"weight": Calls(function, "os")}))


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (5,), (1,)), (3, (2,), (1,)), (0, (2, 2), (3, 1)), (2, (2,), (-1,)), (-1, (2,), (1,)), (0, (2,), (1, 1))],
)
def test_refuses_tensors_that_reach_outside_their_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    storage = Storage("0", np.zeros(4, dtype="<f4"))
    with pytest.raises(InputError, match="a tensor"):
        load_tensors(write(tmp_path / "weights.pth", {"weight": Tensor(storage, offset, shape, strides)}, storage))


@pytest.mark.parametrize("shape", [(5,), (10**9,), (10**5, 10**5), (2, 2, 2)])
def test_refuses_a_tensor_that_is_larger_than_its_bytes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """With strides of 0, a tensor stays inside its storage, but would be copied as often as its shape says."""
    storage = Storage("0", np.zeros(4, dtype="<f4"))
    with pytest.raises(InputError, match=r"in a storage of 4 elements|bytes together, the file has"):
        load_tensors(write(tmp_path / "weights.pth", {"w": Tensor(storage, 0, shape, (0,) * len(shape))}, storage))


def test_refuses_many_tensors_of_one_storage_that_are_larger_than_the_file(tmp_path: Path) -> None:
    storage = Storage("0", np.zeros(4096, dtype="<f4"))
    views = {f"{number:x}": Tensor(storage, 0, (4096,), (1,)) for number in range(400)}
    with pytest.raises(InputError, match=r"6553600 bytes together, the file has \d+"):
        load_tensors(write(tmp_path / "weights.pth", views, storage))


def test_refuses_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    storage = Storage("0", np.arange(4, dtype="<f4"))
    whole = write(tmp_path / "whole.pth", {"weight": Tensor(storage, 0, (4,), (1,))}, storage).read_bytes()
    cut = tmp_path / "cut.pth"
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.pth: not a state dict"):
            load_tensors(cut)


def test_refuses_what_is_no_state_dict(tmp_path: Path) -> None:
    storage = Storage("0", np.zeros(1, dtype="<f4"))
    for state, options in (([1, 2], {}), ({"epoch": 3}, {}), ({}, {"magic": 1})):
        with pytest.raises(InputError, match="expected"):
            load_tensors(write(tmp_path / "weights.pth", state, storage, **options))
    text = tmp_path / "text.pth"
    text.write_text("no pickle at all")
    with pytest.raises(InputError, match=r"text\.pth"):
        load_tensors(text)
