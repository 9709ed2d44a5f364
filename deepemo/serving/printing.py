"""Answers as text: tables for people, JSON lines and CSV for programs."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import typer

from deepemo.charts.colours import COLOURS
from deepemo.emotions import Emotions
from deepemo.serving.live import LiveAnswer
from deepemo.serving.results import Recognition, RecordingInfo, Span

# Wide enough for the times of a segment.
NARROWEST_NAME = 22
WIDEST_NAME = 60
# Columns of CSV about the recording: the only channel that was used, counted from 1, and the names of remarks.
_RECORDING = ("channel", "remarks")


class Printer(Protocol):
    """Turns one answer after the other into text."""

    def header(self) -> str | None:
        """Text before the first answer."""

    def answer(self, path: Path, recognition: Recognition) -> str:
        """One answer, in one line or more."""


class JsonLines:
    """One JSON object per line."""

    def header(self) -> str | None:
        """Nothing."""
        return None

    def answer(self, path: Path, recognition: Recognition) -> str:
        """The answer with its file."""
        # In ASCII, whatever the locale; a name that is not UTF-8 keeps its bytes as lone surrogates, for os.fsencode.
        return json.dumps({"file": str(path), **recognition.to_dict()})


class Csv:
    """One row per file, or one per segment."""

    def __init__(self, emotions: Emotions, *, timeline: bool) -> None:
        self._emotions = emotions
        self._timeline = timeline

    def header(self) -> str | None:
        """Names of the columns."""
        span = ("start_seconds", "end_seconds", "answer", "reason", "confidence")
        return _row(["file", *span, *self._emotions, *_RECORDING])

    def answer(self, path: Path, recognition: Recognition) -> str:
        """The rows of one file."""
        whole = Span(
            start_seconds=0.0,
            end_seconds=recognition.recording.seconds if recognition.recording else 0.0,
            answer=recognition.answer,
            reason=recognition.reason,
            probabilities=recognition.probabilities,
        )
        line = recognition.timeline if self._timeline else None
        recording = _recording_cells(recognition.recording)
        spans = line.segments if line else [whole]
        return "\n".join(_row([str(path), *_cells(span, self._emotions), *recording]) for span in spans)


class AnswerTable:
    """A table with columns wide enough for the names of the files."""

    def __init__(self, paths: Sequence[Path], *, timeline: bool, colour: bool) -> None:
        longest = max((len(_plain(str(path))) for path in paths), default=0)
        self._width = min(WIDEST_NAME, max(NARROWEST_NAME, longest))
        self._timeline = timeline
        self._colour = colour

    def header(self) -> str | None:
        """Names of the columns."""
        return f"{'FILE':<{self._width}}  {'ANSWER':<9}{'SURE':>5}{'SECONDS':>9}  REMARK"

    def answer(self, path: Path, recognition: Recognition) -> str:
        """One line for the file, and one for each segment."""
        name = _plain(str(path))
        shown = name if len(name) <= self._width else "…" + name[-(self._width - 1) :]
        seconds = f"{recognition.recording.seconds:.1f}" if recognition.recording else ""
        lines = [
            f"{shown:<{self._width}}  {_sure(recognition.answer, recognition.probabilities, self._colour)}{seconds:>9}"
            f"  {_plain(_remark(path, recognition))}".rstrip()
        ]
        if self._timeline and recognition.timeline:
            lines += [self._segment(segment) for segment in recognition.timeline.segments]
        return "\n".join(lines)

    def _segment(self, segment: Span) -> str:
        span = f"{segment.start_seconds:8.1f} to {segment.end_seconds:.1f} s"
        sure = _sure(segment.answer, segment.probabilities, self._colour)
        return f"{span:<{self._width}}  {sure}  {segment.reason or ''}".rstrip()


class HopPrinter(Protocol):
    """Turns the answers at the hops of a stream, and the one at its end, into text."""

    def header(self) -> str | None:
        """Text before the first answer."""

    def hop(self, answer: LiveAnswer) -> str:
        """The answer at a hop, in one line."""

    def whole(self, name: str, recognition: Recognition) -> str:
        """The answer to all of the sound; `name` says where the sound came from."""


class HopJson:
    """One JSON object per line, as in the messages of `WS /v1/stream`."""

    def header(self) -> str | None:
        """Nothing."""
        return None

    def hop(self, answer: LiveAnswer) -> str:
        """The answer at a hop."""
        return json.dumps({"type": "answer", **answer.to_dict()})

    def whole(self, name: str, recognition: Recognition) -> str:
        """The answer to all of the sound."""
        return json.dumps({"type": "recognition", **recognition.to_dict()})


class HopTable:
    """One line per hop, and at the end the table as for a file."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour

    def header(self) -> str | None:
        """Names of the columns."""
        return f"{'WINDOW':>{NARROWEST_NAME}}  {'ANSWER':<9}{'SURE':>5}  {'SO FAR':<9}{'SURE':>5}  REMARK"

    def hop(self, answer: LiveAnswer) -> str:
        """Times and answer of the window, the answer so far, and the reason if the window's answer is unknown."""
        span = f"{answer.window.start_seconds:.1f} to {answer.window.end_seconds:.1f} s"
        window, so_far = (
            _sure(each.answer, each.probabilities, self._colour) for each in (answer.window, answer.so_far)
        )
        return f"{span:>{NARROWEST_NAME}}  {window}  {so_far}  {answer.window.reason or ''}".rstrip()

    def whole(self, name: str, recognition: Recognition) -> str:
        """The answer to all of the sound, and its segments."""
        source = Path(name)
        table = AnswerTable([source], timeline=True, colour=self._colour)
        return f"\n{table.header()}\n{table.answer(source, recognition)}"


