"""The one reader of zip archives of recordings: everything about a member is checked before anything is read of it."""

import errno
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from deepemo.errors import InputError
from deepemo.recordings import is_recording, printable

# A recording of 1 GiB would be three hours long, an archive of 64 GiB a hundred times the largest corpus.
MAX_MEMBER_BYTES = 1 << 30
MAX_ARCHIVE_BYTES = 64 << 30
# Deflate shrinks zeros about a thousandfold at most, and a pause in speech far less.
MAX_RATIO = 1100

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError, OSError
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")

_Entry = TypeVar("_Entry")


class ArchiveError(InputError):
    """An archive that is damaged, or whose recordings would be unsafe to unpack."""


class Archive:
    """A zip archive of recordings. Every recording is checked before the first is read; threads may share it.

    Members that are no recordings are never read: what is odd about them is no fault of the archive's.

    Attributes:
        path: where it lies.
        ignored: stored names of members that are no recordings and would have been refused if they were.

    Raises:
        ArchiveError: it is no zip; a recording would climb out of the folder it is unpacked in, is a link or encrypted,
            or declares an absurd size.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ArchiveError(f"{path}: expected a zip archive of recordings: {error}") from error
        found, ignored = [], []
        for entry in self._zip.infolist():
            name = entry.filename.replace("\\", "/")
            fault = _fault(entry, name)
            if name.endswith("/") or not is_recording(name):
                ignored += [entry.filename] if fault else []
            elif fault:
                raise ArchiveError(f"{path}: member {entry.filename!r} is refused: {fault}")
            else:
                found.append((name, entry))
        self.ignored = tuple(ignored)
        self._members = named_apart(found)
        total = sum(entry.file_size for _, entry in found)
        if total > MAX_ARCHIVE_BYTES:
            raise ArchiveError(
                f"{path}: its recordings declare {total:,} bytes, expected {MAX_ARCHIVE_BYTES:,} or less"
            )

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, in plain form (`named_apart`), sorted."""
        return sorted(self._members)

    def size_bytes(self, member: str) -> int:
        """Size of a recording once unpacked, as the archive declares it; no more than that is ever read.

        Raises:
            ArchiveError: it is not there.
        """
        return self._entry(member).file_size

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """Open a recording for reading.

        Raises:
            ArchiveError: it is not there, or what it holds is damaged.
        """
        entry = self._entry(member)
        try:
            with self._zip.open(entry) as stream:
                yield stream
        except _DAMAGE as error:
            # Broken bz2 has no number, an offset outside the file is an invalid argument; others are the disk's.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise ArchiveError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def _entry(self, member: str) -> zipfile.ZipInfo:
        try:
            return self._members[member]
        except KeyError as error:
            raise ArchiveError(f"{self.path}: holds no member {member!r}") from error


def named_apart(found: Iterable[tuple[str, _Entry]]) -> dict[str, _Entry]:
    """Give each recording of a folder or archive a path of its own that can be written into any table.

    A path in plain form has forward slashes, no empty parts, no spaces behind the file's name, and `%0D` and the like
    for characters that are not to be written. The second recording under one path is put into a folder `~2`, the third
    into `~3`: its file name, which says what it is, stays.

    Args:
        found: stored paths, each with what they lead to.
    """
    members: dict[str, _Entry] = {}
    for stored, entry in found:
        plain = printable(str(PurePosixPath(stored.replace("\\", "/").rstrip())))
        path, number = plain, 2
        while path in members:
            path, number = f"~{number}/{plain}", number + 1
        members[path] = entry
    return members


def leads_out(path: str) -> bool:
    """Whether a path with forward slashes leads out of the folder it is unpacked in, on any system."""
    parts = PurePosixPath(path)
    return parts.is_absolute() or ".." in parts.parts or _DRIVE.match(path) is not None


def _fault(entry: zipfile.ZipInfo, name: str) -> str | None:
    """Why a member would be refused, if for anything; `name` has forward slashes."""
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
