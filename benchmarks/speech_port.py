"""Compare the speech encoder of this library with the file that its weights come from.

Two references are made from that file and run by ONNX Runtime, with the layers as outputs. One keeps the file's 8-bit
arithmetic. The other has its matrices turned back into floats, as in the port. The port must agree with the second up
to rounding. The difference between the two references is the cost of the original's 8-bit arithmetic.

Needs the extra `onnx`. For example: python -m benchmarks.speech_port recordings/ravdess --clips 20
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import onnx
import onnxruntime
import typer
from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession as OrtSession

from benchmarks._measure import write_section
from deepemo.audio.io.decode import read_recording
from deepemo.models.speech.family import EmbedSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.moonshine import TAPS, moonshine_tiny
from deepemo.models.speech.moonshine_weights import WHEEL, load_weights
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table

SEED = 0
# By operator that multiplies by an 8-bit matrix: positions of the inputs scale, zero point and bias.
_PARTS_OF_PRODUCTS = {"DynamicQuantizeMatMul": (2, 3, 4), "MatMulIntegerToFloat": (3, 5, 6)}
_OUTPUT = "last_hidden_state"


@dataclass(frozen=True)
class Agreement:
    """How one tap of two encoders compares over all frames of all clips.

    Attributes:
        relative_error: norm of the difference, relative to the norm of the reference.
        cosine: mean over frames of the cosine between both.
    """

    relative_error: float
    cosine: float


class Reference:
    """The file's encoder run by ONNX Runtime, with all its layers as outputs."""

    def __init__(self, path: Path, *, in_floats: bool) -> None:
        """Rebuild the file's graph; `in_floats` removes the 8-bit arithmetic, but keeps the 8-bit weights."""
        content = layers_as_outputs(path, in_floats=in_floats).SerializeToString()
        options = onnxruntime.SessionOptions()
        # When it optimizes, the runtime fuses a product with the conversion of its matrix to floats, and computes in
        # integers again.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def __call__(self, samples: np.ndarray) -> list[np.ndarray]:
        """`TAPS` of one clip float32 [samples]: float32 [frames, channels] each."""
        fed = {"input_values": samples[np.newaxis], "attention_mask": np.ones((1, len(samples)), np.int64)}
        return [tap[0] for tap in self._session.run(None, fed)]


def layers_as_outputs(path: Path, *, in_floats: bool) -> onnx.ModelProto:
    """The graph of Moonshine tiny's encoder as an ONNX model whose outputs are `TAPS`."""
    graph = OrtSession.GetRootAs(bytearray(path.read_bytes()), 0).Model().Graph()
    weights = [_tensor(graph.Initializers(position)) for position in range(graph.InitializersLength())]
    nodes = [_node(graph.Nodes(position)) for position in range(graph.NodesLength())]
    if in_floats:
        nodes = [made for node in nodes for made in _in_floats(node)]
    norms = [node for node in nodes if node.op_type.endswith("LayerNormalization")]
    inputs = {norm.output[0]: norm.input[0] for norm in norms}
    # Each layer has two norms, and the input of the first is the residual stream between layers. The last norm of all
    # adds the output of layer 6's perceptron itself, so its first input is the stream after that layer's attention.
    stream = [inputs[f"/layers.{layer}/input_layernorm/LayerNormalization_output_0"] for layer in range(6)]
    outputs = [*stream, inputs[_OUTPUT], _OUTPUT]
    made = onnx.helper.make_graph(
        _in_order(nodes),
        "encoder",
        [
            onnx.helper.make_tensor_value_info("input_values", onnx.TensorProto.FLOAT, ["n", "samples"]),
            onnx.helper.make_tensor_value_info("attention_mask", onnx.TensorProto.INT64, ["n", "samples"]),
        ],
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        weights,
    )
    operators = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(made, opset_imports=operators, ir_version=8)


