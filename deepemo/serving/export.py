"""Export a trained model as one file that runs without TensorFlow: samples of a clip to probabilities.

The file holds the front end, the network or networks, their weighted mean, and the temperature. The steps before them
(resample, trim, cut or pad) are simple; a JSON file beside the model describes them.
"""

import hashlib
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from deepemo.arrays import Float32Array
from deepemo.errors import InputError, extra
from deepemo.evaluation.calibration import TINY
from deepemo.files import write_json, written_whole
from deepemo.models.family import FrontEnd
from deepemo.serving.predictor import Predictor

Run = Callable[[Float32Array], Float32Array]

TFLITE = "tflite"
ONNX = "onnx"
FORMATS = (TFLITE, ONNX)
ONNX_OPSET = 17
# Sums are in single precision and in another order. On the made-up clips, networks of spectrograms stay within 1e-6
# and the speech encoder within 2e-4; on speech, the encoder stays within 5e-5.
LARGEST_DIFFERENCE = 1e-3
CHECKED_CLIPS = 8
TIMED_RUNS = 20


@dataclass(frozen=True, kw_only=True)
class Export:
    """An exported model, compared with the original; times are medians of one clip at a time.

    Attributes:
        path: the file.
        bytes: its size.
        difference: largest difference of a probability over the clips checked.
        milliseconds: of the exported model.
        original_milliseconds: of the original in TensorFlow.
    """

    path: Path
    bytes: int
    difference: float
    milliseconds: float
    original_milliseconds: float


def export(predictor: Predictor, folder: Path, kind: str) -> Export:
    """Write a model to `folder` as `<name>.<kind>`, and its description as `<name>.json`.

    Args:
        predictor: what to export.
        folder: to write to; created if missing.
        kind: `tflite` or `onnx`; the latter needs the packages of the extra `onnx`.

    Raises:
        InputError: a package is missing, a network cannot be exported, or the exported model gives other
            probabilities.
    """
    if kind not in FORMATS:
        raise InputError(f"Bad format {kind!r}, expected one of {list(FORMATS)}")
    original = from_samples(predictor)
    # Run once without tracing, which would wrap the error of a network that cannot be exported.
    original.python_function(tf.zeros(original.input_signature[0].shape))
    content = to_tflite(original) if kind == TFLITE else to_onnx(original)
    exported = load_tflite(content) if kind == TFLITE else load_onnx(content)

    def by_tensorflow(samples: Float32Array) -> Float32Array:
        return original(tf.constant(samples)).numpy()

    clips = _clips(_clip_samples(predictor))
    difference = max(float(np.abs(exported(clip) - by_tensorflow(clip)).max()) for clip in clips)
    if not difference <= LARGEST_DIFFERENCE:
        expected = f"expected at most {LARGEST_DIFFERENCE:g}"
        raise InputError(f"{predictor.name}: as {kind}, probabilities differ by {difference:.2g}, {expected}")
    path = folder / f"{predictor.name}.{kind}"
    # Both or none, because a model with the description of another one would get the wrong clips.
    with written_whole(path) as partial, written_whole(folder / f"{predictor.name}.json") as partial_about:
        partial.write_bytes(content)
        write_json(partial_about, {**_about(predictor), "sha256": hashlib.sha256(content).hexdigest()})
    return Export(
        path=path,
        bytes=len(content),
        difference=difference,
        milliseconds=_milliseconds(exported, clips[0]),
        original_milliseconds=_milliseconds(by_tensorflow, clips[0]),
    )


def _clip_samples(predictor: Predictor) -> int:
    """Number of samples of the clips that an exported model takes: that of its network with the shortest clips.

    Raises:
        InputError: its networks take clips of different rates, or trimmed in different ways.
    """
    clips = {(front_end.sample_rate_hz, *front_end.steps()) for front_end in predictor.front_ends}
    if len(clips) > 1:
        raise InputError(f"{predictor.name}: its networks are fed different clips, export each of them alone")
    return _samples_of(predictor.front_end)


