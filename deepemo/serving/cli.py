"""The command `deepemo`: recognize files, listen, serve the API and the page, list corpora, export models.

Exit status: 0, every recording was answered (`unknown` is an answer too); 1, some could not be read, the others are
answered; 2, the command was wrong, there is no usable model, or the answers cannot be written; 141, the reader of the
answers closed the pipe.
"""

import io
import os
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from deepemo.corpora.download.own import source_dir_of
from deepemo.corpora.listing import describe_corpora, json_listing, listing, short_listing
from deepemo.errors import extra
from deepemo.files import MODELS, RAW, write_text
from deepemo.http.server import LOOPBACK, MIB, Settings, address_of, bind, run
from deepemo.http.workers import serve_by_workers
from deepemo.serving.command import (
    SOME_UNREADABLE,
    MinConfidence,
    Models,
    OfOrigin,
    OfVoice,
    Which,
    clear_errors,
    finite,
    load,
    quiet_tensorflow,
    read_voice,
)
from deepemo.serving.folders import STANDARD_INPUT, by_folder, list_files, recognize_all, recognize_voices
from deepemo.serving.listen import listen
from deepemo.serving.models_folder import read_bundle
from deepemo.serving.options import (
    HOP_SECONDS,
    LONGEST_HOP_SECONDS,
    LONGEST_SECONDS,
    MAX_SECONDS,
    SHORTEST_HOP_SECONDS,
    Channel,
    Channels,
    RecognitionOptions,
)
from deepemo.serving.printing import AnswerTable, Csv, JsonLines, Printer
from deepemo.serving.results import UNREADABLE

API_KEY_VARIABLE = "DEEPEMO_API_KEY"

