"""A speech encoder that the user brings as an ONNX file: samples of clips to the statistics of its outputs over time.

The file is copied into the folder of its embeddings and into the folders of models that use it, always as
`encoder.onnx`, with its digest in the JSON file beside it. Later steps read these copies, so that two encoders are
never mixed.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepemo.arrays import Float32Array
from deepemo.errors import InputError, extra
from deepemo.files import file_sha256, written_whole
from deepemo.models.speech.embedder import EPSILON, segment_means
from deepemo.models.speech.moonshine import SAMPLE_RATE_HZ

ENCODER_FILE = "encoder.onnx"
# Key of the file's digest in `spec.json` and among the settings in `model.json`; built-in encoders have none.
DIGEST = "encoder_sha256"

# Embeddings are stored in half precision.
_LARGEST = float(np.finfo(np.float16).max)
# The pinned number of threads holds for this runtime too; without it the runtime uses all cores.
_THREADS = "TF_NUM_INTRAOP_THREADS"
_EXPECTED_INPUT = f"expected one, float32 [clips, samples] of any length at {SAMPLE_RATE_HZ} Hz"
_EXPECTED_OUTPUT = "expected float32 [clips, frames, width], or [clips, width] if it is pooled already"
# Dimensions of a clip's output that has frames; one that is pooled already has one.
_FRAMES = 2
_FATAL = 4  # the runtime's log level: errors are raised, so they need not be logged too


def keep_encoder(source: Path, folder: Path) -> dict[str, str]:
    """Copy an encoder's file into the folder of its embeddings.

    Args:
        source: the ONNX file.
        folder: folder to copy to; created if it is missing.

    Returns:
        The entries for `spec.json`: the file's name and its digest.

    Raises:
        InputError: there is no such file.
    """
    if not source.is_file():
        raise InputError(f"{source}: no such file, expected the ONNX file that embed_speech.encoder names")
    with written_whole(folder / ENCODER_FILE) as partial:
        shutil.copyfile(source, partial)
    return {"encoder": source.name, DIGEST: file_sha256(folder / ENCODER_FILE)}


def check_encoder(path: Path, sha256: str) -> None:
    """Check that a copy of an encoder is the recorded one.

    Raises:
        InputError: it is missing or another one.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected the ONNX encoder with sha256 {sha256[:12]}...")
    found = file_sha256(path)
    if found != sha256:
        raise InputError(
            f"{path}: found sha256 {found[:12]}..., expected {sha256[:12]}...: not the encoder of what lies beside "
            "it; run embed_speech and what follows it again"
        )


