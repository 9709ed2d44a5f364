"""The recordings of one corpus as they lie in `data/raw/<corpus>.zip`."""

import os
import threading
from pathlib import Path
from typing import Any

from deepemo.corpora.archive import Archive, ArchiveError
from deepemo.recordings import POINTER_ADVICE, read_pointer

# What is wrong with an archive of recordings, or with a member of it.
RawCorpusError = ArchiveError


class RawCorpus:
    """A zip archive of recordings, read member by member.

    It may be used from several threads at once, pickled to another process or carried there by a fork: each process
    opens the archive for itself.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._archive: Archive | None = None
        self._opened_in: int | None = None

    @property
    def name(self) -> str:
        """Name of the corpus: the stem of its archive."""
        return self.path.stem

    def members(self) -> list[str]:
        """Paths of the recordings in the archive, sorted; what is no recording by its name is left out.

        Raises:
            RawCorpusError: the archive is no zip, or a recording in it is unsafe to unpack.
            FileNotFoundError: there is no such archive.
        """
        return self._open().recordings()

    def size_bytes(self, member: str) -> int:
        """Size of a member once unpacked, as the archive declares it; `read` returns no more than that.

        Raises:
            RawCorpusError: it is missing.
        """
        return self._open().size_bytes(member)

    def read(self, member: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            RawCorpusError: it is missing, its stored bytes are damaged, or they are a Git LFS pointer.
        """
        with self._open().open(member) as stream:
            content = stream.read()
        if pointer := read_pointer(content):
            raise RawCorpusError(
                f"{self.path}: member {member!r} is a Git LFS pointer (to {pointer.size_bytes:,} bytes), no recording. "
                f"{POINTER_ADVICE}"
            )
        return content

    def close(self) -> None:
        """Close the archive; it is opened again when it is read next."""
        with self._lock:
            if self._archive is not None and self._opened_in == os.getpid():
                self._archive.close()
            self._archive = None

    def _open(self) -> Archive:
        with self._lock:
            # After a fork both processes would move the one file offset that they share.
            if self._archive is None or self._opened_in != os.getpid():
                self._archive = Archive(self.path)
                self._opened_in = os.getpid()
            return self._archive

    def __enter__(self) -> "RawCorpus":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.path,))