app = typer.Typer(
    help="Recognize emotions in recordings of speech.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def predict(
    given: Annotated[
        list[Path],
        typer.Argument(metavar="FILE_OR_FOLDER", help="Sound files, folders of them, or - for standard input."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: one row per file, or one per segment.")] = False,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show how the answer changes over long recordings.")
    ] = False,
    hop_seconds: Annotated[
        float,
        typer.Option(
            min=SHORTEST_HOP_SECONDS,
            max=LONGEST_HOP_SECONDS,
            callback=finite,
            help="Seconds from one window of a timeline to the next.",
        ),
    ] = HOP_SECONDS,
    min_confidence: MinConfidence = None,
    max_seconds: Annotated[
        float, typer.Option(min=1, max=LONGEST_SECONDS, callback=finite, help="Longest recording that is read.")
    ] = MAX_SECONDS,
    channel: Annotated[
        Channels, typer.Option("--channel", help="Which of several channels is heard; each: one answer per channel.")
    ] = Channels.MIX,
    voice: OfVoice = None,
    same_voice: Annotated[
        bool, typer.Option("--same-voice", help="All recordings are of one speaker: compare each with the others.")
    ] = False,
    voice_per_folder: Annotated[
        bool, typer.Option("--voice-per-folder", help="The same, but with one speaker for each folder.")
    ] = False,
    model: Which = None,
    origin: OfOrigin = None,
    models: Models = MODELS,
) -> None:
    """Recognize the emotion in recordings.

    Exit status 1 if some of them could not be read; the others are answered. 2 if the command is wrong, there is no
    usable model, or the answers cannot be written.
    """
    if json and csv:
        raise typer.BadParameter("choose one of --json and --csv")
    if sum((voice is not None, same_voice, voice_per_folder)) > 1:
        raise typer.BadParameter("choose one of --voice, --same-voice and --voice-per-folder")
    if (voice is not None or same_voice or voice_per_folder) and channel is Channels.EACH:
        raise typer.BadParameter("--channel each is for several speakers, and a voice is of one; choose one channel")
    if given.count(STANDARD_INPUT) > 1:
        raise typer.BadParameter("standard input can be read once")
    paths = list_files(given)
    if not paths:
        typer.echo(f"error: no recordings in {', '.join(map(str, given))}", err=True)
        raise typer.Exit(SOME_UNREADABLE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names that are not UTF-8 are printed unchanged
    with clear_errors():
        options = RecognitionOptions(
            timeline=timeline,
            hop_seconds=hop_seconds,
            min_confidence=min_confidence,
            max_seconds=max_seconds,
            channel=channel.number,
        )
        reference = read_voice(voice)
        recognizer = load(models, model, origin)
        printer: Printer = AnswerTable(paths, timeline=timeline, colour=sys.stdout.isatty())
        if json or csv:
            printer = JsonLines() if json else Csv(recognizer.model.emotions, timeline=timeline)
        if same_voice or voice_per_folder:
            answers = recognize_voices(recognizer, [paths] if same_voice else by_folder(paths), options)
        else:
            each = channel is Channels.EACH
            answers = recognize_all(recognizer, paths, options, each_channel=each, voice=reference)
        unreadable = 0
        if header := printer.header():
            typer.echo(header)
        # tqdm stays silent where stderr is no terminal.
        with tqdm(total=len(paths), unit="file", disable=None if len(paths) > 1 else True, leave=False) as progress:
            for path, recognitions in answers:
                with tqdm.external_write_mode(file=sys.stdout):
                    for recognition in recognitions:
                        # Without `color`, typer cuts what looks like a colour out of the names of files.
                        typer.echo(printer.answer(path, recognition), color=True)
                    sys.stdout.flush()
                progress.update()
                if any(recognition.reason in UNREADABLE for recognition in recognitions):
                    unreadable += 1
    if recognizer.expectation and not json and not csv:
        typer.echo(recognizer.expectation, err=True)
    if unreadable:
        typer.echo(f"{unreadable} of {len(paths)} could not be read", err=True)
        raise typer.Exit(SOME_UNREADABLE)


app.command()(listen)


@app.command(name="voice")
def make_voice(
    given: Annotated[
        list[Path], typer.Argument(metavar="FILE_OR_FOLDER", help="Recordings of one speaker, or folders of them.")
    ],
    to: Annotated[Path, typer.Option("--to", "-o", help="JSON file to write.")] = Path("voice.json"),
    max_seconds: Annotated[
        float, typer.Option(min=1, max=LONGEST_SECONDS, callback=finite, help="Longest recording that is read.")
    ] = MAX_SECONDS,
    channel: Annotated[Channel, typer.Option("--channel", help="Which of several channels is heard.")] = Channel.MIX,
    model: Which = None,
    models: Models = MODELS,
) -> None:
    """Make a reference of a speaker's voice from recordings with any emotions, for `predict --voice`.

    A reference can tell this voice from others, as a fingerprint tells people apart: protect it like one.
    """
    with clear_errors():
        paths = list_files(given)
        options = RecognitionOptions(max_seconds=max_seconds, channel=channel.number)
        recognizer = load(models, model, None)
        reference = recognizer.make_reference(paths, options=options)
        write_text(to, reference.to_json() + "\n")
    counted = "1 clip" if reference.recordings == 1 else f"{reference.recordings} clips"
    typer.echo(f"{to}: {counted} with speech (files given: {len(paths)})")
    if recognizer.voice is not None and (problem := recognizer.voice.problem(reference)):
        typer.echo(f"warning: this reference will not be used. {problem}", err=True)


class Format(StrEnum):
    """Format of an exported model."""

    TFLITE = "tflite"
    ONNX = "onnx"


@app.command(name="export")
def export_model(
    kind: Annotated[Format, typer.Option("--format", help="onnx needs the extra deepemo[onnx].")],
    folder: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("exports"),
    model: Which = None,
    origin: OfOrigin = None,
    models: Models = MODELS,
) -> None:
    """Write a model as one file that runs without TensorFlow, and check that it gives the same answers."""
    with clear_errors():
        bundle = read_bundle(models)
        bundle.predictor(model)[1].calibration_for(origin)
        quiet_tensorflow()
        from deepemo.serving.export import export
        from deepemo.serving.predictor import Predictor

        made = export(Predictor.load(models, model, bundle, origin), folder, kind.value)
    typer.echo(
        f"{made.path}: {made.bytes / MIB:.1f} MiB, {made.milliseconds:.1f} ms a clip (TensorFlow "
        f"{made.original_milliseconds:.1f} ms), probabilities within {made.difference:.1g}"
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; by default only for this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = 8000,
    hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Host name of the server; may be repeated; * for any. Default: the names of loopback addresses.",
        ),
    ] = None,
    origins: Annotated[
        list[str] | None,
        typer.Option("--allow-origin", help="Other site whose pages may use the server: https://NAME; repeatable."),
    ] = None,
    max_upload_mib: Annotated[int, typer.Option(min=1, max=4096, help="Largest upload.")] = Settings.max_upload_bytes
    // MIB,
    max_seconds: Annotated[
        float, typer.Option(min=1, max=LONGEST_SECONDS, callback=finite, help="Longest recording.")
    ] = Settings.max_seconds,
    workers: Annotated[
        int,
        typer.Option(min=1, max=1024, help="Processes that share the port, each with a model and limits of its own."),
    ] = 1,
    at_once: Annotated[int, typer.Option(min=1, max=1024, help="Recordings recognized at once.")] = Settings.at_once,
    waiting: Annotated[
        int, typer.Option(min=0, max=1 << 20, help="Further recordings that may wait; more get 503.")
    ] = Settings.waiting,
    connections: Annotated[
        int, typer.Option(min=1, max=1 << 20, help="Connections at once; idle ones are closed for new ones.")
    ] = Settings.connections,
    per_address: Annotated[
        int,
        typer.Option(
            "--connections-per-address",
            min=1,
            max=1 << 20,
            help="Connections of one client's address; behind a proxy, all clients have the same one.",
        ),
    ] = Settings.connections_per_address,
    model: Which = None,
    origin: OfOrigin = None,
    models: Models = MODELS,
) -> None:
    """Serve the HTTP API and the page.

    If the environment variable DEEPEMO_API_KEY is set, the API requires that key.
    """
    quiet_tensorflow()
    api_key = os.environ.get(API_KEY_VARIABLE) or None
    own = tuple(LOOPBACK.values()) if host in LOOPBACK else ()
    if not own and not hosts:
        raise typer.BadParameter(
            f"at {host}, a page of any site could reach the server under that site's own name; give each name of the "
            "server as --allow-host NAME, or --allow-host '*' for any"
        )
    settings = Settings(
        max_upload_bytes=max_upload_mib * MIB,
        max_seconds=max_seconds,
        at_once=at_once,
        waiting=waiting,
        connections=connections,
        connections_per_address=per_address,
        ready_decoders=at_once,
        api_key=api_key,
        hosts=() if hosts and "*" in hosts else tuple(name.lower() for name in hosts or own),
        origins=tuple(origin.lower().rstrip("/") for origin in origins or ()),
    )
    with clear_errors():
        with extra("serve"):
            from deepemo.http.served import Served
        bound = bind(host, port)  # first of all, so that a port that is taken is reported at once
        served = Served.find(models, model, origin, settings)
        if not own and api_key is None:
            typer.echo(f"warning: all who reach {host} can use it; set {API_KEY_VARIABLE} to require a key", err=True)
        say_where = partial(typer.echo, f"{address_of(host, bound)} (Ctrl+C ends it)", err=True)
        if workers > 1:
            serve_by_workers(served.load, bound, settings, count=workers, on_ready=say_where)
            return
        loaded = served.load()
    run(loaded, bound, settings, on_start=say_where)


@app.command()
def corpora(
    raw_dir: Annotated[Path, typer.Option("--raw-dir", help="Folder of the downloaded corpora.")] = RAW,
    source_dir: Annotated[
        Path | None,
        typer.Option(
            "--source-dir",
            help="Folder of your own corpora; by default download.source_dir of the params.yaml in this folder.",
        ),
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Print a table with one line per corpus.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON array with one object per corpus.")] = False,
) -> None:
    """List the corpora, your own included: licence, size, how to get each, and what is on disk."""
    with clear_errors():
        states = describe_corpora(raw_dir, source_dir or source_dir_of(Path("params.yaml")))
        typer.echo(json_listing(states) if json else short_listing(states) if table else listing(states))
