"""Pack a corpus's recordings into one zip, each once and in a fixed order, so that the zip is reproducible.

A corpus larger than `PART_BYTES` is packed into several zips, see `deepemo.corpora.parts`.
"""

import hashlib
import logging
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.folders import Place, is_pointer, read_beside
from deepemo.corpora.parts import Mark, later_parts, part_path, read_mark
from deepemo.errors import InputError
from deepemo.files import explained_full_disk, require_room, written_whole
from deepemo.recordings import POINTER_ADVICE, SUFFIXES, format_rank

_LOG = logging.getLogger(__name__)

_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK_BYTES = 1 << 20
# Most bytes of recordings in one zip: about 70,000 clips. DVC and object stores hash, send and fetch file by file.
PART_BYTES = 8 << 30


class Found(NamedTuple):
    """A recording, and where it was found."""

    member: str
    place: Place
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The recordings to pack.

    Attributes:
        recordings: one for each combination of name and content, ordered by member.
        repeated: number of recordings that were left out, because another one had the same name and content, or was the
            same performance in a preferred format.
        beside: content of the corpus's tables and other files beside the recordings, by path.
    """

    recordings: tuple[Found, ...]
    repeated: int
    beside: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Size of all recordings."""
        return sum(found.size_bytes for found in self.recordings)

    @property
    def sha256(self) -> str:
        """Digest of the lines `<sha256>  <member>` as `sha256sum` prints them: recordings first, then files beside."""
        digests = [(found.sha256, found.member) for found in self.recordings]
        digests += [(hashlib.sha256(content).hexdigest(), path) for path, content in self.beside.items()]
        lines = "".join(f"{digest}  {path}\n" for digest, path in digests)
        return hashlib.sha256(lines.encode()).hexdigest()


def take_stock(corpus: Corpus, places: Sequence[Place]) -> Contents:
    """Read every recording in some places and choose those to pack.

    Some copies of a corpus hold recordings twice, in a folder inside a folder. Recordings with the same name and the
    same content are packed once, from the shortest path. Recordings with the same name and different content are all
    packed; validation judges them. If a performance is there in several formats (WAV and MP3, sound and video), only
    the format that comes first in `recordings.SUFFIXES` is packed. Git LFS pointers are left out with a warning.

    Raises:
        InputError: a table of the corpus is missing or wrong, all files are Git LFS pointers, two places hold different
            recordings under one path, or an archive is damaged.
    """
    for place in places:
        if isinstance(place, Archive) and place.ignored:
            _LOG.warning(
                "%s: %d members that are no recordings are ignored for their paths or sizes, such as %r",
                *(place.path, len(place.ignored), place.ignored[0]),
            )
    reader = read_beside(places)
    corpus = corpus.with_labels(reader)
    beside = {path: content for path in corpus.beside if (content := reader(path)) is not None}
    present = [(place, member) for place in places for member in place.recordings()]
    members = _best_formats(corpus, _without_pointers(corpus, present))
    members.sort(key=lambda found: (found[1].count("/"), len(found[1]), found[1]))
    chosen: dict[tuple[str, str], Found] = {}
    for place, member in tqdm(members, desc=f"{corpus.name}: reading", unit="file", disable=None):
        size_bytes, digest = _digest(place, member)
        chosen.setdefault((_name(corpus, member), digest), Found(member, place, size_bytes, digest))
    recordings = sorted(chosen.values(), key=lambda found: found.member)
    for one, other in pairwise(recordings):
        if one.member == other.member:
            raise InputError(f"{one.place.path} and {other.place.path} hold different recordings under {one.member!r}")
    return Contents(recordings=tuple(recordings), repeated=len(present) - len(recordings), beside=beside)


def pack(contents: Contents, target: Path, *, part_bytes: int = PART_BYTES) -> None:
    """Write the recordings to a zip, uncompressed. `target` is replaced only when the new zip is complete.

    If the recordings are more than `part_bytes`, they are divided into parts in their order; `target` is the first part
    and holds the files beside the recordings. Parts that an earlier run of the same packing completed are kept, and
    parts of other packings are removed. While only some parts are replaced, the reader refuses the archive.

    Args:
        contents: what to pack.
        target: path of the zip.
        part_bytes: most bytes of recordings in one part; a part has at least one recording.

    Raises:
        InputError: the disk is full.
        OSError: it cannot be written for other reasons.
    """
    parts = _divide(contents.recordings, part_bytes)
    paths = [part_path(target, number) for number in range(1, len(parts) + 1)]
    marks = _marks(parts)
    beside = [contents.beside, *[dict[str, bytes]()] * (len(parts) - 1)]
    wanted = [
        part for part in zip(paths, parts, marks, beside, strict=True) if part[2] is None or not _is_complete(*part)
    ]
    require_room(target, sum(found.size_bytes for _, recordings, _, _ in wanted for found in recordings))
    progress = tqdm(
        desc=f"{target.stem}: packing",
        total=sum(len(recordings) for _, recordings, _, _ in wanted),
        unit="file",
        disable=None,
    )
    with progress:
        for path, recordings, mark, tables in wanted:
            _write_zip(path, recordings, mark, tables, progress)
    remove_parts(target, keep=paths)