def _samples_of(front_end: FrontEnd) -> int:
    return round(front_end.clip_seconds * front_end.sample_rate_hz)


def from_samples(predictor: Predictor) -> tf.types.experimental.GenericFunction:
    """The function that is exported: float32 [clip_samples] to probabilities float32 [classes].

    Raises:
        InputError: see `_clip_samples`.
    """
    clip_samples = _clip_samples(predictor)

    def probabilities(samples: tf.Tensor) -> tf.Tensor:
        # Longer clips are padded with silence, as in serving.
        padded = [tf.pad(samples, [[0, _samples_of(one) - clip_samples]]) for one in predictor.front_ends]
        inputs = [one.graph(clip)[tf.newaxis] for one, clip in zip(predictor.front_ends, padded, strict=True)]
        weighted = [
            weight * tf.nn.softmax(model.graph(inputs[position]))
            for model, weight, position in zip(predictor.models, predictor.weights, predictor.input_of, strict=True)
        ]
        mean = tf.add_n(weighted)
        return tf.nn.softmax(tf.math.log(tf.maximum(mean, TINY)) / predictor.temperature)[0]

    signature = [tf.TensorSpec([clip_samples], tf.float32, name="samples")]
    return tf.function(probabilities, input_signature=signature)


def to_tflite(function: tf.types.experimental.GenericFunction) -> bytes:
    """Convert with TensorFlow's own converter, to built-in operators only."""
    # The converter of TensorFlow 2.16 crashes on variables of a Keras 3 network.
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    content: bytes = tf.lite.TFLiteConverter.from_concrete_functions([frozen], frozen.graph).convert()
    return content


def to_onnx(function: tf.types.experimental.GenericFunction) -> bytes:
    """Convert by tf2onnx.

    Raises:
        InputError: it is not installed.
    """
    tf2onnx = _import("tf2onnx")
    model, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=ONNX_OPSET)
    content: bytes = model.SerializeToString()
    return content


def load_tflite(content: bytes) -> Run:
    """A function that runs an exported model."""
    interpreter = tf.lite.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def run(samples: Float32Array) -> Float32Array:
        interpreter.set_tensor(source, samples)
        interpreter.invoke()
        return interpreter.get_tensor(result)

    return run


def load_onnx(content: bytes) -> Run:
    """A function that runs an exported model.

    Raises:
        InputError: onnxruntime is not installed.
    """
    onnxruntime = _import("onnxruntime")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda samples: session.run(None, {session.get_inputs()[0].name: samples})[0]


def _import(package: str) -> Any:
    with extra("onnx"):
        return importlib.import_module(package)


def _about(predictor: Predictor) -> dict[str, object]:
    front_end = predictor.front_end
    return {
        "input": f"float32 [{_clip_samples(predictor)}]: mono, {front_end.sample_rate_hz} Hz, full scale at 1",
        "before": front_end.steps(),
        "output": f"float32 [{len(predictor.emotions)}]: calibrated probabilities",
        "emotions": list(predictor.emotions),
        "threshold": predictor.threshold,
        "features": front_end.describe(),
        "model": predictor.name,
    }


def _clips(length: int) -> list[Float32Array]:
    """Generated clips float32 [length]: noise bursts, a chirp, and silence."""
    draw = np.random.default_rng(0)
    moments = np.arange(length) / length
    bursts = [draw.normal(0, 0.1, length) * np.sin(np.pi * rate * moments) ** 2 for rate in range(1, CHECKED_CLIPS - 1)]
    chirp = 0.3 * np.sin(2 * np.pi * 300 * moments * (1 + 4 * moments))
    return [clip.astype(np.float32) for clip in (*bursts, chirp, np.zeros(length))]


def _milliseconds(run: Run, clip: Float32Array) -> float:
    took = []
    for _ in range(TIMED_RUNS):
        began = time.perf_counter()
        run(clip)
        took.append(1000 * (time.perf_counter() - began))
    return float(np.median(took))
