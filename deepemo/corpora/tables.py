"""Tables beside the recordings of a corpus, with facts that the names of its recordings do not tell.

A corpus describes the columns of its tables (`SideTable`). Their content (`Labels`) is read from the folder or archive
with the recordings.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from deepemo.errors import InputError
from deepemo.recordings import SUFFIXES

# Reads a file beside the recordings by its path, or the end of its path; None if there is none.
ReadBeside = Callable[[str], bytes | None]
SPEAKER = "speaker"
ANSWER = "answer"


@dataclass(frozen=True, kw_only=True)
class SideTable:
    """A CSV beside the recordings.

    Attributes:
        path: its path in the corpus; in copies, this may be only the end of its path.
        about: what a row is about: a `recording`, a `speaker`, or the `answer` of one listener to a recording.
        key: the column that names the recording (by its path or the end of its path) or the speaker.
        columns: columns by what they tell: `speaker`, `emotion`, `gender`, `sentence`, `intensity`; for answers,
            `emotion` is what the listener heard.
        votes: by emotion, the column with the number of listeners who heard it; empty if there are none.
        where: a column and a pattern. Only rows whose cell matches the whole pattern are used; None: all rows.
        separator: between cells.
        required: whether the table must be there to read the recordings.
    """

    path: str
    about: Literal["recording", "speaker", "answer"] = "recording"
    key: str
    columns: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, str] = field(default_factory=dict)
    where: tuple[str, str] | None = None
    separator: str = ","
    required: bool = True


class Cell(NamedTuple):
    """A value of a table, and its position: `labels.csv, line 3`."""

    value: str
    place: str


@dataclass(frozen=True)
class Labels:
    """The content of a corpus's tables.

    Attributes:
        recordings: what the tables tell, by recording (its path or the end of its path, without suffix).
        speakers: the same by speaker code.
        answers: by recording, how many listeners heard each emotion, by the table's word for it.
    """

    recordings: dict[str, dict[str, Cell]]
    speakers: dict[str, dict[str, Cell]]
    answers: dict[str, dict[str, int]]

    def key_of(self, path: str) -> str | None:
        """The key under which the tables list a recording; None if they do not."""
        return next((end for end in _ends(path) if end in self.recordings), None)

    def of_recording(self, path: str) -> Mapping[str, Cell] | None:
        """What the tables tell of a recording; None if they do not list it."""
        key = self.key_of(path)
        return None if key is None else self.recordings[key]

    def answers_to(self, path: str) -> Mapping[str, int]:
        """How many listeners heard each emotion in a recording; empty if nobody was asked."""
        return next((self.answers[end] for end in _ends(path) if end in self.answers), {})


def read_labels(tables: Sequence[SideTable], read_beside: ReadBeside) -> Labels:
    """Read the tables of a corpus.

    Args:
        tables: which they are.
        read_beside: reads a file beside the recordings.

    Raises:
        InputError: a required table is missing; or a table is not a CSV in UTF-8, lacks a column, or contradicts itself
            about a recording or speaker. The message names the file and the line.
    """
    labels = Labels({}, {}, {})
    for table in tables:
        content = read_beside(table.path)
        if content is None and table.required:
            raise InputError(f"{table.path}: no such file beside the recordings, expected the table of their labels")
        if content is not None:
            _read_table(table, content, labels)
    return labels


def recording_key(path: str) -> str:
    """A recording's path without its suffix: the key under which the tables are searched."""
    plain = PurePosixPath(path.replace("\\", "/").strip())
    return str(plain.with_suffix("") if plain.suffix.lower() in SUFFIXES else plain)


def column_names(content: bytes, separator: str) -> list[str]:
    """The header of a CSV; bytes that are not UTF-8 are replaced."""
    lines = io.StringIO(content.decode("utf-8-sig", "replace"), newline=None)
    return [name.strip() for name in next(csv.reader(lines, delimiter=separator), [])]


def read_rows(table: SideTable, content: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table that `where` selects, with their line numbers. Spaces at the ends of cells are removed.

    Raises:
        InputError: it is not a CSV in UTF-8, or lacks a column.
    """
    wanted = [table.key, *table.columns.values(), *table.votes.values(), *([table.where[0]] if table.where else [])]
    try:
        # `newline=None` also reads files whose lines end in a single carriage return.
        lines = csv.DictReader(
            io.StringIO(content.decode("utf-8-sig"), newline=None), delimiter=table.separator, strict=True
        )
        header = [name.strip() for name in lines.fieldnames or []]
        lines.fieldnames = header
        if missing := [name for name in wanted if name not in header]:
            raise InputError(f"{table.path}, line 1: found the columns {header}, expected {missing} among them")
        for cells in lines:
            row = {name: (cells.get(name) or "").strip() for name in wanted}
            if table.where is None or re.fullmatch(table.where[1], row[table.where[0]]):
                yield lines.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table.path}: expected a CSV in UTF-8: {error}") from error


def _read_table(table: SideTable, content: bytes, labels: Labels) -> None:
    own: dict[str, int] = {}
    for line, row in read_rows(table, content):
        place = f"{table.path}, line {line}"
        key = row[table.key]
        if not key:
            raise InputError(f"{place}: {table.key}: found nothing, expected the name of a {table.about}")
        if table.about != SPEAKER:
            key = recording_key(key)
        if table.about == ANSWER:
            _count(labels.answers, key, {row[table.columns["emotion"]]: 1})
            continue
        if key in own:
            raise InputError(f"{place}: lists {row[table.key]!r} again, which line {own[key]} lists already")
        own[key] = line
        told = {what: Cell(row[column], place) for what, column in table.columns.items()}
        _tell(labels.speakers if table.about == SPEAKER else labels.recordings, key, told)
        if table.votes:
            _count(labels.answers, key, {word: _whole(row[name], name, place) for word, name in table.votes.items()})


def _tell(rows: dict[str, dict[str, Cell]], key: str, told: Mapping[str, Cell]) -> None:
    known = rows.setdefault(key, {})
    for what, cell in told.items():
        if what in known and known[what].value != cell.value:
            raise InputError(
                f"{cell.place}: {what} of {key}: found {cell.value!r}, expected {known[what].value!r} as in "
                f"{known[what].place}"
            )
        known.setdefault(what, cell)


def _count(rows: dict[str, dict[str, int]], key: str, more: Mapping[str, int]) -> None:
    known = rows.setdefault(key, {})
    for word, listeners in more.items():
        known[word] = known.get(word, 0) + listeners


def _whole(text: str, column: str, place: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{place}: {column}: found {text!r}, expected how many listeners heard it")
    return int(text)


def _ends(path: str) -> Iterator[str]:
    """A recording's path without its suffix, and all ends of that, the longest first."""
    parts = recording_key(path).split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))