def remove_parts(target: Path, *, keep: Sequence[Path] = ()) -> None:
    """Remove later parts of an archive, except some."""
    for path in later_parts(target):
        if path not in keep:
            path.unlink()


def _divide(recordings: Sequence[Found], part_bytes: int) -> list[list[Found]]:
    """The recordings of each part, at least one part."""
    parts = [list[Found]()]
    size_bytes = 0
    for found in recordings:
        if parts[-1] and size_bytes + found.size_bytes > part_bytes:
            parts.append([])
            size_bytes = 0
        parts[-1].append(found)
        size_bytes += found.size_bytes
    return parts


def _marks(parts: Sequence[Sequence[Found]]) -> list[Mark | None]:
    """The mark of each part; none if there is only one."""
    if len(parts) == 1:
        return [None]
    packing = hashlib.sha256()
    for part in parts:
        packing.update(b"part\n")
        for found in part:
            packing.update(f"{found.sha256}  {found.member}\n".encode())
    return [Mark(number, len(parts), packing.hexdigest()) for number in range(1, len(parts) + 1)]


def _write_zip(
    target: Path,
    recordings: Sequence[Found],
    mark: Mark | None,
    beside: Mapping[str, bytes],
    progress: "tqdm[NoReturn]",
) -> None:
    with (
        explained_full_disk(target),
        written_whole(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        for found in recordings:
            entry = _entry(found.member, found.size_bytes)
            with found.place.open(found.member) as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, _CHUNK_BYTES)
            progress.update()
        for path, content in beside.items():
            archive.writestr(_entry(path, len(content)), content)
        if mark is not None:
            archive.comment = mark.comment()


def _is_complete(path: Path, recordings: Sequence[Found], mark: Mark | None, beside: Mapping[str, bytes]) -> bool:
    """Whether a part is there with all that belongs into it. Every byte is read."""
    if not path.is_file() or read_mark(path) != mark:
        return False
    expected = {found.member: found.sha256 for found in recordings}
    expected |= {name: hashlib.sha256(content).hexdigest() for name, content in beside.items()}
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.namelist() != list(expected):
                return False
            for name, digest in expected.items():
                with archive.open(name) as stream:
                    if hashlib.file_digest(stream, "sha256").hexdigest() != digest:  # type: ignore[arg-type]
                        return False
    except (zipfile.BadZipFile, EOFError):
        return False
    return True


def _entry(path: str, size_bytes: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, date_time=_DATE)
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix
    entry.file_size = size_bytes
    return entry


def _without_pointers(corpus: Corpus, present: list[tuple[Place, str]]) -> list[tuple[Place, str]]:
    """The recordings without the Git LFS pointers among them."""
    recordings, pointers = list[tuple[Place, str]](), list[tuple[Place, str]]()
    for place, member in present:
        (pointers if is_pointer(place, member) else recordings).append((place, member))
    if pointers:
        place, member = pointers[0]
        told = f"{place.path}: {len(pointers):,} of {len(present):,} recordings are Git LFS pointers, such as {member}"
        if not recordings:
            raise InputError(
                f"{told}: they name recordings of {corpus.title} and hold none. {POINTER_ADVICE}; or take this copy "
                "out of download.source_dir"
            )
        _LOG.warning("%s; they are left out. %s", told, POINTER_ADVICE)
    return recordings


def _best_formats(corpus: Corpus, members: list[tuple[Place, str]]) -> list[tuple[Place, str]]:
    """The recordings without those whose performance is also there in a preferred format."""
    best: dict[str, int] = {}
    for _, member in members:
        performance = _performance(corpus, member)
        best[performance] = min(best.get(performance, len(SUFFIXES)), format_rank(member))
    return [found for found in members if format_rank(found[1]) == best[_performance(corpus, found[1])]]


def _performance(corpus: Corpus, member: str) -> str:
    """Name of the performance; the path itself if the recording's name is unknown."""
    try:
        return corpus.parse(member).performance
    except InputError:
        return member


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
    except InputError:
        return PurePosixPath(member).stem
