"""The reader of zip archives of recordings, which checks every member before it reads any."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Protocol, Self

from deepemo.corpora.members import MAX_MEMBER_BYTES, MAX_TABLE_BYTES, fault, find_ending, named_apart
from deepemo.corpora.parts import all_parts, later_parts
from deepemo.corpora.zip_file import SharedZip
from deepemo.errors import InputError
from deepemo.recordings import POINTER_ADVICE, is_recording, read_pointer


class Archive:
    """A zip archive of recordings, read member by member. It may have several parts, see `deepemo.corpora.parts`.

    Opening the archive checks every recording before any is read. Members that are not recordings are never read, so
    nothing about them is an error. An archive may be of any size, because it is never unpacked as a whole. Threads may
    share an archive. It may be pickled, or inherited by a fork: each process opens the files for itself.

    Attributes:
        path: of the zip, or of its first part.
        ignored: stored names of members that are not recordings and would have been refused if they were.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive and check its recordings.

        Raises:
            InputError: it is not a zip, or its parts do not belong together; or a recording has a path that leads out
                of the folder it is unpacked in, is a link, is encrypted, or declares a size beyond the limits; or the
                recordings overlap.
            OSError: it cannot be opened.
        """
        self.path = path
        self._states = _states(path)  # before anything is read, so that they are not those of files put in its place
        self._parts = self._open_files(path)
        found, ignored = [], []
        for number, part in enumerate(self._parts):
            recordings, others = _checked(part)
            for _, entry in recordings:
                entry.volume = number
            found += recordings
            ignored += others
        self.ignored = tuple(ignored)
        self._members = named_apart(found)

    @property
    def name(self) -> str:
        """The file's name without suffix; in `data/raw`, the name of the corpus."""
        return self.path.stem

    def recordings(self) -> list[str]:
        """Paths of the recordings, sorted, as `named_apart` writes them."""
        return sorted(self._members)

    def size_bytes(self, member: str) -> int:
        """Unpacked size of a recording as the archive declares it. No more than that is ever read.

        Raises:
            InputError: there is no such member.
        """
        return self._entry(member).file_size

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """Open a recording for reading.

        Raises:
            InputError: there is no such member, or its stored bytes are damaged.
        """
        entry = self._entry(member)
        with self._parts[entry.volume].open(entry, member) as stream:
            yield stream

    def read(self, member: str) -> bytes:
        """Return the bytes of a recording.

        Raises:
            InputError: there is no such member, its stored bytes are damaged, or they are a Git LFS pointer.
        """
        with self.open(member) as stream:
            content = stream.read()
        if pointer := read_pointer(content):
            path = self._parts[self._entry(member).volume].path
            raise InputError(
                f"{path}: member {member!r} is a Git LFS pointer (to {pointer.size_bytes:,} bytes), no recording. "
                f"{POINTER_ADVICE}"
            )
        return content

    def read_beside(self, path: str) -> bytes | None:
        """Bytes of a file that is not a recording, by its path or the end of its path; None if there is none.

        Such files are in the first part.

        Raises:
            InputError: it is a link, encrypted or too large, or its stored bytes are damaged.
        """
        first = self._parts[0]
        named = {entry.filename.replace("\\", "/"): entry for entry in first.entries()}
        name = find_ending(named, path)
        if name is None:
            return None
        entry = named[name]
        refused = fault(entry, name)
        if refused is None and entry.file_size > MAX_TABLE_BYTES:
            refused = f"it declares {entry.file_size:,} bytes, expected at most {MAX_TABLE_BYTES:,}"
        if refused:
            raise InputError(f"{self.path}: member {entry.filename!r} is refused: {refused}")
        with first.open(entry, name) as stream:
            return stream.read()

    def close(self) -> None:
        """Close the files; the next read opens them again."""
        for part in self._parts:
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def carried(self, member: str, *, most_bytes: int = MAX_MEMBER_BYTES) -> "Carried":
        """A recording with its bytes, for machines that cannot read this file.

        Args:
            member: path of the recording.
            most_bytes: a larger recording comes without its bytes.

        Raises:
            InputError: there is no such member.
        """
        size_bytes = self.size_bytes(member)
        try:
            content: bytes | InputError = self.read(member) if size_bytes <= most_bytes else b""
        except InputError as error:
            content = error
        return Carried(self.path, size_bytes, content)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopened, (self.path, self._states))

    def _open_files(self, path: Path) -> Sequence["ArchiveFile"]:
        """Open the files of the archive. Readers of other kinds of archives override this; the checks are the same."""
        return [SharedZip(part) for part in all_parts(path)]

    def _entry(self, member: str) -> zipfile.ZipInfo:
        try:
            return self._members[member]
        except KeyError as error:
            raise InputError(f"{self.path}: holds no member {member!r}") from error


