"""Which files are recordings: the suffixes, hidden names, and Git LFS pointers.

Downloading, validation, the trials of the voice gate and the command line all use this module, so that they find the
same recordings in a folder or an archive.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# Sound files, and video files with sound, in order of preference: if a corpus has a performance in several formats, the
# first of these is used.
# fmt: off
SUFFIXES = (
    ".wav", ".wave", ".rf64", ".w64", ".flac", ".aif", ".aiff", ".aifc", ".au", ".caf",
    ".opus", ".ogg", ".oga", ".m4a", ".aac", ".mp3", ".amr",
    ".mka", ".webm", ".mkv", ".mp4", ".mov", ".3gp",
)
# fmt: on

# Files and folders that operating systems create, besides those whose names begin with a dot.
_SYSTEM_NAMES = {
    "__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir", "lost+found"
}  # fmt: skip

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer has less than 1,024 bytes.
MAX_POINTER_BYTES = 1023
_POINTER = re.compile(rb"\Aversion https?://\S+\r?\n(?:\S+ .*\n)*?oid sha256:([0-9a-f]{64})\r?\nsize (\d+)\r?\n?")
POINTER_ADVICE = (
    "GitHub's 'Download ZIP' and a clone without git-lfs hold only pointers to recordings; run `git lfs install` and "
    "`git lfs pull` in a clone of the repository"
)
# Unicode categories of control characters, line ends and undecodable bytes.
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}


class Pointer(NamedTuple):
    """What a Git LFS pointer says about the file that it replaces."""

    sha256: str
    size_bytes: int


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or was created by the operating system."""
    return (name.startswith(".") and name not in (".", "..")) or name.casefold() in _SYSTEM_NAMES


def is_recording(path: str) -> bool:
    """Whether a path is a recording: its suffix is in `SUFFIXES`, in either case, and no part of the path is hidden.

    Args:
        path: with forward slashes, relative to the folder or archive that is searched.

    Example:
        >>> is_recording("a/b.WAV"), is_recording("a/notes.txt"), is_recording("__MACOSX/._b.wav")
        (True, False, False)
    """
    parts = PurePosixPath(path).parts
    return bool(parts) and _suffix(parts[-1]) in SUFFIXES and not any(map(is_hidden, parts))


def format_rank(path: str) -> int:
    """Position of a recording's suffix in `SUFFIXES`; the lowest is preferred."""
    return SUFFIXES.index(_suffix(path))


def printable(text: str) -> str:
    r"""A name for tables and terminals, with control characters and undecodable bytes written as `%0D`.

    Example:
        >>> printable("a\tb.wav")
        'a%09b.wav'
    """
    return "".join(
        "".join(f"%{byte:02X}" for byte in _bytes(letter)) if unicodedata.category(letter) in _UNWRITABLE else letter
        for letter in text
    )


def find_recordings(folder: Path, unreadable: Callable[[OSError], None]) -> Iterator[Path]:
    """Find recordings at any depth below a folder, in order of their names.

    Hidden files and folders are left out. Links are followed, and a folder that several links lead to is searched once.
    A broken link counts as a recording, which cannot be opened; pipes and devices do not count.

    Args:
        folder: where to search.
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
            # Files that were unpacked from an archive made on Windows may have backslashes in their names.
            inside = name.replace("\\", "/")
            if not is_hidden(name) and is_recording(inside) and _may_be_read(here / name):
                yield here / name


def read_pointer(content: bytes) -> Pointer | None:
    """Parse a Git LFS pointer of at most `MAX_POINTER_BYTES`; returns None for any other content."""
    found = _POINTER.match(content) if len(content) <= MAX_POINTER_BYTES else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def is_pointer_file(path: Path) -> bool:
    """Whether a file is a Git LFS pointer.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    return (
        stat.S_ISREG(about.st_mode)
        and about.st_size <= MAX_POINTER_BYTES
        and read_pointer(path.read_bytes()) is not None
    )


def _may_be_read(path: Path) -> bool:
    """Whether a path is a file, or cannot be examined, in which case opening it will raise the error."""
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
