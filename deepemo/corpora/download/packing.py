"""Pack a corpus's recordings into one zip: each once, in a fixed order, the same bytes for the same recordings."""

import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from deepemo.corpora.definition import Corpus, UnknownNameError
from deepemo.corpora.download.disk import require_room, telling_full_disk
from deepemo.corpora.download.folders import Place
from deepemo.errors import InputError

_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20


class Found(NamedTuple):
    """One recording where it lies."""

    member: str
    place: Place
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The recordings to pack.

    Attributes:
        recordings: one for each name and bytes, ordered by member.
        repeated: how many were left out because another had the same name and the same bytes.
    """

    recordings: tuple[Found, ...]
    repeated: int

    @property
    def size_bytes(self) -> int:
        """Bytes of all recordings."""
        return sum(found.size_bytes for found in self.recordings)

    @property
    def sha256(self) -> str:
        """Digest of the lines `<sha256>  <member>` that `sha256sum` would print of the recordings in this order."""
        lines = "".join(f"{found.sha256}  {found.member}\n" for found in self.recordings)
        return hashlib.sha256(lines.encode()).hexdigest()


def take_stock(corpus: Corpus, places: Sequence[Place]) -> Contents:
    """Read every recording in some places and choose those to pack.

    Copies of a corpus that are put together by hand hold recordings twice, in a folder inside a folder. What has the
    same name and the same bytes is packed once, from the shortest path; what has the same name and other bytes is
    packed each time, for validation to judge.

    Raises:
        InputError: two places hold different recordings under one path.
        ArchiveError: an archive is damaged.
    """
    members = [(place, member) for place in places for member in place.recordings()]
    members.sort(key=lambda found: (found[1].count("/"), len(found[1]), found[1]))
    chosen: dict[tuple[str, str], Found] = {}
    for place, member in tqdm(members, desc=f"{corpus.name}: reading", unit="file", disable=None):
        size_bytes, digest = _digest(place, member)
        chosen.setdefault((_name(corpus, member), digest), Found(member, place, size_bytes, digest))
    recordings = sorted(chosen.values(), key=lambda found: found.member)
    for one, other in pairwise(recordings):
        if one.member == other.member:
            raise InputError(f"{one.place.path} and {other.place.path} hold different recordings under {one.member!r}")
    return Contents(recordings=tuple(recordings), repeated=len(members) - len(recordings))


def pack(contents: Contents, target: Path) -> None:
    """Write the recordings to a zip, stored as they are; `target` is replaced only when the new one is whole.

    Raises:
        DiskFullError: there is no room for it.
        OSError: it cannot be written for other reasons.
    """
    partial = target.with_name(target.name + ".partial")
    require_room(partial, contents.size_bytes)
    try:
        with telling_full_disk(target), zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for found in tqdm(contents.recordings, desc=f"{target.stem}: packing", unit="file", disable=None):
                entry = zipfile.ZipInfo(found.member, date_time=_DATE)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3
                entry.file_size = found.size_bytes
                with found.place.open(found.member) as source, archive.open(entry, "w") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK_BYTES)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Sha256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(place: Place, member: str) -> tuple[int, str]:
    digest = hashlib.sha256()
    size_bytes = 0
    with place.open(member) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return size_bytes, digest.hexdigest()


def _name(corpus: Corpus, member: str) -> str:
    try:
        return corpus.parse(member).name
    except UnknownNameError:
        return PurePosixPath(member).stem