class ArchiveFile(Protocol):
    """A file of an archive that is open for reading: a `SharedZip`, or one of another kind with the same methods."""

    @property
    def path(self) -> Path:
        """The file."""

    def entries(self) -> list[zipfile.ZipInfo]:
        """All entries of its directory, in their order."""

    def open(self, entry: zipfile.ZipInfo, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a member for reading; `member` is its name, for errors."""

    def close(self) -> None:
        """Close the file; the next read opens it again."""


class Recordings(Protocol):
    """A source of recordings and their bytes: an archive, or one recording that was taken out of it."""

    @property
    def path(self) -> Path:
        """The archive."""

    @property
    def name(self) -> str:
        """The archive's name without suffix."""

    def size_bytes(self, member: str) -> int:
        """Unpacked size of a recording."""

    def read(self, member: str) -> bytes:
        """Return the bytes of a recording."""

    def carried(self, member: str, *, most_bytes: int = MAX_MEMBER_BYTES) -> "Carried":
        """A recording with its bytes, or without them if they are more than `most_bytes`."""


@dataclass(frozen=True)
class Carried:
    """One recording of an archive with its bytes. It has the methods of the archive, and ignores the member's name.

    Attributes:
        path: of the archive.
        size: unpacked size of the recording as the archive declares it.
        content: its bytes, or the reason why the archive does not give them.
    """

    path: Path
    size: int
    content: bytes | InputError

    @property
    def name(self) -> str:
        """The archive's name without suffix."""
        return self.path.stem

    def size_bytes(self, member: str) -> int:
        """Unpacked size of the recording."""
        return self.size

    def read(self, member: str) -> bytes:
        """Return the bytes of the recording.

        Raises:
            InputError: the archive did not give them.
        """
        if isinstance(self.content, InputError):
            raise self.content
        return self.content

    def carried(self, member: str, *, most_bytes: int = MAX_MEMBER_BYTES) -> "Carried":
        """This recording, which has its bytes already."""
        return self


def _states(path: Path) -> tuple[tuple[int, int], ...]:
    """Size and time of the last change of each file of an archive."""
    statuses = [part.stat() for part in (path, *later_parts(path))]
    return tuple((status.st_size, status.st_mtime_ns) for status in statuses)


def _reopened(path: Path, states: tuple[tuple[int, int], ...]) -> Archive:
    """An archive in the process that unpickles it. The process opens it only once while its files stay the same.

    Args:
        path: of the archive.
        states: of its files before the archive that was pickled was opened, see `_states`.

    Raises:
        InputError: its files were changed since then.
        OSError: it cannot be opened.
    """
    if (found := _states(path)) != states:
        _opened(path, found)  # says so if a part is missing
        raise InputError(f"{path}: found files of sizes and times {found}, expected {states}: it was changed")
    return _opened(path, states)


@lru_cache(maxsize=64)
def _opened(path: Path, states: tuple[tuple[int, int], ...]) -> Archive:
    return Archive(path)


def _checked(part: ArchiveFile) -> tuple[list[tuple[str, zipfile.ZipInfo]], list[str]]:
    """The recordings of a file with their paths, and stored names of other members that would have been refused."""
    found, ignored = [], []
    for entry in part.entries():
        name = entry.filename.replace("\\", "/")
        refused = fault(entry, name)
        if name.endswith("/") or not is_recording(name):
            ignored += [entry.filename] if refused else []
        elif refused:
            raise InputError(f"{part.path}: member {entry.filename!r} is refused: {refused}")
        else:
            found.append((name, entry))
    # Members that overlap make a small file declare more than any ratio of compression allows (Fifield 2019, "A better
    # zip bomb").
    stored, size_bytes = sum(entry.compress_size for _, entry in found), part.path.stat().st_size
    if stored > size_bytes:
        raise InputError(
            f"{part.path}: its recordings declare {stored:,} compressed bytes, expected at most the {size_bytes:,} of "
            "the file"
        )
    return found, ignored
