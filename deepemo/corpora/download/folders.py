"""Where recordings lie before they are packed: folders, and zip archives (see `archive`)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from deepemo.corpora.archive import leads_out, named_apart
from deepemo.recordings import MOST_POINTER_BYTES, find_recordings, read_pointer


class Place(Protocol):
    """A folder or archive that holds recordings."""

    path: Path

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, in plain form (`archive.named_apart`), sorted."""

    def size_bytes(self, member: str) -> int:
        """Size of a recording."""

    def open(self, member: str) -> AbstractContextManager[IO[bytes]]:
        """Open a recording for reading."""


def fail(error: OSError) -> None:
    """Raise the error of a folder that cannot be listed."""
    raise error


class Folder:
    """A folder tree; links inside it are followed, hidden files and folders left out.

    Args:
        path: its root.
        unreadable: called with the error of each folder that cannot be listed; by default that is raised.
    """

    def __init__(self, path: Path, unreadable: Callable[[OSError], None] = fail) -> None:
        self.path = path
        files = find_recordings(path, unreadable)
        self._files = named_apart((_inside(file.relative_to(path).as_posix()), file) for file in files)

    def recordings(self) -> list[str]:
        """Paths of the recordings inside, in plain form (`archive.named_apart`), sorted."""
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


def _inside(path: str) -> str:
    """A path that an archive may hold: a backslash left by unpacking is a separator, but never one that leads out."""
    plain = path.replace("\\", "/")
    return path.replace("\\", "%5C").replace(":", "%3A") if leads_out(plain) else plain


class Selection:
    """Some of the recordings of another place.

    Args:
        place: where they lie.
        wanted: whether a path in it is one of them.
    """

    def __init__(self, place: Place, wanted: Callable[[str], bool]) -> None:
        self.path = place.path
        self.open = place.open
        self.size_bytes = place.size_bytes
        self._members = [member for member in place.recordings() if wanted(member)]

    def recordings(self) -> list[str]:
        """Paths of the chosen recordings, sorted."""
        return self._members


def is_pointer(place: Place, member: str) -> bool:
    """Whether what lies there is a Git LFS pointer and no recording. Only files as small as one are read.

    Raises:
        ArchiveError: it cannot be unpacked.
        OSError: it cannot be read.
    """
    if place.size_bytes(member) > MOST_POINTER_BYTES:
        return False
    with place.open(member) as stream:
        return read_pointer(stream.read(MOST_POINTER_BYTES + 1)) is not None
