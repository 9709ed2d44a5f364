"""The manifest of a user's own corpus: `corpus.yaml` in the folder of its recordings.

docs/adding-a-corpus.md describes its keys.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn

from deepemo.corpora.audformat import HEADER, speaker_genders, tables_of
from deepemo.corpora.definition import GENDERS, Corpus, Own
from deepemo.corpora.tables import ReadBeside, SideTable, column_names, recording_key
from deepemo.emotions import EMOTIONS
from deepemo.errors import InputError
from deepemo.yaml12 import parse_yaml

MANIFEST = "corpus.yaml"
# Words for a gender, as people write them. An empty cell means that the gender is not known.
GENDER_CODES = {
    **{word: gender for gender in GENDERS for word in (gender, gender[0], gender.upper(), gender[0].upper())},
    "Female": "female",
    "Male": "male",
    "": "",
}
OTHER = "other"
UNKNOWN = "unknown"
MAX_FAULTS = 10
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "\t": "\t"}
REQUIRED = ("title", "licence", "language")
SOURCES = ("table", "names", "audformat")
OPTIONAL = ("homepage", "citation", "columns", "separator", "emotions", "genders", "rate_hz")
TOLD = ("emotion", "speaker", "gender", "sentence", "intensity")
_FIELD = re.compile(r"\{(\w*)\}")
# A field of a name: letters and digits. All other characters separate fields.
_PART = r"[^\W_]+"


class _Manifest:
    """The keys of a manifest. Errors about a key name its line."""

    def __init__(self, content: bytes, source: str) -> None:
        self.source = source
        self._content, self._lines = parse_yaml(content, source)
        if not isinstance(self._content, dict):
            raise InputError(f"{source}: found {type(self._content).__name__}, expected keys with values")
        known = (*REQUIRED, *SOURCES, *OPTIONAL)
        for key in self._content:
            if key not in known:
                self.fail(key, f"no such key, expected some of {list(known)}")

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def fail(self, key: str, fault: str) -> NoReturn:
        """Raise an error about a key."""
        line = f", line {self._lines[key]}" if key in self._lines else ""
        raise InputError(f"{self.source}{line}: {key}: {fault}")

    def text(self, key: str, default: str | None = None) -> str:
        """A value that is text, not empty; the default if it is missing."""
        value = self._content.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            self.fail(key, "missing, expected text")
        if not isinstance(value, str) or not value.strip():
            self.fail(key, f"found {value!r}, expected text")
        return str(value)

    def words(self, key: str) -> dict[str, str]:
        """A value that is a mapping of text to text; empty if it is missing."""
        value = self._content.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(word, str) for pair in value.items() for word in pair):
            self.fail(key, f"found {value!r}, expected words with words, in quotes where they are numbers")
        return dict(value)

    def whole(self, key: str) -> int | None:
        """A value that is a whole number above 0; None if it is missing."""
        value = self._content.get(key)
        if value is not None and (type(value) is not int or value < 1):
            self.fail(key, f"found {value!r}, expected a whole number above 0")
        return None if value is None else int(value)

    def value(self, key: str) -> Any:
        """A value of any kind."""
        return self._content.get(key)


def read_manifest(name: str, read_beside: ReadBeside, source: Own, *, where: str) -> Corpus:
    """The corpus that a manifest describes, with the content of its tables.

    Args:
        name: name of the corpus and of its folder.
        read_beside: reads the manifest and tables beside the recordings.
        source: the folder of the corpus.
        where: its folder or archive, for errors.

    Raises:
        InputError: the manifest or one of its tables is missing or wrong; the message names the file and the line.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise InputError(
            f"{where}: found the folder name {name!r}, expected lower-case letters, digits and _, the first a letter"
        )
    content = read_beside(MANIFEST)
    if content is None:
        raise InputError(f"{where}: no {MANIFEST} in it, expected the manifest of {name}")
    manifest = _Manifest(content, f"{where}/{MANIFEST}")
    for key in REQUIRED:
        manifest.text(key)
    if not re.fullmatch(r"[a-z]{2}", manifest.text("language")):
        manifest.fail("language", f"found {manifest.text('language')!r}, expected an ISO 639-1 code such as en")
    given = [key for key in SOURCES if key in manifest]
    if len(given) != 1:
        raise InputError(f"{manifest.source}: found {given or 'none'} of {list(SOURCES)}, expected one of them")
    genders = manifest.words("genders")
    for speaker, gender in genders.items():
        if gender not in (*GENDERS, UNKNOWN):
            manifest.fail("genders", f"found {gender!r} for {speaker!r}, expected one of {[*GENDERS, UNKNOWN]}")
    genders = {speaker: "" if gender == UNKNOWN else gender for speaker, gender in genders.items()}
    pattern, tables, files = re.compile(r"(?:^|/)(?P<name>.+)$", re.DOTALL), tuple[SideTable, ...](), [MANIFEST]
    if "names" in manifest:
        pattern = _pattern(manifest)
    elif "table" in manifest:
        tables = (_table(manifest, read_beside),)
    else:
        tables, told = _audformat(manifest, read_beside)
        genders = {**told, **genders}
        files.append(HEADER)
    codes = _emotions(manifest)
    return Corpus(
        name=name,
        title=manifest.text("title"),
        language=manifest.text("language"),
        homepage=manifest.text("homepage", ""),
        licence=manifest.text("licence"),
        citation=manifest.text("citation", ""),
        clips=0,
        size_bytes=0,
        source=source,
        name_pattern=pattern,
        emotions=codes,
        other_emotions=tuple(word for word in codes.values() if word not in EMOTIONS),
        genders=genders,
        gender_codes=GENDER_CODES,
        tables=tables,
        files=tuple(files),
        native_rate_hz=manifest.whole("rate_hz"),
    ).with_labels(read_beside)


