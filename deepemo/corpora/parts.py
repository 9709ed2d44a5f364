"""Parts of a large archive: `<corpus>.zip`, `<corpus>.part002.zip` and so on, which are read as one archive.

The comment of each zip says which part of which packing it is. An archive of one part has no comment, so that it is a
plain zip.
"""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepemo.errors import InputError

_NAME = re.compile(r"(?P<first>.+)\.part(?P<number>\d{3,})")
_MARK = re.compile(rb"deepemo: part (\d+) of (\d+) of ([0-9a-f]{64})\Z")
# No mark is longer: two numbers of ten digits, a digest and the words.
_MOST_BYTES = 128


@dataclass(frozen=True)
class Mark:
    """Which part of an archive a zip is.

    Attributes:
        number: from 1.
        count: number of parts.
        packing: digest of the recordings of all parts, and of how they are divided into parts.
    """

    number: int
    count: int
    packing: str

    def __str__(self) -> str:
        return f"part {self.number} of {self.count} of packing {self.packing[:12]}"

    def comment(self) -> bytes:
        """The mark as the comment of a zip."""
        return f"deepemo: part {self.number} of {self.count} of {self.packing}".encode()


def read_mark(path: Path) -> Mark | None:
    """The mark of a zip; None if it has none.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _MOST_BYTES))
        found = _MARK.search(stream.read())
    return None if found is None else Mark(int(found[1]), int(found[2]), found[3].decode())


def part_path(archive: Path, number: int) -> Path:
    """Path of a part of an archive; the first part has the archive's own path.

    Example:
        >>> part_path(Path("raw/tess.zip"), 1).name, part_path(Path("raw/tess.zip"), 2).name
        ('tess.zip', 'tess.part002.zip')
    """
    return archive if number == 1 else archive.with_name(f"{archive.stem}.part{number:03d}{archive.suffix}")


def first_path(path: Path) -> Path:
    """Path of the archive that a path belongs to by its name: that of the first part, or the path itself.

    Example:
        >>> first_path(Path("raw/tess.part002.zip")).name, first_path(Path("raw/tess.zip")).name
        ('tess.zip', 'tess.zip')
    """
    found = _NAME.fullmatch(path.stem)
    return path if found is None else path.with_name(found["first"] + path.suffix)


def later_parts(archive: Path) -> list[Path]:
    """Files beside an archive that are named as its second part or a later one, in the order of their numbers."""
    named = f"{glob.escape(archive.stem)}.part*{glob.escape(archive.suffix)}"
    found = (path for path in archive.parent.glob(named) if path != archive and first_path(path) == archive)
    return sorted(found, key=_number)


def belongs_to_another(path: Path) -> bool:
    """Whether a zip is a later part of an archive whose first part is there too."""
    return first_path(path) != path and first_path(path).is_file() and read_mark(path) is not None


def all_parts(archive: Path) -> list[Path]:
    """The parts of an archive in their order, checked; the path alone if the archive has one part.

    Files that are named as parts but have no mark do not belong to the archive, and are left out.

    Raises:
        InputError: the path is a later part, a part is missing or comes from another packing, or a part is left over
            from another packing.
        OSError: a file cannot be read.
    """
    mark = read_mark(archive)
    if mark is not None and mark.number != 1:
        raise InputError(f"{archive}: found {mark}, expected part 1, which stands for all parts")
    count = 1 if mark is None else mark.count
    parts = [part_path(archive, number) for number in range(1, count + 1)]
    if mark is not None and (fault := next(_faults(mark, parts), None)):
        raise InputError(f"{fault}; expected all {count} parts side by side, as the stage `download` packs them")
    for path in later_parts(archive):
        if path not in parts and (left := read_mark(path)) is not None:
            raise InputError(
                f"{path}: found {left}, which {archive.name} does not belong to: it has {count} "
                f"part{'s' * (count > 1)}; delete it if it is left over, or run the stage `download` again"
            )
    return parts


def _faults(first: Mark, parts: list[Path]) -> Iterator[str]:
    for number, path in enumerate(parts, start=1):
        wanted = Mark(number, first.count, first.packing)
        if not path.is_file():
            yield f"{path}: no such file, expected {wanted}"
        elif (found := read_mark(path)) != wanted:
            yield f"{path}: found {found or 'a zip that is no part'}, expected {wanted}"


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.stem)
    return 1 if found is None else int(found["number"])
