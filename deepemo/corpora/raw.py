"""The recordings of one corpus as they lie in `data/raw/<corpus>.zip`."""

import errno
import lzma
import os
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from deepemo.errors import InputError

RECORDING_SUFFIXES = (".wav", ".wave", ".flac", ".aif", ".aiff", ".ogg", ".opus", ".mp3")

_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, UnicodeDecodeError, OSError)


class RawCorpusError(InputError):
    """An archive of recordings, or a member of it, that cannot be read."""


class RawCorpus:
    """A zip archive of recordings, read member by member.

    It may be used from several threads at once, pickled to another process or carried there by a fork: each process
    opens the archive for itself.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._opened_in: int | None = None

    @property
    def name(self) -> str:
        """Name of the corpus: the stem of its archive."""
        return self.path.stem

    def members(self) -> list[str]:
        """Paths of the recordings in the archive, sorted; what is no recording by its suffix is left out.

        Raises:
            RawCorpusError: the archive is no zip.
            FileNotFoundError: there is no such archive.
        """
        return sorted(name for name in self._open().namelist() if _is_recording(name))

    def size_bytes(self, member: str) -> int:
        """Size of a member once unpacked, as the archive declares it; `read` returns no more than that.

        Raises:
            RawCorpusError: it is missing.
        """
        return self._info(member).file_size

    def read(self, member: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            RawCorpusError: it is missing, or its stored bytes are damaged.
        """
        info = self._info(member)
        try:
            return self._open().read(info)
        except _DAMAGE as error:
            # Broken bz2 has no number, an offset outside the file is an invalid argument; others are the disk's.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise RawCorpusError(f"{self.path}: member {member!r} cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the archive; it is opened again when it is read next."""
        with self._lock:
            if self._archive is not None and self._opened_in == os.getpid():
                self._archive.close()
            self._archive = None

    def _info(self, member: str) -> zipfile.ZipInfo:
        try:
            return self._open().getinfo(member)
        except KeyError as error:
            raise RawCorpusError(f"{self.path}: holds no member {member!r}") from error

    def _open(self) -> zipfile.ZipFile:
        with self._lock:
            # After a fork both processes would move the one file offset that they share.
            if self._archive is None or self._opened_in != os.getpid():
                try:
                    self._archive = zipfile.ZipFile(self.path)
                except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
                    raise RawCorpusError(f"{self.path}: expected a zip archive of recordings: {error}") from error
                self._opened_in = os.getpid()
            return self._archive

    def __enter__(self) -> "RawCorpus":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.path,))


def _is_recording(name: str) -> bool:
    path = PurePosixPath(name)
    # macOS archives carry a resource fork `__MACOSX/.../._x.wav` beside each file.
    is_folder = name.endswith("/")
    return path.suffix.lower() in RECORDING_SUFFIXES and not path.name.startswith("._") and not is_folder
