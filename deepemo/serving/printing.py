"""Answers as text: a table for people, JSON lines and CSV for programs; each answer complete by itself."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import typer

from deepemo.charts.colours import COLOURS
from deepemo.emotions import EMOTIONS
from deepemo.serving.reasons import WORDS
from deepemo.serving.results import Heard, Probabilities, Recognition, Span

# Wide enough for the times of a segment.
NARROWEST_NAME = 22
WIDEST_NAME = 60
# Columns of CSV on the recording: the channel that alone was heard, the first being 1, and the names of remarks.
_RECORDING = ("channel", "remarks")


class Printer(Protocol):
    """Turns answers into text, one after the other."""

    def header(self) -> str | None:
        """What comes first."""

    def answer(self, path: Path, recognition: Recognition) -> str:
        """One answer, in one line or more."""


class JsonLines:
    """An object a line."""

    def header(self) -> str | None:
        """Nothing."""
        return None

    def answer(self, path: Path, recognition: Recognition) -> str:
        """The answer with its file."""
        # In ASCII, whatever the locale; a name that is not UTF-8 keeps its bytes as lone surrogates, for os.fsencode.
        return json.dumps({"file": str(path), **recognition.to_dict()})


class Csv:
    """A row a file, or a row a segment."""

    def __init__(self, timeline: bool) -> None:
        self._timeline = timeline

    def header(self) -> str | None:
        """Names of the columns."""
        return _row(["file", "start_seconds", "end_seconds", "answer", "reason", "confidence", *EMOTIONS, *_RECORDING])

    def answer(self, path: Path, recognition: Recognition) -> str:
        """The rows of one file."""
        whole = Span(
            start_seconds=0.0,
            end_seconds=recognition.heard.seconds if recognition.heard else 0.0,
            answer=recognition.answer,
            reason=recognition.reason,
            probabilities=recognition.probabilities,
        )
        line = recognition.timeline if self._timeline else None
        recording = _recording_cells(recognition.heard)
        return "\n".join(_row([str(path), *_cells(span), *recording]) for span in (line.segments if line else [whole]))


class Table:
    """Columns wide enough for the names."""

    def __init__(self, paths: Sequence[Path], *, timeline: bool, colour: bool) -> None:
        longest = max((len(_plain(str(path))) for path in paths), default=0)
        self._width = min(WIDEST_NAME, max(NARROWEST_NAME, longest))
        self._timeline = timeline
        self._colour = colour

    def header(self) -> str | None:
        """Names of the columns."""
        return f"{'FILE':<{self._width}}  {'ANSWER':<9}{'SURE':>5}{'SECONDS':>9}  REMARK"

    def answer(self, path: Path, recognition: Recognition) -> str:
        """A line a file, and one a segment."""
        name = _plain(str(path))
        shown = name if len(name) <= self._width else "…" + name[-(self._width - 1) :]
        seconds = f"{recognition.heard.seconds:.1f}" if recognition.heard else ""
        lines = [
            f"{shown:<{self._width}}  {self._sure(recognition.answer, recognition.probabilities)}{seconds:>9}"
            f"  {_plain(_remark(path, recognition))}".rstrip()
        ]
        if self._timeline and recognition.timeline:
            lines += [self._segment(segment) for segment in recognition.timeline.segments]
        return "\n".join(lines)

    def _segment(self, segment: Span) -> str:
        span = f"{segment.start_seconds:8.1f} to {segment.end_seconds:.1f} s"
        sure = self._sure(segment.answer, segment.probabilities)
        return f"{span:<{self._width}}  {sure}  {segment.reason or ''}".rstrip()

    def _sure(self, answer: str, probabilities: Probabilities | None) -> str:
        sure = _percent(max(probabilities.values())) if probabilities else ""
        word = f"{answer:<9}"
        if self._colour and answer in COLOURS:
            red, green, blue = bytes.fromhex(COLOURS[answer][1:])
            word = typer.style(word, fg=(red, green, blue), bold=True)
        return f"{word}{sure:>5}"


def _percent(share: float) -> str:
    """In whole per cent; certainty is never rounded up to."""
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def _plain(text: str) -> str:
    """Text in one line that cannot command a terminal: file names may hold anything."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def _remark(path: Path, recognition: Recognition) -> str:
    said = [_reason(path, recognition)]
    if recognition.heard is not None:
        if recognition.heard.channel is not None:
            said.insert(0, f"channel {recognition.heard.channel + 1}")
        said += [f"{remark.name} ({remark.detail})" for remark in recognition.heard.remarks]
    return "; ".join(filter(None, said))


def _reason(path: Path, recognition: Recognition) -> str:
    if recognition.reason is None:
        return ""
    if recognition.probabilities is None:
        return (recognition.detail or WORDS[recognition.reason]).removeprefix(f"{path}: ")
    likeliest = sorted(recognition.probabilities.items(), key=lambda pair: -pair[1])[:2]
    return "perhaps " + " or ".join(f"{emotion} ({_percent(value)})" for emotion, value in likeliest)


def _cells(span: Span) -> list[str]:
    content = span.to_dict()
    values = content["probabilities"] or {}
    numbers = [content["confidence"], *(values.get(emotion) for emotion in EMOTIONS)]
    return [
        f"{content['start_seconds']:g}",
        f"{content['end_seconds']:g}",
        span.answer,
        span.reason or "",
        *("" if number is None else f"{number:.4f}" for number in numbers),
    ]


def _recording_cells(heard: Heard | None) -> list[str]:
    if heard is None:
        return ["", ""]
    channel = "" if heard.channel is None else str(heard.channel + 1)
    return [channel, ";".join(remark.name for remark in heard.remarks)]


def _row(cells: Sequence[str]) -> str:
    line = io.StringIO()
    # So that a carriage return or newline in a cell is quoted: csv quotes, for certain, only what ends its own lines.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().removesuffix("\r\n")
