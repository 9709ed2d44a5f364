"""Read the weights out of a model file of ONNX Runtime (`.ort`) without ONNX Runtime.

Such a file is a FlatBuffer of the schema that ONNX Runtime publishes (onnxruntime/core/flatbuffers/schema/ort.fbs):
a session holds a model, which holds a graph of named tensors and of nodes that use them. Only what is needed to find
weights is read.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers.number_types import Int32Flags, UOffsetTFlags
from flatbuffers.table import Table
from numpy.typing import NDArray

from deepemo.errors import InputError

_IDENTIFIER = b"ORTM"
# Position of a field in its table, in the order of the schema.
_SESSION_MODEL = 1
_MODEL_GRAPH = 7
_GRAPH_TENSORS, _GRAPH_NODES = 0, 2
_TENSOR_NAME, _TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_DATA = 0, 2, 3, 4
_NODE_OPERATOR, _NODE_INPUTS, _NODE_OUTPUTS = 5, 8, 9
# Types of elements by the numbers that ONNX gives them.
_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?"}


@dataclass(frozen=True)
class Node:
    """An operation of the graph.

    Attributes:
        operator: its name, such as `Conv`.
        inputs: names of tensors and of other nodes' outputs; empty for an optional input that is left out.
        outputs: names of its outputs.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OrtGraph:
    """Weights and operations of a model.

    Attributes:
        tensors: by name.
        nodes: in the order of the file.
    """

    tensors: dict[str, NDArray[Any]]
    nodes: tuple[Node, ...]


def read_ort(content: bytes, *, name: str) -> OrtGraph:
    """Read a model.

    Args:
        content: of the file.
        name: name of the file, for the error.

    Raises:
        InputError: it is not a model of ONNX Runtime, is damaged, or has tensors that are text or lie in another file.
    """
    if content[4:8] != _IDENTIFIER:
        raise InputError(f"{name}: not a model of ONNX Runtime: found {content[4:8]!r} where ORTM marks one")
    try:
        session = _Table(content, Table(content, 0).Indirect(0))
        graph = session.table(_SESSION_MODEL).table(_MODEL_GRAPH)
        tensors = dict(_tensor(table) for table in graph.tables(_GRAPH_TENSORS))
        nodes = tuple(_node(table) for table in graph.tables(_GRAPH_NODES))
    except (struct.error, ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name}: a damaged model of ONNX Runtime: {error}") from error
    return OrtGraph(tensors, nodes)


def _tensor(table: "_Table") -> tuple[str, NDArray[Any]]:
    name = table.text(_TENSOR_NAME)
    kind = table.GetSlot(_slot(_TENSOR_TYPE), 0, Int32Flags)
    if kind not in _TYPES:
        raise ValueError(f"tensor {name} has elements of type {kind}, expected one of {sorted(_TYPES)}")
    values = table.array(_TENSOR_DATA, "u1").view(_TYPES[kind])
    return name, values.reshape(table.array(_TENSOR_SHAPE, "<i8"))


def _node(table: "_Table") -> Node:
    return Node(table.text(_NODE_OPERATOR), tuple(table.texts(_NODE_INPUTS)), tuple(table.texts(_NODE_OUTPUTS)))


def _slot(field: int) -> int:
    """Position of a field in the table of offsets, which begins with two sizes of two bytes each."""
    return 4 + 2 * field


class _Table(Table):
    """A FlatBuffers table whose fields are read by their position; a field that is left out is empty."""

    def table(self, field: int) -> "_Table":
        return _Table(self.Bytes, self.Indirect(self._position(field)))

    def tables(self, field: int) -> "list[_Table]":
        return [_Table(self.Bytes, self.Indirect(position)) for position in self._positions(field)]

    def text(self, field: int) -> str:
        return self._text_at(self._position(field)) if self.Offset(_slot(field)) else ""

    def texts(self, field: int) -> list[str]:
        return [self._text_at(position) for position in self._positions(field)]

    def array(self, field: int, dtype: str) -> NDArray[Any]:
        """A vector of numbers, as a view of the file's content."""
        offset = self.Offset(_slot(field))
        if not offset:
            return np.empty(0, dtype)
        return np.frombuffer(self.Bytes, dtype, self.VectorLen(offset), self.Vector(offset))

    def _text_at(self, position: int) -> str:
        start = self.Indirect(position)
        count = self.Get(UOffsetTFlags, start)
        return np.frombuffer(self.Bytes, "u1", count, start + UOffsetTFlags.bytewidth).tobytes().decode()

    def _position(self, field: int) -> int:
        offset = self.Offset(_slot(field))
        if not offset:
            raise ValueError(f"field {field} of a table is missing")
        return int(self.Pos + offset)

    def _positions(self, field: int) -> list[int]:
        """Positions of the entries of a vector of offsets."""
        offset = self.Offset(_slot(field))
        if not offset:
            return []
        start, count, width = self.Vector(offset), self.VectorLen(offset), UOffsetTFlags.bytewidth
        if start + count * width > len(self.Bytes):
            raise ValueError(f"a vector of {count} entries at {start} reaches beyond the end")
        return [start + position * width for position in range(count)]