class OnnxEncoder:
    """Embeds clips of any length one by one, because such a network cannot tell padding from silence.

    The mean and the deviation over time of each chosen output [1, frames, width] are joined; an output [1, width] is
    used unchanged. Then follow, for each segment, the means of all outputs with frames.

    Attributes:
        name: of the file that the user brought.
        width: of an embedding.
        segment_width: numbers that an embedding has for each segment; 0 if no output has frames.
    """

    def __init__(self, path: Path, made: Mapping[str, Any]) -> None:
        """Open the encoder that made some embeddings.

        Args:
            path: its file.
            made: the record of the encoder: its name `encoder`, its digest, `taps`, the outputs that are used, and
                `segments`, the number of equal parts of a clip.

        Raises:
            InputError: the file is missing, is another one or is not an ONNX network; its input or an output has
                another type or shape than is needed; it lacks one of the outputs; or the extra `onnx` is not installed.
        """
        check_encoder(path, made[DIGEST])
        self.name: str = made["encoder"]
        self._path = path
        self._taps = list(made["taps"])
        self._segments: int = made["segments"]
        self._session = _open(path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or not _takes_clips(inputs[0]):
            raise self._error(f"inputs: found {', '.join(map(_described, inputs)) or 'none'}, {_EXPECTED_INPUT}")
        self._input: str = inputs[0].name
        names = [output.name for output in self._session.get_outputs()]
        if missing := [tap for tap in self._taps if tap not in names]:
            raise self._error(f"taps: found no output {missing}, expected some of {names}")
        # The file may leave the sizes of its outputs open, so one is measured.
        noise = 0.05 * np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ)
        outputs = self._run(noise.astype(np.float32))
        framed = sum(output.shape[1] for output in outputs if output.ndim == _FRAMES)
        self.segment_width: int = framed if self._segments else 0
        self.width = len(self._joined(outputs, len(noise)))

    def __call__(self, clips: Sequence[Float32Array]) -> Float32Array:
        """Embeddings float32 [n, width] of prepared clips, float32 [samples] each, in their order.

        Raises:
            InputError: the network fails on a clip, or its values do not fit into half precision.
        """
        embeddings = np.empty((len(clips), self.width), np.float32)
        for row, clip in zip(embeddings, clips, strict=True):
            row[:] = self._embed(clip)
        return embeddings

    def _embed(self, clip: Float32Array) -> Float32Array:
        return self._joined(self._run(clip), len(clip))

    def _run(self, clip: Float32Array) -> list[Float32Array]:
        """The chosen outputs of a clip: float32 [frames, width] or [width] each."""
        try:
            outputs = self._session.run(self._taps, {self._input: clip[np.newaxis]})
        except Exception as error:  # the runtime's own errors have no common class
            raise self._error(f"fails on a clip of {len(clip)} samples: {error}") from error
        return [self._checked(tap, values) for tap, values in zip(self._taps, outputs, strict=True)]

    def _checked(self, tap: str, values: Any) -> Float32Array:
        kind = getattr(values, "dtype", None)
        if kind not in (np.float32, np.float16) or values.ndim not in (2, 3) or len(values) != 1 or not values.size:
            found = f"{kind} {list(values.shape)}" if kind is not None else type(values).__name__
            raise self._error(f"output {tap}: found {found} of one clip, {_EXPECTED_OUTPUT}")
        one: Float32Array = values[0].astype(np.float32)
        return one

    def _joined(self, outputs: Sequence[Float32Array], samples: int) -> Float32Array:
        """The embedding of a clip of so many samples."""
        framed = [output for output in outputs if output.ndim == _FRAMES]
        with np.errstate(all="ignore"):  # values that are not finite are reported below
            parts = [_statistics(output) if output.ndim == _FRAMES else output for output in outputs]
            if self.segment_width:
                means = [segment_means(output, self._segments) for output in framed]
                parts.append(np.concatenate(means, axis=1).ravel())
        embedding = np.concatenate(parts)
        if not np.abs(embedding).max() <= _LARGEST:
            raise self._error(f"gives a clip of {samples} samples values that are no numbers or exceed {_LARGEST:g}")
        return embedding

    def _error(self, problem: str) -> InputError:
        shown = self._path if self.name == self._path.name else f"{self._path} ({self.name})"
        return InputError(f"{shown}: {problem}")


def _statistics(frames: Float32Array) -> Float32Array:
    return np.concatenate([frames.mean(0), np.sqrt(frames.var(0) + EPSILON)])


def _open(path: Path) -> Any:
    with extra("onnx"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get(_THREADS, "0"))
    options.use_deterministic_compute = True
    options.log_severity_level = _FATAL
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own errors have no common class
        raise InputError(f"{path}: {error}, expected an ONNX network with its weights in the same file") from error


def _takes_clips(given: Any) -> bool:
    """Whether an input is float32 [clips, samples], with any number of samples, and with any number of clips or one."""
    if given.type != "tensor(float)" or len(given.shape) != 2:
        return False
    clips, samples = given.shape
    return (not isinstance(clips, int) or clips == 1) and not isinstance(samples, int)


def _described(given: Any) -> str:
    return f"{given.name} {given.type} {given.shape}"
