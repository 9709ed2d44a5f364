"""Find a corpus in a folder that holds corpora: under its names, or by the names of its recordings.

Recordings are in a `Place`: a folder tree (`Folder`), a zip (`archive.Archive`) or a RAR (`rar.RarArchive`).
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from urllib.parse import urlsplit

from deepemo.corpora.definition import Corpus, ZipDownload
from deepemo.corpora.download.rar import is_archive, open_archive
from deepemo.corpora.members import find_ending, leads_out, named_apart
from deepemo.corpora.parts import belongs_to_another
from deepemo.errors import InputError
from deepemo.recordings import MAX_POINTER_BYTES, find_recordings, printable, read_pointer

_LOG = logging.getLogger(__name__)

# Recordings under an unknown name count as a copy of a corpus if they are at least this share of the published ones.
_MIN_SHARE = 0.5
# Endings that GitHub adds to the name of a repository, and browsers to the name of a repeated download.
_ADDED = re.compile(r"([-_ ](master|main)|\s*\(\d+\))$", re.IGNORECASE)


class Place(Protocol):
    """A folder or archive that holds recordings."""

    path: Path

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, sorted, as `members.named_apart` writes them."""

    def size_bytes(self, member: str) -> int:
        """Size of a recording."""

    def open(self, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a recording for reading."""

    def read_beside(self, path: str) -> bytes | None:
        """Bytes of a file that is not a recording, by the end of its path; None if there is none."""


def fail(error: OSError) -> None:
    """Raise the error of a folder that cannot be listed: for `Folder` and `find_recordings`."""
    raise error


class Folder:
    """A folder tree. Links inside it are followed; hidden files and folders are left out.

    Args:
        path: its root.
        unreadable: called with the error of each folder that cannot be listed; by default it raises the error.
    """

    def __init__(self, path: Path, unreadable: Callable[[OSError], None] = fail) -> None:
        self.path = path
        files = find_recordings(path, unreadable)
        self._files = named_apart((_inside(file.relative_to(path).as_posix()), file) for file in files)

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, sorted, as `members.named_apart` writes them."""
        return sorted(self._files)

    def size_bytes(self, member: str) -> int:
        """Size of a recording.

        Raises:
            OSError: it cannot be read.
        """
        return self._files[member].stat().st_size

    def open(self, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a recording for reading.

        Raises:
            OSError: it cannot be read.
        """
        return self._files[member].open("rb")

    def read_beside(self, path: str) -> bytes | None:
        """Bytes of a file that is not a recording, by its path or the end of its path; None if there is none.

        Raises:
            OSError: it cannot be read.
        """
        name = PurePosixPath(path).name
        found = {
            (Path(folder) / name).relative_to(self.path).as_posix()
            for folder, _, names in os.walk(self.path, followlinks=False)
            if name in names
        }
        nearest = find_ending(found, path)
        return None if nearest is None else (self.path / nearest).read_bytes()


def _inside(path: str) -> str:
    """The path as stored in an archive. Backslashes become separators, unless the path would then lead out."""
    plain = path.replace("\\", "/")
    return path.replace("\\", "%5C").replace(":", "%3A") if leads_out(plain) else plain


class Selection:
    """Some of the recordings of another place.

    Args:
        place: the other place.
        wanted: whether to select the recording with this path.
    """

    def __init__(self, place: Place, wanted: Callable[[str], bool]) -> None:
        self.path = place.path
        self.open = place.open
        self.size_bytes = place.size_bytes
        self.read_beside = place.read_beside
        self._members = [member for member in place.recordings() if wanted(member)]

    def recordings(self) -> list[str]:
        """Paths of the chosen recordings, sorted."""
        return self._members


def read_beside(places: Sequence[Place]) -> Callable[[str], bytes | None]:
    """A function that reads a file that is not a recording from the first place that has it."""
    return lambda path: next((found for place in places if (found := place.read_beside(path)) is not None), None)


def is_pointer(place: Place, member: str) -> bool:
    """Whether a file is a Git LFS pointer and not a recording. Only files as small as a pointer are read.

    Raises:
        InputError: it cannot be unpacked.
        OSError: it cannot be read.
    """
    if place.size_bytes(member) > MAX_POINTER_BYTES:
        return False
    with place.open(member) as stream:
        return read_pointer(stream.read(MAX_POINTER_BYTES + 1)) is not None


class CopyNotFoundError(InputError):
    """A folder of corpora does not hold the wanted corpus. Callers may fetch it instead."""


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """Places that belong together, and how many recordings of a corpus, Git LFS pointers and other files they hold."""

    places: Sequence[Place]
    recordings: int
    pointers: int
    others: int

    def __str__(self) -> str:
        pointers = f" and {self.pointers:,} Git LFS pointers" if self.pointers else ""
        paths = ", ".join(printable(str(place.path)) for place in self.places)
        return f"{paths} ({self.recordings:,} recordings{pointers})"


def find_copy(corpus: Corpus, source_dir: Path) -> list[Place]:
    """Find a corpus's recordings in a folder of corpora.

    The search uses the corpus's own name and the names of known copies (see `same_name`). It looks for a folder tree of
    that name, archives inside such a folder, and an archive of that name. Of several copies, the one with most
    recordings of the corpus is used; of equal ones, the first in that order. If there is none, all recordings in
    `source_dir` that are named like the corpus's are used, if they are at least half of the published ones. Each choice
    is logged.

    Args:
        corpus: the corpus.
        source_dir: folder with one folder or archive for each corpus.

    Returns:
        The folder, or the archives, that hold the recordings.

    Raises:
        CopyNotFoundError: there is no such folder, or the corpus is not in it. The message says which names were
            searched, and where there are recordings with names like the corpus's.
        InputError: an archive is damaged or unsafe, and there is no other copy.
    """
    if not source_dir.is_dir():
        raise CopyNotFoundError(f"download.source_dir: {source_dir}: no such folder")
    copies, broken = list[_Copy](), list[InputError]()
    for places in _under_known_names(corpus, source_dir, broken):
        try:
            copy = _count(corpus.with_labels(read_beside(places)), places)
        except InputError as error:
            # A copy without its tables, or with damaged ones.
            if any(place.recordings() for place in places):
                paths = ", ".join(printable(str(place.path)) for place in places)
                broken.append(InputError(f"{paths}: {error}"))
            continue
        if copy.recordings + copy.pointers + copy.others:
            copies.append(copy)
    best = max(copies, key=lambda copy: (copy.recordings, copy.pointers), default=None)
    if best is not None and best.recordings + best.pointers:
        for other in copies:
            if other is not best:
                _LOG.warning("%s: using %s; left aside: %s", corpus.name, best, other)
        for fault in broken:
            _LOG.warning("%s: using %s; left aside: %s", corpus.name, best, fault)
        return list(best.places)
    if broken:
        raise broken[0]
    return [_under_unknown_name(corpus, source_dir, copies)]


def known_names(corpus: Corpus) -> list[str]:
    """Names of folders and archives (without suffix) of known copies of a corpus, its own name first."""
    return list(dict.fromkeys([corpus.name, *corpus.folders, *_published_name(corpus)]))


def same_name(one: str, other: str) -> bool:
    """Whether two names of folders or archives (without suffix) count as one.

    Case, characters other than letters and digits, and what GitHub and browsers add at the end do not count.

    Example:
        >>> same_name("CREMA-D-master", "crema_d"), same_name("Crema D (1)", "crema_d"), same_name("tess", "crema_d")
        (True, True, False)
    """
    return _key(one) == _key(other)


def _key(name: str) -> str:
    while (shorter := _ADDED.sub("", name)) != name:
        name = shorter
    return re.sub(r"[\W_]+", "", name.casefold())


def _published_name(corpus: Corpus) -> Iterator[str]:
    if isinstance(corpus.source, ZipDownload):
        yield PurePosixPath(urlsplit(corpus.source.url).path).stem


def _under_known_names(corpus: Corpus, source_dir: Path, broken: list[InputError]) -> Iterator[list[Place]]:
    """Places that belong together, in order of preference; errors of damaged archives go to `broken`."""
    entries = sorted(source_dir.iterdir())
    folders, beside = list[Path](), list[Path]()
    for name in known_names(corpus):
        folders += [each for each in entries if each.is_dir() and same_name(each.name, name)]
        beside += [each for each in entries if _is_archive(each) and same_name(each.stem, name)]
    for folder in dict.fromkeys(folders):
        yield [Folder(folder)]
    for folder in dict.fromkeys(folders):
        yield _archives(sorted(folder.iterdir()), broken)
    for path in dict.fromkeys(beside):
        yield _archives([path], broken)


def _archives(paths: Sequence[Path], broken: list[InputError]) -> list[Place]:
    archives: list[Place] = []
    for path in paths:
        if _is_archive(path) and not belongs_to_another(path):
            try:
                archives.append(open_archive(path))
            except InputError as error:
                broken.append(error)
    return archives


def _is_archive(path: Path) -> bool:
    return is_archive(path.name) and path.is_file()


def _count(corpus: Corpus, places: Sequence[Place]) -> _Copy:
    members = [(place, member) for place in places for member in place.recordings()]
    named = [(name, place, member) for place, member in members if (name := _name(corpus, member))]
    recordings = {name for name, place, member in named if not is_pointer(place, member)}
    pointers = {name for name, *_ in named} - recordings
    return _Copy(places=places, recordings=len(recordings), pointers=len(pointers), others=len(members) - len(named))


def _under_unknown_name(corpus: Corpus, source_dir: Path, copies: Sequence[_Copy]) -> Place:
    """All recordings in a folder of corpora, or in one archive in it, that are named like those of a corpus."""
    # Unreadable folders and damaged archives are ignored here, because they may belong to other corpora. Tables are not
    # read, because a copy with tables is found under its name.
    everything: list[Place] = [Folder(source_dir, lambda error: None), *_archives(sorted(source_dir.iterdir()), [])]
    places = [Selection(place, lambda member: bool(_name(corpus, member))) for place in everything]
    best = max(places, key=lambda place: len({_name(corpus, member) for member in place.recordings()}))
    found = {_name(corpus, member): member for member in best.recordings()}
    looked = ", ".join(
        [*(f"{name}/" for name in known_names(corpus)), *(f"{n}.zip or .rar" for n in known_names(corpus))]
    )
    absence = f"{printable(str(source_dir))} has no folder or archive of {corpus.title} (looked for {looked})"
    where = (
        f"{printable(str(best.path))}: {len(found):,} recordings, such as {next(iter(found.values()))}" if found else ""
    )
    if len(found) >= _MIN_SHARE * corpus.clips:
        _LOG.warning("%s; using what is named as its recordings in %s", absence, where)
        return best
    for copy in copies:
        absence += f"; {copy.others:,} recordings in {copy.places[0].path} are not named as in {corpus.title}"
    if where:
        absence += f"; {where} are named as in {corpus.title}: put them into {corpus.name}/ to use them"
    raise CopyNotFoundError(absence)


def _name(corpus: Corpus, member: str) -> str:
    """The canonical name of a recording of the corpus; empty for other files."""
    try:
        return corpus.parse(member).name
    except InputError:
        return ""
