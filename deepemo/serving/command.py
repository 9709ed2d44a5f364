"""Shared by the commands of `deepemo`: options, exit statuses, and the report of errors."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from deepemo.errors import InputError
from deepemo.serving.confidence import Origin
from deepemo.serving.recognizer import Recognizer
from deepemo.serving.voice import VoiceReference

SOME_UNREADABLE = 1
UNUSABLE = 2
# The status that shells give to a program ended by SIGPIPE.
READER_GONE = 141


Models = Annotated[Path, typer.Option("--models", help="Folder of models of a finished pipeline run.")]
Which = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Name of the model that answers; an unknown name lists the models there are.",
        show_default="the best on validation",
    ),
]

OfOrigin = Annotated[
    Origin | None,
    typer.Option(
        "--origin",
        help="Origin of the recordings: heard, for the corpora that the model learned from, or other. Decides the "
        "probabilities, and from which one on an emotion is answered.",
        show_default="other, or heard if the run left no corpus out of training",
    ),
]


def finite(value: float | None) -> float | None:
    """The value of an option, if it is a finite number."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number.")
    return value


MinConfidence = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        callback=finite,
        help="Probability from which an emotion is answered; 0 answers always.",
        show_default="as evaluated",
    ),
]

OfVoice = Annotated[
    Path | None,
    typer.Option("--voice", help="Reference of the speaker's voice, made by `deepemo voice`.", show_default=False),
]


def read_voice(path: Path | None) -> VoiceReference | None:
    """The reference of a voice in a file; None without a file.

    Raises:
        InputError: the file holds none.
        OSError: it cannot be read.
    """
    return None if path is None else VoiceReference.from_json(path.read_bytes(), str(path))


@contextmanager
def clear_errors() -> Iterator[None]:
    """Report errors that users can correct: one line, status 2. Stay silent if nobody reads the output any more."""
    try:
        yield
    except BrokenPipeError as error:
        # Otherwise Python would write the rest of the output at its end, and report an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(READER_GONE) from error
    except (InputError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(UNUSABLE) from error


def quiet_tensorflow() -> None:
    """Turn off the C++ log of TensorFlow at its import, which is of no use to users of commands."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def load(models: Path, model: str | None, origin: Origin | None) -> Recognizer:
    """Load a recognizer; see `Recognizer.load`."""
    quiet_tensorflow()
    return Recognizer.load(models, model, origin)
