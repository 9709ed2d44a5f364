"""Provenance of a corpus: a small JSON file beside its zip that says where the recordings came from."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.packing import Contents
from deepemo.corpora.parts import later_parts
from deepemo.errors import InputError
from deepemo.files import file_sha256, read_json, write_json

_KINDS: dict[Any, str] = {str: "text", int: "a whole number"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Provenance of one zip of recordings, which may have several parts.

    Attributes:
        corpus: name in the registry.
        title: name as its makers write it.
        language: ISO 639-1 code.
        homepage: its address.
        licence: its terms of use.
        citation: what to cite.
        source: where these recordings came from: an address or a folder.
        published_digest: `md5:` and the archive's digest from its publisher's record at the time of fetching; empty if
            there was no such record.
        fetched: date and time (UTC); empty for a generated corpus.
        recordings: number of recordings.
        published_recordings: number of recordings that its makers published.
        repeated: number of recordings that were left out, see `Contents.repeated`.
        size_bytes: size of all recordings.
        sha256: digest of the recordings and their names; see `Contents.sha256`.
        zip_bytes: size of the zip, or of all its parts.
        zip_sha256: digest of the zip; of several parts, that of the lines that `sha256sum` prints of them.
    """

    corpus: str
    title: str
    language: str
    homepage: str
    licence: str
    citation: str
    source: str
    published_digest: str
    fetched: str
    recordings: int
    published_recordings: int
    repeated: int
    size_bytes: int
    sha256: str
    zip_bytes: int
    zip_sha256: str

    def describes(self, archive: Path) -> bool:
        """Whether a zip is there and has the recorded size and digest, all its parts together."""
        return archive.is_file() and zip_bytes(archive) == self.zip_bytes and _zip_sha256(archive) == self.zip_sha256


def zip_bytes(archive: Path) -> int:
    """Size of an archive with all its parts."""
    return sum(path.stat().st_size for path in (archive, *later_parts(archive)))


def _zip_sha256(archive: Path) -> str:
    later = later_parts(archive)
    if not later:
        return file_sha256(archive)
    lines = "".join(f"{file_sha256(path)}  {path.name}\n" for path in (archive, *later))
    return hashlib.sha256(lines.encode()).hexdigest()


def record_provenance(
    corpus: Corpus, contents: Contents, archive: Path, *, source: str, published_digest: str = "", dated: bool = True
) -> Provenance:
    """Describe a zip that was just packed; with `dated`, as of now."""
    return Provenance(
        corpus=corpus.name,
        title=corpus.title,
        language=corpus.language,
        homepage=corpus.homepage,
        licence=corpus.licence,
        citation=corpus.citation,
        source=source,
        published_digest=published_digest,
        fetched=datetime.now(UTC).isoformat(timespec="seconds") if dated else "",
        recordings=len(contents.recordings),
        published_recordings=corpus.clips,
        repeated=contents.repeated,
        size_bytes=contents.size_bytes,
        sha256=contents.sha256,
        zip_bytes=zip_bytes(archive),
        zip_sha256=_zip_sha256(archive),
    )


def write_provenance(path: Path, provenance: Provenance) -> None:
    """Write a record. If the path is a link, the link is replaced, and the file that it leads to stays."""
    write_json(path, asdict(provenance))


def read_provenance(path: Path) -> Provenance | None:
    """Read a record; None if there is no such file.

    Raises:
        InputError: the file is not JSON in UTF-8, or its fields are not those of a record.
    """
    if not path.exists():
        return None
    found = read_json(path, expected="the record of a corpus")
    if faults := "; ".join(_faults(found)):
        raise InputError(f"{path}: expected the record of a corpus: {faults}")
    return Provenance(**found)


def _faults(found: Any) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"found {type(found).__name__}, expected a JSON object"
        return
    expected = {field.name: field.type for field in fields(Provenance)}
    for name, kind in expected.items():
        if name not in found:
            yield f"found no {name!r}, expected {_KINDS[kind]}"
        elif type(found[name]) is not kind:
            yield f"found {found[name]!r} as {name!r}, expected {_KINDS[kind]}"
    for name in sorted(found.keys() - expected):
        yield f"found {name!r}, expected none but {sorted(expected)}"
