"""Read every format that libsndfile and PyAV can write, whole, cut and damaged, and count what happens.

`python -m benchmarks.damaged_recordings` makes each format and codec at several rates and numbers of channels, cuts
each file at every tenth, damages it many times at random, and reads all of them as `deepemo predict`, `serve`,
`validate` and `gate` do. The trials run in a separate process, so that a decoder that crashes or hangs is counted in
the table. Files and damages are the same each time.
"""

import io
import multiprocessing
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection
from typing import Annotated, Any

import av
import numpy as np
import soundfile
import typer
from tqdm import tqdm

from benchmarks._measure import machine, write_section
from deepemo.audio.io.decode import read_mono, read_recording
from deepemo.errors import DecodeError, TooLongError
from deepemo.reporting.markdown import table

RATES_HZ = (8_000, 16_000, 48_000)
CHANNELS = (1, 2)
SECONDS = 0.4
MOST_SECONDS = 60.0
# A trial hangs if it takes longer. Others take less than a hundredth of this.
PATIENCE_SECONDS = 60.0
OUTCOMES = ("whole", "partial", "refused", "another exception", "crash or hang")
# Formats that write to devices, hosts or several files, or that hold no sound.
_NO_FILES = frozenset(
    {"alsa", "chromaprint", "dash", "fbdev", "fifo", "hds", "hls", "image2", "image2pipe", "mpjpeg", "null", "oss"}
    | {"rtp", "rtp_mpegts", "rtsp", "sap", "sdl", "segment", "smoothstreaming", "stream_segment,ssegment", "tee"}
    | {"crc", "data", "ffmetadata", "framecrc", "framehash", "framemd5", "hash", "md5", "mkvtimestamp_v2", "rawvideo"}
    | {"streamhash", "uncodedframecrc", "video4linux2,v4l2", "webm_chunk", "webm_dash_manifest", "whip", "xv"}
)


@dataclass(frozen=True)
class Format:
    """A container with a codec, and who writes it."""

    writer: str
    container: str
    codec: str

    def make(self, rate_hz: int, channels: int) -> bytes:
        """A short file in this format; raises the writer's error if it cannot be written."""
        samples = _sound(rate_hz, channels)
        content = io.BytesIO()
        if self.writer == "libsndfile":
            soundfile.write(content, samples, rate_hz, format=self.container, subtype=self.codec)
            return content.getvalue()
        with av.open(content, "w", format=self.container) as output:
            stream: Any = output.add_stream(self.codec, rate=rate_hz, layout="mono" if channels == 1 else "stereo")
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples.T), format="fltp", layout=stream.layout.name
            )
            frame.sample_rate, frame.pts = rate_hz, 0
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                output.mux(packet)
        return content.getvalue()


@dataclass
class Outcome:
    """Results of the trials on a format.

    Attributes:
        of_whole: results for whole files.
        of_damaged: results for cut and damaged files.
        faults: exceptions that are not ours, and crashes, with the file of each.
    """

    of_whole: Counter[str] = field(default_factory=Counter)
    of_damaged: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def libsndfile_formats() -> Iterator[Format]:
    """Every format and subtype that libsndfile can write to one file and recognize again.

    Two are left out: `RAW` has no header, and `SD2` has its header in a second file, `._`, which would stay in the
    working folder.
    """
    for container in soundfile.available_formats():
        for codec in soundfile.available_subtypes(container):
            made = Format("libsndfile", container, codec)
            if container not in ("RAW", "SD2") and soundfile.check_format(container, codec) and _writes(made):
                yield made


def pyav_formats() -> Iterator[Format]:
    """Every container that PyAV can write, with every audio codec that it can hold."""
    codecs = [name for name in sorted(av.codec.codecs_available) if _encodes_sound(name)]
    for container in sorted(av.formats_available - _NO_FILES):
        for codec in codecs:
            made = Format("PyAV", container, codec)
            if _writes(made):
                yield made


