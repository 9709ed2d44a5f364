"""A part of a file as a separate read-only file, with some of its bytes replaced."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SEARCH_BYTES = 1 << 20  # read at once by `find`
_CACHE_BYTES = 1 << 13  # read at once by `at`, which is called for a few bytes at a time


class FileSlice(io.RawIOBase):
    """Bytes `start` to `end` of a file.

    Decoders call it from C, where an exception would be lost. Therefore an error of the disk ends the file and is kept
    in `error`, and a seek to before the start goes to the start.

    Example:
        >>> part = FileSlice(io.BytesIO(b"abcdefgh"), 2, 6, replaced={1: b"X"})
        >>> part.size, part.read(), part.at(2, 1)
        (4, b'cXef', b'e')
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int = 0,
        end: int | None = None,
        *,
        replaced: Mapping[int, bytes] | None = None,
        errors: list[OSError] | None = None,
    ) -> None:
        """Choose the part.

        Args:
            file: a seekable file; its position is moved.
            start: position of the first byte.
            end: position after the last byte; by default the end of the file.
            replaced: bytes to read in place of the file's own, by their position in the part.
            errors: list to which errors of the disk are added.
        """
        super().__init__()
        size = file.seek(0, io.SEEK_END)
        self.size = max(0, min(size, size if end is None else end) - start)
        self._file = file
        self._start = start
        self._replaced = dict(replaced or {})
        self._errors: list[OSError] = [] if errors is None else errors
        self._position = 0
        self._cache = (0, b"")

    @property
    def error(self) -> OSError | None:
        """The first disk error while reading this part or another part of the same file."""
        return self._errors[0] if self._errors else None

    def part(self, start: int, end: int | None = None, *, replaced: Mapping[int, bytes] | None = None) -> FileSlice:
        """A part of this part."""
        if self._replaced:
            return FileSlice(self, start, end, replaced=replaced, errors=self._errors)  # type: ignore[arg-type]
        last = self._start + min(self.size, self.size if end is None else end)
        return FileSlice(self._file, self._start + start, last, replaced=replaced, errors=self._errors)

    def at(self, position: int, length: int) -> bytes:
        """At most `length` bytes from `position` on, without moving the position of the file itself.

        Raises:
            OSError: the disk cannot be read.
        """
        first, content = self._cache
        if not (first <= position and position + length <= min(first + len(content), self.size)):
            before, self._position = self._position, position
            content = self.read(max(length, _CACHE_BYTES)) or b""
            self._cache = first, content = self._position - len(content), content
            self._position = before
            if self.error is not None:
                raise self.error
        return content[position - first : position - first + length]

    def find(self, wanted: bytes, start: int, end: int | None = None) -> int:
        """First position from `start` on and before `end` where these bytes occur, or -1."""
        last = self.size if end is None else min(end, self.size)
        while start < last:
            found = self.at(start, min(_SEARCH_BYTES, last - start) + len(wanted) - 1).find(wanted)
            if found >= 0:
                return start + found
            start += _SEARCH_BYTES
        return -1

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position in the part."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; a position before the start becomes the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer, at most up to the end of the part."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self.size - self._position)
        if wanted <= 0 or self._errors:
            return 0
        try:
            self._file.seek(self._start + self._position)
            got: int = self._file.readinto(view[:wanted])  # type: ignore[attr-defined]
        except OSError as error:
            self._errors.append(error)
            return 0
        for position, new in self._replaced.items():
            first, last = max(position, self._position), min(position + len(new), self._position + got)
            if first < last:
                view[first - self._position : last - self._position] = new[first - position : last - position]
        self._position += got
        return got