def _in_floats(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The same product with the same 8-bit matrix, of an input that stays as it is."""
    make, (result, *_) = onnx.helper.make_node, node.output
    if node.op_type == "DynamicQuantizeLinear":
        yield make("Identity", [node.input[0]], [result])  # the products read it under this name
    elif node.op_type in _PARTS_OF_PRODUCTS:
        scale, zero_point, bias = (
            node.input[at] if at < len(node.input) else "" for at in _PARTS_OF_PRODUCTS[node.op_type]
        )
        yield make("DequantizeLinear", [node.input[1], scale, zero_point], [f"{result}_matrix"])
        yield make("MatMul", [node.input[0], f"{result}_matrix"], [f"{result}_product" if bias else result])
        if bias:
            yield make("Add", [f"{result}_product", bias], [result])
    else:
        yield node


def _in_order(nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes, each after those whose outputs it uses."""
    makers = {output: position for position, node in enumerate(nodes) for output in node.output}
    used = {position: [makers[name] for name in node.input if name in makers] for position, node in enumerate(nodes)}
    return [nodes[position] for position in TopologicalSorter(used).static_order()]


def _tensor(stored: Any) -> onnx.TensorProto:
    shape = [stored.Dims(position) for position in range(stored.DimsLength())]
    content = stored.RawDataAsNumpy().tobytes() if stored.RawDataLength() else b""
    return onnx.helper.make_tensor(stored.Name().decode(), stored.DataType(), shape, content, raw=True)


def _node(stored: Any) -> onnx.NodeProto:
    attributes = (stored.Attributes(position) for position in range(stored.AttributesLength()))
    return onnx.helper.make_node(
        stored.OpType().decode(),
        [stored.Inputs(position).decode() for position in range(stored.InputsLength())],
        [stored.Outputs(position).decode() for position in range(stored.OutputsLength())],
        domain=(stored.Domain() or b"").decode(),
        **{attribute.Name().decode(): value for attribute in attributes if (value := _value(attribute)) is not None},
    )


def _value(attribute: Any) -> Any:
    """Value of a node's attribute; None for an empty list, which ONNX leaves out."""
    kinds = onnx.AttributeProto
    match attribute.Type():
        case kinds.FLOAT:
            return attribute.F()
        case kinds.INT:
            return attribute.I()
        case kinds.STRING:
            return attribute.S()
        case kinds.TENSOR:
            return _tensor(attribute.T())
        case kinds.INTS:
            return [attribute.Ints(position) for position in range(attribute.IntsLength())] or None
        case kind:
            raise ValueError(
                f"attribute {attribute.Name().decode()} is of kind {kind}, which this encoder does not use"
            )


def agreement(references: Iterable[np.ndarray], found: Iterable[np.ndarray]) -> Agreement:
    """Compare float32 [frames, channels] of clips with each other."""
    difference = power = 0.0
    cosines = []
    for reference, other in zip(references, found, strict=True):
        difference += float(np.square(reference - other, dtype=np.float64).sum())
        power += float(np.square(reference, dtype=np.float64).sum())
        norms = np.linalg.norm(reference, axis=1) * np.linalg.norm(other, axis=1)
        cosines.append(np.einsum("fc,fc->f", reference, other) / norms)
    return Agreement(relative_error=(difference / power) ** 0.5, cosine=float(np.concatenate(cosines).mean()))


def compare(clips: Sequence[np.ndarray], path: Path) -> dict[str, dict[str, Agreement]]:
    """Compare the port with both references on prepared clips.

    Returns:
        Agreement by tap for each pair that is compared: `port with floats` (the port and the reference in floats),
        `port with original` and `floats with original`.
    """
    network = moonshine_tiny()
    load_weights(network, path)
    encoders: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
        "port": lambda clip: _port(network, clip),
        "floats": Reference(path, in_floats=True),
        "original": Reference(path, in_floats=False),
    }
    taps = {name: [encode(clip) for clip in clips] for name, encode in encoders.items()}
    return {
        f"{found} with {reference}": {
            tap: agreement((clip[number] for clip in taps[reference]), (clip[number] for clip in taps[found]))
            for number, tap in enumerate(TAPS)
        }
        for found, reference in (("port", "floats"), ("port", "original"), ("floats", "original"))
    }


def _port(network: keras.Model, samples: np.ndarray) -> list[np.ndarray]:
    return [tap.numpy()[0] for tap in network([samples[np.newaxis], np.array([len(samples)], np.int32)])]


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings, in it and in its folders.")],
    clips: Annotated[int, typer.Option(help="So many of them, drawn.")] = 40,
) -> None:
    """Compare the port with both references on real recordings, and write the table."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".wav", ".flac"))
    drawn = np.random.default_rng(SEED).choice(np.array(paths, object), min(clips, len(paths)), replace=False)
    recordings = [read_recording(path) for path in drawn]
    front_end = SpeechFrontEnd(load_params().section("embed_speech", EmbedSpeech))
    prepared = [front_end.prepare(recording.mono(), recording.rate_hz) for recording in recordings]
    compared = compare(prepared, WHEEL.path())
    rows = [
        [
            tap,
            *(
                text
                for taps in compared.values()
                for text in (f"{taps[tap].relative_error:.1e}", f"{taps[tap].cosine:.5f}")
            ),
        ]
        for tap in TAPS
    ]
    head = ["tap", *(text for name in compared for text in (f"{name}: relative error", "cosine"))]
    text = f"`python -m benchmarks.speech_port {folder.name} --clips {clips}`\n\n{table(head, rows)}"
    print(text)
    write_section("The speech encoder and its original", text)


if __name__ == "__main__":
    typer.run(main)
