"""Where recordings lie before they are packed: folders, and zip archives that are read with care."""

import errno
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from deepemo.errors import InputError

RECORDING_SUFFIX = ".wav"

# A recording of 1 GiB would be three hours long, an archive of 64 GiB a hundred times the largest corpus.
MAX_MEMBER_BYTES = 1 << 30
MAX_ARCHIVE_BYTES = 64 << 30
# Deflate shrinks zeros about a thousandfold at most, and a pause in speech far less.
MAX_RATIO = 1100

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError, OSError
)  # fmt: skip


class ArchiveError(InputError):
    """An archive that is damaged, or whose members would be unsafe to unpack."""


class Place(Protocol):
    """A folder or archive that holds recordings."""

    path: Path

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, with forward slashes, sorted."""

    def open(self, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a recording for reading."""


class Folder:
    """A folder tree; links inside it are followed, hidden files and folders left out."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, with forward slashes, sorted.

        Raises:
            InputError: a name is not in UTF-8, and could be packed under no name.
        """
        found = sorted(
            (folder / name).relative_to(self.path).as_posix()
            for folder, names in _walk(self.path)
            for name in names
            if is_recording(name)
        )
        for path in found:
            # Python stands in for bytes that are not UTF-8 by surrogates, which no file can hold.
            if any("\ud800" <= letter <= "\udfff" for letter in path):
                raise InputError(f"{self.path}: found the name {path!r}, expected one in UTF-8; rename it")
        return found

    def open(self, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a recording for reading.

        Raises:
            OSError: it cannot be read.
        """
        return (self.path / member).open("rb")


class Archive:
    """A zip archive. Every member is checked before the first is read, whether it is a recording or not.

    Raises:
        ArchiveError: it is no zip; a member would climb out of the folder it is unpacked in, is a link or encrypted, or
            declares an absurd size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            raise ArchiveError(f"{path}: expected a zip archive: {error}") from error
        for member in self._zip.infolist():
            self._check(member)
        total = sum(member.file_size for member in self._zip.infolist())
        if total > MAX_ARCHIVE_BYTES:
            raise ArchiveError(f"{path}: its members declare {total:,} bytes, expected at most {MAX_ARCHIVE_BYTES:,}")

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, with forward slashes, sorted."""
        return sorted(name for name in self._zip.namelist() if is_recording(name))

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """Open a recording for reading.

        Raises:
            ArchiveError: what it holds is damaged.
        """
        try:
            with self._zip.open(member) as stream:
                yield stream
        except _DAMAGE as error:
            # Broken bz2 has no number, an offset outside the file is an invalid argument; others are the disk's.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise ArchiveError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def _check(self, member: zipfile.ZipInfo) -> None:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        fault = None
        if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
            fault = "its path leads out of the folder it is unpacked in"
        elif stat.S_ISLNK(member.external_attr >> 16):
            fault = "it is a link"
        elif member.flag_bits & 1:
            fault = "it is encrypted"
        elif member.file_size > MAX_MEMBER_BYTES:
            fault = f"it declares {member.file_size:,} bytes, expected at most {MAX_MEMBER_BYTES:,}"
        elif member.file_size > MAX_RATIO * max(member.compress_size, 1):
            fault = f"it declares {member.file_size:,} bytes out of {member.compress_size:,} compressed ones"
        if fault:
            raise ArchiveError(f"{self.path}: member {member.filename!r} is refused: {fault}")


def is_recording(path: str) -> bool:
    """Whether a path is a recording's by its suffix, in either case, and no part of it is hidden."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and path.lower().endswith(RECORDING_SUFFIX)


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder under `root` with the names of its files; a folder that links lead back to is seen once."""
    seen = {root.resolve()}
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_raise):
        here = Path(folder)
        fresh = []
        for name in sorted(folders):
            target = (here / name).resolve()
            if not name.startswith(".") and target not in seen:
                seen.add(target)
                fresh.append(name)
        folders[:] = fresh
        yield here, names


def _raise(error: OSError) -> None:
    raise error
