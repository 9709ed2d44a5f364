"""The command `deepemo listen`: an answer at each hop while somebody speaks, and one for the whole at the end."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from deepemo.audio.io.headers import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from deepemo.errors import TooLongError
from deepemo.files import MODELS
from deepemo.serving.command import (
    MinConfidence,
    Models,
    OfOrigin,
    OfVoice,
    Which,
    clear_errors,
    finite,
    load,
    read_voice,
)
from deepemo.serving.live import MOST_CHANNELS, LiveStream
from deepemo.serving.options import (
    HOP_SECONDS,
    LONGEST_HOP_SECONDS,
    LONGEST_SECONDS,
    MAX_SECONDS,
    SHORTEST_HOP_SECONDS,
    RecognitionOptions,
)
from deepemo.serving.pcm import PcmFormat
from deepemo.serving.printing import HopJson, HopPrinter, HopTable
from deepemo.serving.sounds import Sound, microphone, standard_input
from deepemo.threads import one_thread_a_product

STANDARD_INPUT = "-"


def listen(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[-]", help="- for PCM from standard input.", show_default="the microphone"),
    ] = None,
    rate_hz: Annotated[
        int | None,
        typer.Option(
            "--rate",
            min=LOWEST_RATE_HZ,
            max=HIGHEST_RATE_HZ,
            help="Samples per second; required for standard input.",
            show_default="the microphone's own",
        ),
    ] = None,
    kind: Annotated[
        PcmFormat, typer.Option("--format", help="Of standard input: 16-bit integers or 32-bit floats, little-endian.")
    ] = PcmFormat.S16,
    channels: Annotated[int, typer.Option(min=1, max=MOST_CHANNELS, help="Of standard input; they are mixed.")] = 1,
    device: Annotated[
        str | None,
        typer.Option(help="Number of a microphone, or a part of its name.", show_default="the one of the system"),
    ] = None,
    hop_seconds: Annotated[
        float,
        typer.Option(
            min=SHORTEST_HOP_SECONDS, max=LONGEST_HOP_SECONDS, callback=finite, help="Time from one answer to the next."
        ),
    ] = HOP_SECONDS,
    min_confidence: MinConfidence = None,
    max_seconds: Annotated[
        float, typer.Option(min=1, max=LONGEST_SECONDS, callback=finite, help="Listening ends after this time.")
    ] = MAX_SECONDS,
    voice: OfVoice = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object per line, as WS /v1/stream.")] = False,
    model: Which = None,
    origin: OfOrigin = None,
    models: Models = MODELS,
) -> None:
    """Recognize emotions while somebody speaks; Ctrl+C ends it, and the whole recording is answered.

    The sound comes from the microphone, which needs the extra deepemo[microphone], or through a pipe:
    ffmpeg -i call.mp3 -f s16le -ac 1 -ar 16000 - | deepemo listen - --rate 16000
    """
    if source not in (None, STANDARD_INPUT):
        raise typer.BadParameter(f"found {source!r}, expected - or nothing; `deepemo predict` reads files")
    if source == STANDARD_INPUT and rate_hz is None:
        raise typer.BadParameter("PCM from standard input needs its --rate")
    printer: HopPrinter = HopJson() if json else HopTable(colour=sys.stdout.isatty())
    options = RecognitionOptions(hop_seconds=hop_seconds, min_confidence=min_confidence, max_seconds=max_seconds)
    with clear_errors():
        reference = read_voice(voice)
        opened: AbstractContextManager[Sound]
        if source is None or rate_hz is None:
            opened = microphone(device, rate_hz)
        else:
            opened = nullcontext(standard_input(kind, rate_hz=rate_hz, channels=channels))
        # After the microphone was found, so that a missing one is reported at once.
        recognizer = load(models, model, origin)
        one_thread_a_product()
        recognizer.warm_up()
        with opened as sound:
            live = LiveStream(recognizer, options, rate_hz=sound.rate_hz, channels=sound.channels, voice=reference)
            if live.voice_use is not None and live.voice_use.reason is not None:
                typer.echo(f"warning: the reference of the voice is not used. {live.voice_use.reason}", err=True)
            typer.echo(f"listening to {sound.name}, {sound.rate_hz} Hz (Ctrl+C ends it)", err=True)
            _follow(live, sound, printer)
        _print(printer.whole(sound.name, live.finish()))
    if recognizer.expectation and not json:
        typer.echo(recognizer.expectation, err=True)


def _follow(live: LiveStream, sound: Sound, printer: HopPrinter) -> None:
    """Print the answers at hops until the sound ends or is too long, or somebody presses Ctrl+C."""
    try:
        if header := printer.header():
            _print(header)
        for piece in sound.pieces:
            live.add(piece)
            for answer in live.answers():
                _print(printer.hop(answer))
    except KeyboardInterrupt:
        typer.echo("", err=True)  # the terminal shows ^C in the line
    except TooLongError as error:
        typer.echo(f"listening ended: {error}", err=True)


def _print(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()
