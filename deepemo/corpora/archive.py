"""The reader of zip archives of recordings, which checks every member before it reads any."""

import errno
import lzma
import os
import re
import stat
import threading
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, Self, TypeVar

from deepemo.errors import InputError
from deepemo.recordings import POINTER_ADVICE, is_hidden, is_recording, printable, read_pointer

# A recording of 1 GiB lasts three hours; an archive of 64 GiB is a hundred times the largest corpus.
MAX_MEMBER_BYTES = 1 << 30
MAX_ARCHIVE_BYTES = 64 << 30
# For a table of a corpus. CREMA-D's table of listeners' answers (2,443 listeners) has 4 MB.
MAX_TABLE_BYTES = 64 << 20
# Deflate compresses zeros about a thousandfold, and speech far less.
MAX_RATIO = 1100

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError, OSError
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")

_Entry = TypeVar("_Entry")


class Archive:
    """A zip archive of recordings, read member by member.

    Opening the archive checks every recording before any is read. Members that are not recordings are never read, so
    nothing about them is an error. Threads may share an archive. It may be pickled, or inherited by a fork: each
    process opens the file for itself.

    Attributes:
        path: of the zip.
        ignored: stored names of members that are not recordings and would have been refused if they were.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive and check its recordings.

        Raises:
            InputError: it is not a zip; or a recording has a path that leads out of the folder it is unpacked in, is a
                link, is encrypted, or declares a size beyond the limits.
            OSError: it cannot be opened.
        """
        self.path = path
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = self._open_zip()
        self._process = os.getpid()
        found, ignored = [], []
        for entry in self._zip.infolist():
            name = entry.filename.replace("\\", "/")
            fault = _fault(entry, name)
            if name.endswith("/") or not is_recording(name):
                ignored += [entry.filename] if fault else []
            elif fault:
                raise InputError(f"{path}: member {entry.filename!r} is refused: {fault}")
            else:
                found.append((name, entry))
        self.ignored = tuple(ignored)
        self._members = named_apart(found)
        total = sum(entry.file_size for _, entry in found)
        if total > MAX_ARCHIVE_BYTES:
            raise InputError(f"{path}: its recordings declare {total:,} bytes, expected {MAX_ARCHIVE_BYTES:,} or less")

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
        with self._unpacked(self._entry(member), member) as stream:
            yield stream

    @contextmanager
    def _unpacked(self, entry: zipfile.ZipInfo, member: str) -> Iterator[IO[bytes]]:
        try:
            with self._current_zip().open(entry) as stream:
                yield stream
        except _DAMAGE as error:
            # Damaged bz2 raises an error without a number; an offset outside the file raises "invalid argument". All
            # other errors are errors of the disk.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise InputError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def read(self, member: str) -> bytes:
        """Return the bytes of a recording.

        Raises:
            InputError: there is no such member, its stored bytes are damaged, or they are a Git LFS pointer.
        """
        with self.open(member) as stream:
            content = stream.read()
        if pointer := read_pointer(content):
            raise InputError(
                f"{self.path}: member {member!r} is a Git LFS pointer (to {pointer.size_bytes:,} bytes), no recording. "
                f"{POINTER_ADVICE}"
            )
        return content

    def read_beside(self, path: str) -> bytes | None:
        """Bytes of a file that is not a recording, by its path or the end of its path; None if there is none.

        Raises:
            InputError: it is a link, encrypted or too large, or its stored bytes are damaged.
        """
        named = {entry.filename.replace("\\", "/"): entry for entry in self._current_zip().infolist()}
        name = find_ending(named, path)
        if name is None:
            return None
        entry = named[name]
        fault = _fault(entry, name)
        if fault is None and entry.file_size > MAX_TABLE_BYTES:
            fault = f"it declares {entry.file_size:,} bytes, expected at most {MAX_TABLE_BYTES:,}"
        if fault:
            raise InputError(f"{self.path}: member {entry.filename!r} is refused: {fault}")
        with self._unpacked(entry, name) as stream:
            return stream.read()

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._lock:
            if self._zip is not None and self._process == os.getpid():
                self._zip.close()
            self._zip = None

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
        return (_reopened, (self.path,))

    def _entry(self, member: str) -> zipfile.ZipInfo:
        try:
            return self._members[member]
        except KeyError as error:
            raise InputError(f"{self.path}: holds no member {member!r}") from error

    def _current_zip(self) -> zipfile.ZipFile:
        with self._lock:
            # A forked process shares the position in the file with its parent, and must open the file again.
            if self._zip is None or self._process != os.getpid():
                self._zip = self._open_zip()
                self._process = os.getpid()
            return self._zip

    def _open_zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise InputError(f"{self.path}: expected a zip archive of recordings: {error}") from error


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


def _reopened(path: Path) -> Archive:
    """An archive in the process that unpickles it. The process opens it only once while the file stays the same."""
    status = path.stat()
    return _opened(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _opened(path: Path, size_bytes: int, changed_ns: int) -> Archive:
    return Archive(path)


def named_apart(found: Iterable[tuple[str, _Entry]]) -> dict[str, _Entry]:
    r"""Give each recording of a folder or archive a unique path that can be written into any table.

    Such a path has forward slashes, no empty parts, no spaces at its end, and `%0D` and the like in place of control
    characters and undecodable bytes. The second recording under one path is put into a folder `~2`, the third into
    `~3`. The file's name stays, because it describes the recording.

    Args:
        found: pairs of a stored path and the entry that it leads to.

    Returns:
        The entries by their paths.

    Example:
        >>> named_apart([("a\\x.wav", 1), ("./a//x.wav", 2), ("b\r.wav", 3)])
        {'a/x.wav': 1, '~2/a/x.wav': 2, 'b%0D.wav': 3}
    """
    members: dict[str, _Entry] = {}
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
    for stored, entry in found:
        path = plain = printable(str(PurePosixPath(stored.replace("\\", "/").rstrip())))
        while path in members:
            path = f"~{next(numbers[plain])}/{plain}"
        members[path] = entry
    return members


def find_ending(names: Iterable[str], path: str) -> str | None:
    """The name that equals a path or ends in it. Of several, the one in the fewest folders. Hidden files do not count.

    Example:
        >>> find_ending(["x/old/meta/a.csv", "x/meta/a.csv", "meta/ba.csv"], "meta/a.csv")
        'x/meta/a.csv'
    """
    ending = [
        name
        for name in names
        if (name == path or name.endswith(f"/{path}")) and not any(map(is_hidden, PurePosixPath(name).parts))
    ]
    return min(ending, key=lambda name: (name.count("/"), name), default=None)


def leads_out(path: str) -> bool:
    """Whether a path with forward slashes leads out of the folder it is unpacked in, on any system."""
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts or _DRIVE.match(path) is not None


def _fault(entry: zipfile.ZipInfo, name: str) -> str | None:
    """Why a member is refused; None if it is not. `name` is its path with forward slashes."""
    if leads_out(name):
        return "its path leads out of the folder it is unpacked in"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a link"
    if entry.flag_bits & 1:
        return "it is encrypted"
    if entry.file_size > MAX_MEMBER_BYTES:
        return f"it declares {entry.file_size:,} bytes, expected at most {MAX_MEMBER_BYTES:,}"
    if entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        return f"it declares {entry.file_size:,} bytes out of {entry.compress_size:,} compressed ones"
    return None
