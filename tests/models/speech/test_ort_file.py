"""The reader of ONNX Runtime's files, against files written here by the schema's description."""

from collections.abc import Callable, Sequence

import flatbuffers
import numpy as np
import pytest

from deepemo.errors import InputError
from deepemo.models.speech.ort_file import Node, read_ort

FLOAT, UINT8, STRING, INT64 = 1, 2, 8, 7


def table(
    builder: flatbuffers.Builder, size: int, offsets: dict[int, int], numbers: dict[int, int] | None = None
) -> int:
    """A table of `size` fields, some of which are offsets and some 32-bit numbers."""
    builder.StartObject(size)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, number in (numbers or {}).items():
        builder.PrependInt32Slot(field, number, 0)
    return int(builder.EndObject())


def vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def ort_file(tensors: dict[str, tuple[int, np.ndarray]], nodes: Sequence[Node] = ()) -> bytes:
    builder = flatbuffers.Builder()
    stored = [
        table(
            builder,
            7,
            {
                0: builder.CreateString(name),
                2: builder.CreateNumpyVector(np.array(values.shape, np.int64)),
                4: builder.CreateNumpyVector(np.frombuffer(values.tobytes(), np.uint8)),
            },
            {3: kind},
        )
        for name, (kind, values) in tensors.items()
    ]
    operations = [
        table(
            builder,
            13,
            {
                5: builder.CreateString(node.operator),
                8: vector(builder, [builder.CreateString(name) for name in node.inputs]),
                9: vector(builder, [builder.CreateString(name) for name in node.outputs]),
            },
        )
        for node in nodes
    ]
    graph = table(builder, 8, {0: vector(builder, stored), 2: vector(builder, operations)})
    model = table(builder, 10, {7: graph})
    builder.Finish(table(builder, 4, {0: builder.CreateString("1.0"), 1: model}), b"ORTM")
    return bytes(builder.Output())


EXAMPLE = {
    "matrix": (FLOAT, np.arange(6, dtype="<f4").reshape(2, 3)),
    "bytes": (UINT8, np.array([[0], [255]], "u1")),
    "scalar": (INT64, np.array(-5, "<i8")),
}
NODES = (Node("MatMul", ("matrix", ""), ("product",)), Node("Relu", ("product",), ("end", "other")))


def test_reads_tensors_and_nodes() -> None:
    graph = read_ort(ort_file(EXAMPLE, NODES), name="a.ort")
    assert set(graph.tensors) == set(EXAMPLE)
    for name, (_, values) in EXAMPLE.items():
        assert graph.tensors[name].dtype == values.dtype
        np.testing.assert_array_equal(graph.tensors[name], values)
    assert graph.nodes == NODES


def test_a_graph_of_nothing_is_empty() -> None:
    graph = read_ort(ort_file({}), name="a.ort")
    assert graph.tensors == {}
    assert graph.nodes == ()


def test_refuses_what_is_no_such_file() -> None:
    for content in (b"", b"ORT", b"\x08\x00\x00\x00ONNX" + bytes(64), b"no model at all"):
        with pytest.raises(InputError, match=r"a\.ort: not a model of ONNX Runtime"):
            read_ort(content, name="a.ort")


def test_refuses_tensors_of_text() -> None:
    with pytest.raises(InputError, match="tensor words has elements of type 8, expected one of"):
        read_ort(ort_file({"words": (STRING, np.zeros(1, "u1"))}), name="a.ort")


def test_refuses_a_tensor_that_is_not_as_large_as_its_shape_says() -> None:
    content = bytearray(ort_file({"matrix": EXAMPLE["matrix"]}))
    shape = np.array([2, 3], "<i8").tobytes()
    assert content.count(shape) == 1
    at = content.index(shape)
    content[at : at + len(shape)] = np.array([2, 4], "<i8").tobytes()
    with pytest.raises(InputError, match="damaged"):
        read_ort(bytes(content), name="a.ort")


def cut_short(content: bytes, random: np.random.Generator) -> bytes:
    return content[: random.integers(8, len(content))]


def one_byte_changed(content: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[random.integers(8, len(content))] ^= int(random.integers(1, 256))
    return bytes(changed)


@pytest.mark.parametrize("damage", [cut_short, one_byte_changed])
def test_damage_ends_in_one_kind_of_error(damage: Callable[[bytes, np.random.Generator], bytes]) -> None:
    content = ort_file(EXAMPLE, NODES)
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(2000):
        try:
            read_ort(damage(content, random), name="a.ort")
        except InputError:
            refused += 1
    assert refused > 200


def test_what_is_cut_off_is_missed() -> None:
    content = ort_file(EXAMPLE, NODES)
    for size in range(8, len(content)):
        try:
            found = read_ort(content[:size], name="a.ort")
        except InputError:
            continue
        # Only the padding after the last value may be missing.
        assert set(found.tensors) == set(EXAMPLE)
        assert size >= len(content) - 8
