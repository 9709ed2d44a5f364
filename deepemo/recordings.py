"""Which files are recordings: by suffix, by a name that is not hidden, and by not being a mere Git LFS pointer.

One place for downloading, validating, the gate's trials and the command line, so that they agree on what lies in a
folder or an archive.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# Of sound files, and of video files for their sound. In this order: where a corpus holds one performance in several
# formats, the first is used.
# fmt: off
SUFFIXES = (
    ".wav", ".wave", ".rf64", ".w64", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf",
    ".opus", ".ogg", ".oga", ".m4a", ".aac", ".mp3", ".amr",
    ".mka", ".webm", ".mkv", ".mp4", ".mov", ".3gp",
)
# fmt: on

# Files and folders that systems leave beside people's own, besides those whose names begin with a dot.
_SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir", "lost+found"
}  # fmt: skip

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer has less than 1,024 bytes.
MOST_POINTER_BYTES = 1023
_POINTER = re.compile(rb"\Aversion https?://\S+\n(?:\S+ .*\n)*?oid sha256:([0-9a-f]{64})\nsize (\d+)\n?")
POINTER_ADVICE = (
    "GitHub's 'Download ZIP' and a clone without git-lfs hold only pointers to recordings; run `git lfs install` and "
    "`git lfs pull` in a clone of the repository"
)
# Characters that end a line, command a terminal or stand for bytes that are no text.
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}


class Pointer(NamedTuple):
    """What a Git LFS pointer says of the file that it stands for."""

    sha256: str
    size_bytes: int


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder is a system's or an editor's, and nobody's recording."""
    return (name.startswith(".") and name not in (".", "..")) or name.casefold() in _SYSTEM_NAMES


def is_recording(path: str) -> bool:
    """Whether a path is a recording's: its suffix is one of `SUFFIXES`, in either case, and no part of it is hidden.

    Args:
        path: with forward slashes, relative to the folder or archive that was asked for.
    """
    parts = PurePosixPath(path).parts
    return bool(parts) and _suffix(parts[-1]) in SUFFIXES and not any(map(is_hidden, parts))


def format_rank(path: str) -> int:
    """Position of a recording's format in `SUFFIXES`: the lower, the better to use."""
    return SUFFIXES.index(_suffix(path))


def printable(text: str) -> str:
    """A name as it can be written into any table or terminal: control characters and undecodable bytes as `%0D`."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in _bytes(letter)) if unicodedata.category(letter) in _UNWRITABLE else letter
        for letter in text
    )


def find_recordings(folder: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """Recordings anywhere below a folder, by name; hidden files and folders are left out.

    Links are followed, but a folder to which they lead back is seen once. A link to nowhere counts as a recording,
    which cannot be opened; pipes and devices do not.

    Args:
        folder: where to look.
        unreadable: called with the error of each folder that cannot be listed; `filename` is its path.
    """
    seen = {folder.resolve()}
    for path, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        here = Path(path)
        fresh = []
        for name in sorted(folders):
            target = (here / name).resolve()
            if not is_hidden(name) and target not in seen:
                seen.add(target)
                fresh.append(name)
        folders[:] = fresh
        for name in sorted(names):
            # Unpacking an archive made on Windows leaves its backslashes in the names of files.
            inside = name.replace("\\", "/")
            if not is_hidden(name) and is_recording(inside) and _may_be_read(here / name):
                yield here / name


def read_pointer(content: bytes) -> Pointer | None:
    """What a Git LFS pointer says; None if this is none. So is every file of more than `MOST_POINTER_BYTES`."""
    found = _POINTER.match(content) if len(content) <= MOST_POINTER_BYTES else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def is_pointer_file(path: Path) -> bool:
    """Whether a file is a Git LFS pointer.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    return (
        stat.S_ISREG(about.st_mode)
        and about.st_size <= MOST_POINTER_BYTES
        and read_pointer(path.read_bytes()) is not None
    )


def _may_be_read(path: Path) -> bool:
    """Whether a path is a file, or nobody can tell: opening it says what is wrong."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _suffix(name: str) -> str:
    return PurePosixPath(name.rstrip()).suffix.lower()


def _bytes(letter: str) -> bytes:
    try:
        return letter.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return letter.encode("utf-8", "surrogatepass")
