"""Compare the encoder of Whisper in this library with CTranslate2, which runs the file that its weights come from.

CTranslate2 gives the last output alone. It hears the spectrogram of the port twice: of the clip alone, where the port
must agree up to rounding, and with silence up to 30 s, as Whisper was trained.

Needs the package `ctranslate2`, which is not locked. For example: python -m benchmarks.whisper_port recordings/ravdess
"""

from pathlib import Path
from typing import Annotated

import ctranslate2
import keras
import numpy as np
import typer

from benchmarks._measure import write_section
from benchmarks.speech_port import SEED, agreement
from deepemo.audio.io.decode import read_recording
from deepemo.models.speech.family import EmbedSpeech
from deepemo.models.speech.front_end import SpeechFrontEnd
from deepemo.models.speech.weights import load_encoder
from deepemo.models.speech.whisper import POSITIONS, frames_of
from deepemo.models.speech.whisper_weights import WHEEL
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import table


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings, in it and in its folders.")],
    clips: Annotated[int, typer.Option(help="So many of them, drawn.")] = 12,
) -> None:
    """Compare both on real recordings, and write the table."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".wav", ".flac"))
    drawn = np.random.default_rng(SEED).choice(np.array(paths, object), min(clips, len(paths)), replace=False)
    recordings = [read_recording(path) for path in drawn]
    front_end = SpeechFrontEnd(load_params().section("embed_speech", EmbedSpeech))
    prepared = [front_end.prepare(recording.mono(), recording.rate_hz) for recording in recordings]
    port = load_encoder("whisper_tiny_en")
    spectrogram = keras.Model(port.inputs, port.get_layer("spectrogram").output)
    original = ctranslate2.models.Whisper(str(WHEEL.path().parent), compute_type="float32")

    def heard(samples: np.ndarray) -> np.ndarray:
        """The original's output, float32 [frames, channels]."""
        bands = spectrogram([samples[np.newaxis], np.array([len(samples)], np.int32)]).numpy().transpose(0, 2, 1)
        output = original.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(bands)))
        return np.array(output)[0]

    found = [port([clip[np.newaxis], np.array([len(clip)], np.int32)])[-1].numpy()[0] for clip in prepared]
    padded = [heard(np.append(clip, np.zeros(POSITIONS * 320 - len(clip), np.float32))) for clip in prepared]
    references = {
        "the clip alone": [heard(clip) for clip in prepared],
        "the clip and silence up to 30 s": [
            whole[: frames_of(len(clip))] for whole, clip in zip(padded, prepared, strict=True)
        ],
    }
    rows = []
    for name, reference in references.items():
        agrees = agreement(reference, found)
        rows.append([name, f"{agrees.relative_error:.1e}", f"{agrees.cosine:.5f}"])
    head = ["what CTranslate2 hears", "relative error of the port", "cosine"]
    text = (
        f"`python -m benchmarks.whisper_port {folder.name} --clips {clips}`, CTranslate2 {ctranslate2.__version__}\n\n"
        f"{table(head, rows)}"
    )
    print(text)
    write_section("Whisper's encoder and its original", text)


if __name__ == "__main__":
    typer.run(main)