def damaged(whole: bytes, label: str, count: int) -> Iterator[bytes]:
    """The file cut at every tenth, then with random damages: bytes changed, removed, inserted, zeroed, or cut off."""
    for tenth in range(1, 10):
        yield whole[: len(whole) * tenth // 10]
    random = np.random.default_rng(zlib.crc32(label.encode()))
    for _ in range(count):
        yield _damage(whole, random)


def read(content: bytes, turn: int) -> str:
    """The result of reading a file, in turns as a user's file and as one of a corpus."""
    try:
        if turn % 2:
            recording = read_recording(content, max_seconds=MOST_SECONDS, max_samples=10_000_000)
        else:
            recording = read_mono(content, max_seconds=MOST_SECONDS)
    except (DecodeError, TooLongError):
        return "refused"
    return "whole" if recording.partial is None else "partial"


def try_format(made: Format, damages: int, on_trial: Callable[[int], None] = lambda number: None) -> Outcome:
    """Read a format whole, cut and damaged, at every rate and number of channels that it can be written with."""
    outcome = Outcome()
    number = 0
    for rate_hz in RATES_HZ:
        for channels in CHANNELS:
            try:
                whole = made.make(rate_hz, channels)
            except (av.FFmpegError, soundfile.SoundFileError, ValueError):
                continue  # a codec of one rate, or of one channel
            label = f"{made} at {rate_hz} Hz, {channels} channels"
            for position, content in enumerate([whole, *damaged(whole, label, damages)]):
                number += 1
                on_trial(number)
                try:
                    became = read(content, number)
                except Exception as error:
                    became = "another exception"
                    outcome.faults.append(f"{label}, file {position}: {type(error).__name__}: {error}")
                (outcome.of_damaged if position else outcome.of_whole)[became] += 1
    return outcome


def _damage(whole: bytes, random: np.random.Generator) -> bytes:
    content = bytearray(whole)
    # Half of the damages are in the header, because decoders rely on it.
    within = min(len(content), 128) if random.random() < 0.5 else len(content)
    position = int(random.integers(within))
    length = int(random.integers(1, 33))
    match random.integers(5):
        case 0:
            for place in random.integers(within, size=length):
                content[place] = random.integers(256)
        case 1:
            del content[position : position + length]
        case 2:
            content[position:position] = random.bytes(length)
        case 3:
            content[position : position + length] = bytes(length)
        case _:
            content[position] ^= 1 << int(random.integers(8))
            del content[int(random.integers(len(content))) :]
    return bytes(content)


@cache
def _sound(rate_hz: int, channels: int) -> Any:
    """A voice-like buzz with noise, float32 [frames, channels]."""
    moments = np.arange(round(SECONDS * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 150 * harmonic * moments) / harmonic for harmonic in range(1, 8))
    noise = np.random.default_rng(0).normal(0, 0.02, (len(moments), channels))
    return (0.15 * np.asarray(buzz)[:, np.newaxis] + noise).astype(np.float32)


def _encodes_sound(name: str) -> bool:
    try:
        return av.Codec(name, "w").type == "audio"
    except (av.FFmpegError, ValueError):
        return False


def _writes(made: Format) -> bool:
    for rate_hz in RATES_HZ:
        try:
            return len(made.make(rate_hz, 1)) > 0
        except (av.FFmpegError, soundfile.SoundFileError, ValueError):
            continue
    return False


def _work(connection: Connection, damages: int) -> None:
    """Answer formats with outcomes until there are no more; send the number of each trial before it starts."""
    av.logging.set_level(None)
    while (made := connection.recv()) is not None:
        connection.send(try_format(made, damages, connection.send))


class Worker:
    """A process that tries formats; it is started again after a crash."""

    def __init__(self, damages: int) -> None:
        self._damages = damages
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._damages), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, made: Format) -> Outcome:
        """The outcome of a format."""
        trial = 0
        try:
            self._connection.send(made)
            while self._connection.poll(PATIENCE_SECONDS):
                said = self._connection.recv()
                if isinstance(said, Outcome):
                    return said
                trial = said
            self._process.kill()
        except (EOFError, ConnectionError):
            pass  # the process is gone; its exit code says why
        self._process.join()
        fault = f"{made}, trial {trial}: process ended with {self._process.exitcode}"
        self._start()
        return Outcome(of_damaged=Counter({"crash or hang": 1}), faults=[fault])

    def close(self) -> None:
        """End the process."""
        self._connection.send(None)
        self._process.join()


def _rows(outcomes: dict[Format, Outcome]) -> list[list[str]]:
    """One row for each container: its writer, its number of codecs, and the results for whole and damaged files."""
    rows = []
    for writer, container in dict.fromkeys((made.writer, made.container) for made in outcomes):
        of_it = [outcome for made, outcome in outcomes.items() if (made.writer, made.container) == (writer, container)]
        whole = sum((outcome.of_whole for outcome in of_it), Counter[str]())
        bad = sum((outcome.of_damaged for outcome in of_it), Counter[str]())
        rows.append(
            [writer, container, str(len(of_it))]
            + [f"{whole[name]:,}" for name in OUTCOMES[:3]]
            + [f"{bad[name]:,}" for name in OUTCOMES[:3]]
            + [f"{whole[name] + bad[name]:,}" for name in OUTCOMES[3:]]
        )
    return rows


def report(outcomes: dict[Format, Outcome], damages: int) -> str:
    """The section of docs/benchmarks.md."""
    trials = sum(sum((outcome.of_whole + outcome.of_damaged).values()) for outcome in outcomes.values())
    heads = ["written by", "container", "codecs", *OUTCOMES[:3]]
    heads += [*(f"damaged: {name}" for name in OUTCOMES[:3]), *OUTCOMES[3:]]
    rates = ", ".join(f"{rate_hz / 1000:g}" for rate_hz in RATES_HZ)
    return (
        f"`python -m benchmarks.damaged_recordings --damages {damages}` on {machine()}.\n\n"
        f"{len(outcomes)} formats, each at {rates} kHz with one and two channels if it allows them. Each file is read "
        f"whole, cut at every tenth, and with {damages} random damages: {trials:,} files. `partial` is read with that "
        "remark, `refused` ends in one error that names the file. Some damage cannot be noticed, because a sample of "
        "PCM may have any value.\n\n" + table(heads, _rows(outcomes))
    )


def main(
    damages: Annotated[int, typer.Option(min=0, help="Random damages of each file.")] = 200,
    only: Annotated[str | None, typer.Option(help="Containers to try, comma-separated; nothing is written.")] = None,
) -> None:
    """Read every format whole, cut and damaged, and write the results to docs/benchmarks.md."""
    wanted = None if only is None else set(only.split(","))
    formats = [made for made in (*libsndfile_formats(), *pyav_formats()) if wanted is None or made.container in wanted]
    worker = Worker(damages)
    outcomes = {made: worker.run(made) for made in tqdm(formats, unit="format")}
    worker.close()
    total = sum((outcome.of_whole + outcome.of_damaged for outcome in outcomes.values()), Counter[str]())
    for outcome in outcomes.values():
        for fault in outcome.faults:
            typer.echo(fault, err=True)
    typer.echo(f"{sum(total.values()):,} trials: " + ", ".join(f"{total[name]:,} {name}" for name in OUTCOMES))
    if wanted is None:
        write_section("Damaged recordings", report(outcomes, damages))


if __name__ == "__main__":
    typer.run(main)