def _emotions(manifest: _Manifest) -> dict[str, str]:
    """By the corpus's word for an emotion: one of the seven, or that word itself for any other emotion."""
    codes = {emotion: emotion for emotion in EMOTIONS}
    for word, emotion in manifest.words("emotions").items():
        if emotion != OTHER and emotion not in EMOTIONS:
            manifest.fail("emotions", f"found {emotion!r} for {word!r}, expected one of {[*EMOTIONS, OTHER]}")
        if emotion == OTHER and word in EMOTIONS:
            manifest.fail("emotions", f"found {OTHER!r} for {word!r}, which is one of the seven")
        codes[word] = word if emotion == OTHER else emotion
    return codes


def _pattern(manifest: _Manifest) -> re.Pattern[str]:
    """The pattern of names that a template such as `{speaker}_{emotion}_{sentence}` describes."""
    template = manifest.text("names")
    fields = _FIELD.findall(template)
    unknown = [name for name in fields if name and name not in TOLD]
    if unknown or not {"emotion", "speaker"} <= set(fields) or any(fields.count(name) > 1 for name in fields if name):
        manifest.fail(
            "names",
            f"found {template!r}, expected {{emotion}} and {{speaker}} and perhaps {{gender}}, {{sentence}}, "
            "{intensity}, each once, and {} for what is to be ignored",
        )
    parts = _FIELD.split(template)
    pattern = "".join(
        re.escape(part) if place % 2 == 0 else f"(?P<{part}>{_PART})" if part else _PART
        for place, part in enumerate(parts)
    )
    return re.compile(rf"(?:^|/)(?P<name>{pattern})$")


def _table(manifest: _Manifest, read_beside: ReadBeside) -> SideTable:
    """The CSV that the manifest names, with the columns that it has."""
    path = manifest.text("table")
    columns = manifest.words("columns")
    for what in columns:
        if what not in ("file", *TOLD):
            manifest.fail("columns", f"found {what!r}, expected some of {['file', *TOLD]}")
    separator = manifest.text("separator", "\t" if path.endswith(".tsv") else ",")
    if separator not in SEPARATORS:
        manifest.fail("separator", f"found {separator!r}, expected one of {list(SEPARATORS)}")
    content = read_beside(path)
    if content is None:
        manifest.fail("table", f"found {path!r}, expected a file in the folder of the manifest")
    header = column_names(content, SEPARATORS[separator])
    wanted = {what: columns.get(what, what) for what in TOLD}
    present = {
        what: name
        for what, name in wanted.items()
        if name in header or what in columns or what in ("emotion", "speaker")
    }
    return SideTable(path=path, key=columns.get("file", "file"), columns=present, separator=SEPARATORS[separator])


def _audformat(manifest: _Manifest, read_beside: ReadBeside) -> tuple[tuple[SideTable, ...], dict[str, str]]:
    """The tables of a database in audformat, and its speakers' genders."""
    value = manifest.value("audformat")
    told = {} if value is True else value
    if not isinstance(told, dict) or (unknown := set(told) - {*TOLD, "tables"}):
        found = sorted(unknown) if isinstance(told, dict) else value
        manifest.fail("audformat", f"found {found!r}, expected true, or names of columns by {[*TOLD, 'tables']}")
    content = read_beside(HEADER)
    if content is None:
        manifest.fail("audformat", f"found no {HEADER} in the folder, expected the header of the database")
    header, _ = parse_yaml(content, HEADER)
    columns = {what: str(told.get(what, what)) for what in TOLD}
    tables = tables_of(header, columns, chosen=told.get("tables"), source=HEADER)
    return tables, speaker_genders(header, columns["speaker"])


def check_rows(corpus: Corpus, recordings: Sequence[str]) -> None:
    """Check a user's own corpus against the recordings in its folder.

    Args:
        corpus: with the content of its tables.
        recordings: paths of the recordings.

    Raises:
        InputError: a row of its table fits no recording or several, or has an unknown value; or no recording is named
            as the manifest says. The message names up to ten faults, each with its line.
    """
    faults = list(islice(_faults(corpus, recordings), MAX_FAULTS))
    if faults:
        raise InputError("\n".join(faults))


def _faults(corpus: Corpus, recordings: Sequence[str]) -> Iterator[str]:
    if corpus.labels is None:
        unread = ""
        for member in recordings:
            try:
                corpus.parse(member)
                return
            except InputError as error:
                unread = unread or str(error)
        none = f"{MANIFEST}: names: none of {len(recordings):,} recordings is named so"
        yield f"{none}; {unread or 'expected some'}"
        return
    fitting: dict[str, list[str]] = {}
    for member in recordings:
        if (key := corpus.labels.key_of(member)) is not None:
            fitting.setdefault(key, []).append(member)
    for key, row in corpus.labels.recordings.items():
        place = next(iter(row.values())).place
        members = fitting.get(key, [])
        stems = {recording_key(member) for member in members}
        if not members:
            yield f"{place}: found {key!r}, expected a recording in the folder of {MANIFEST}"
        elif len(stems) > 1:
            yield f"{place}: found {key!r}, which fits {' and '.join(members[:2])}; expected a path from the folder"
        else:
            try:
                corpus.parse(members[0])
            except InputError as error:
                yield str(error)
