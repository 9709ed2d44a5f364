"""espeak-ng from the wheel espeakng-loader, in a helper process that keeps no state between utterances.

The library keeps the phase of its waveform, of its flutter and of its noise from one utterance to the next, and neither
`espeak_Terminate` nor unloading it resets them. The helper process therefore initialises it once and forks for every
utterance. Each utterance starts from the same state, and its samples depend only on the request.
"""

import ctypes
import json
import os
import struct
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import espeakng_loader
import numpy as np
import numpy.typing as npt

RATE_HZ = 22050

# Measured on a monotone voice, between the pitches 25 and 75.
PITCH_STEPS_A_SEMITONE = 5.3

# Constants of speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE, _WORD_GAP = 1, 2, 3, 4, 7

# espeak-ng seeds its noise by the clock unless told otherwise.
_NOISE_SEED = 1

# Header of a response: whether samples follow or an error message, and the number of bytes.
_HEADER = struct.Struct("<?I")
_SYNTH_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A text for espeak-ng, with the parameters of the voice.

    Attributes:
        text: the words.
        voice: name of a voice, with a variant after `+`, such as `en-us+f2`.
        rate_wpm: words per minute, 80 to 450.
        pitch: 0 to 100; 50 is the voice's own, see `PITCH_STEPS_A_SEMITONE`.
        pitch_range: 0 (monotone) to 100; 50 is the voice's own.
        word_gap: pause between words, in units of 10 ms at the default rate.
    """

    text: str
    voice: str
    rate_wpm: int
    pitch: int
    pitch_range: int
    word_gap: int


class Espeak:
    """The helper process, as a context manager that ends it. It needs `os.fork`: Linux or macOS."""

    def __enter__(self) -> Self:
        self._helper = subprocess.Popen(
            [sys.executable, "-m", "deepemo.corpora.synthetic.espeak"],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._helper.communicate()

    def speak(self, request: Request) -> npt.NDArray[np.int16]:
        """Synthesise one utterance: int16 [samples] at `RATE_HZ`.

        Raises:
            RuntimeError: espeak-ng does not know the voice, cannot be loaded, or crashed.
        """
        requests, responses = self._helper.stdin, self._helper.stdout
        if requests is None or responses is None:
            raise RuntimeError("the espeak-ng helper was started without pipes")
        try:
            requests.write(json.dumps(asdict(request)).encode() + b"\n")
            requests.flush()
        except BrokenPipeError as error:
            raise RuntimeError("the espeak-ng helper ended early; its own message is above") from error
        header = responses.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise RuntimeError("the espeak-ng helper ended early; its own message is above")
        spoken, size = _HEADER.unpack(header)
        content = responses.read(size)
        if not spoken:
            raise RuntimeError(f"{content.decode()}; asked for {request}")
        return np.frombuffer(content, dtype="<i2").astype(np.int16)


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    if rate != RATE_HZ:
        raise RuntimeError(f"espeak_Initialize returned {rate}, expected a sample rate of {RATE_HZ} Hz")
    return library


def _synthesise(library: ctypes.CDLL, request: Request) -> bytes:
    parts: list[bytes] = []

    def collect(samples: Any, count: int, _events: int) -> int:
        if samples and count > 0:
            parts.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _SYNTH_CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    # espeak-ng silently uses the plain voice if it lacks the variant.
    variant = request.voice.partition("+")[2]
    known = (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / variant).exists()
    if not known or library.espeak_SetVoiceByName(request.voice.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {request.voice!r}")
    for parameter, value in (
        (_RATE, request.rate_wpm),
        (_VOLUME, 100),
        (_PITCH, request.pitch),
        (_RANGE, request.pitch_range),
        (_WORD_GAP, request.word_gap),
    ):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_ng_SetRandSeed(_NOISE_SEED)
    text = request.text.encode()
    if library.espeak_Synth(text, len(text) + 1, 0, 0, 0, _CHARS_UTF8, None, None) != 0:
        raise RuntimeError(f"espeak-ng could not speak {request.text!r}")
    library.espeak_Synchronize()
    return b"".join(parts)


def _respond(library: ctypes.CDLL, line: bytes) -> bytes:
    try:
        samples = _synthesise(library, Request(**json.loads(line)))
    except RuntimeError as error:
        return _failure(str(error))
    return _HEADER.pack(True, len(samples)) + samples


def _failure(message: str) -> bytes:
    content = message.encode()
    return _HEADER.pack(False, len(content)) + content


def _serve(requests: BinaryIO, responses: BinaryIO) -> None:
    library = _load()
    for line in requests:
        child = os.fork()
        if child == 0:
            responses.write(_respond(library, line))
            responses.flush()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status != 0:
            responses.write(_failure(f"espeak-ng ended with status {os.waitstatus_to_exitcode(status)}"))
            responses.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
