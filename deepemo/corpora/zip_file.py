"""One zip file that threads share and that each process opens for itself."""

import errno
import lzma
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deepemo.errors import InputError

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError, OSError
)  # fmt: skip


class SharedZip:
    """A zip file that is open for reading; the first read after `close`, or in a forked process, opens it again.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            InputError: it is not a zip.
            OSError: it cannot be opened.
        """
        self.path = path
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = self._open_zip()
        self._process = os.getpid()

    def entries(self) -> list[zipfile.ZipInfo]:
        """All entries of its directory, in their order."""
        return self._current_zip().infolist()

    @contextmanager
    def open(self, entry: zipfile.ZipInfo, member: str) -> Iterator[IO[bytes]]:
        """Open a member for reading.

        Args:
            entry: its entry in the directory.
            member: its name, for errors.

        Raises:
            InputError: its stored bytes are damaged.
        """
        try:
            with self._current_zip().open(entry) as stream:
                yield stream
        except _DAMAGE as error:
            # Damaged bz2 raises an error without a number; an offset outside the file raises "invalid argument". All
            # other errors are errors of the disk.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise InputError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._zip is not None and self._process == os.getpid():
                self._zip.close()
            self._zip = None

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
