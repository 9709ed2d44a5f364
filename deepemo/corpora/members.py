"""Members of archives: how they are named, which are recordings, and which are refused."""

import re
import stat
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import PurePosixPath
from typing import TypeVar

from deepemo.recordings import is_hidden, printable

# A recording of 1 GiB lasts three hours.
MAX_MEMBER_BYTES = 1 << 30
# For a table of a corpus. CREMA-D's table of listeners' answers (2,443 listeners) has 4 MB.
MAX_TABLE_BYTES = 64 << 20
# Deflate compresses zeros about a thousandfold, and speech far less.
MAX_RATIO = 1100

_DRIVE = re.compile(r"[A-Za-z]:")

_Entry = TypeVar("_Entry")


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


def fault(entry: zipfile.ZipInfo, name: str) -> str | None:
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