def _sure(answer: str, probabilities: dict[str, float] | None, colour: bool) -> str:
    """An answer and how sure it is, in 14 columns."""
    sure = _percent(max(probabilities.values())) if probabilities else ""
    word = f"{answer:<9}"
    if colour and answer in COLOURS:
        red, green, blue = bytes.fromhex(COLOURS[answer][1:])
        word = typer.style(word, fg=(red, green, blue), bold=True)
    return f"{word}{sure:>5}"


def _percent(share: float) -> str:
    """In whole per cent; a share below 1 is never shown as 100 %."""
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _plain(text: str) -> str:
    """Text in one line, with escapes for characters that control a terminal, which file names may contain."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def _remark(path: Path, recognition: Recognition) -> str:
    parts = [_reason(path, recognition)]
    if recognition.voice is not None and recognition.voice.reason is not None:
        parts.append(f"voice not known: {recognition.voice.reason}")
    if recognition.recording is not None:
        if recognition.recording.channel is not None:
            parts.insert(0, f"channel {recognition.recording.channel + 1}")
        parts += [f"{remark.remark} ({remark.detail})" for remark in recognition.recording.remarks]
    return "; ".join(filter(None, parts))


def _reason(path: Path, recognition: Recognition) -> str:
    if recognition.reason is None:
        return ""
    if recognition.probabilities is None:
        return (recognition.detail or recognition.reason.explanation).removeprefix(f"{path}: ")
    likeliest = sorted(recognition.probabilities.items(), key=lambda pair: -pair[1])[:2]
    return "perhaps " + " or ".join(f"{emotion} ({_percent(value)})" for emotion, value in likeliest)


def _cells(span: Span, emotions: Emotions) -> list[str]:
    content = span.to_dict()
    values = content["probabilities"] or {}
    numbers = [content["confidence"], *(values.get(emotion) for emotion in emotions)]
    return [
        f"{content['start_seconds']:g}",
        f"{content['end_seconds']:g}",
        span.answer,
        span.reason or "",
        *("" if number is None else f"{number:.4f}" for number in numbers),
    ]


def _recording_cells(info: RecordingInfo | None) -> list[str]:
    if info is None:
        return ["", ""]
    channel = "" if info.channel is None else str(info.channel + 1)
    return [channel, ";".join(remark.remark for remark in info.remarks)]


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    # csv always quotes a carriage return or line feed in a cell only if its own lines end with it.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n")
