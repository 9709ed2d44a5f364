"""A stretch of a file as a file of its own, read-only, with some of its bytes replaced."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Bytes are searched in pieces of this size.
_PIECE = 1 << 20
# Looked at in small steps, a file is read in pieces of this size.
_NEAR = 1 << 13


class Excerpt(io.RawIOBase):
    """Bytes `start` to `end` of a file.

    Decoders call it from C, where an exception would be lost: an error of the disk ends the file and is kept in
    `error` instead, and a position before the start is the start.
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
        """Choose the stretch.

        Args:
            file: can be sought in; its position is moved.
            start: first byte.
            end: byte after the last one; by default that of the file.
            replaced: what stands at a position of the stretch in place of what the file holds.
            errors: where those of the disk are kept.
        """
        super().__init__()
        size = file.seek(0, io.SEEK_END)
        self.size = max(0, min(size, size if end is None else end) - start)
        self._file = file
        self._start = start
        self._replaced = dict(replaced or {})
        self._errors: list[OSError] = [] if errors is None else errors
        self._position = 0
        self._near = (0, b"")

    @property
    def error(self) -> OSError | None:
        """What the disk said when this stretch, or another of the same file, could not be read."""
        return self._errors[0] if self._errors else None

    def part(self, start: int, end: int | None = None, *, replaced: Mapping[int, bytes] | None = None) -> Excerpt:
        """A stretch of this stretch."""
        if self._replaced:
            return Excerpt(self, start, end, replaced=replaced, errors=self._errors)  # type: ignore[arg-type]
        last = self._start + min(self.size, self.size if end is None else end)
        return Excerpt(self._file, self._start + start, last, replaced=replaced, errors=self._errors)

    def at(self, position: int, length: int) -> bytes:
        """At most so many bytes from a position, 0 or more, on; the file's own position stays.

        Raises:
            OSError: the disk cannot be read.
        """
        first, content = self._near
        if not (first <= position and position + length <= min(first + len(content), self.size)):
            before, self._position = self._position, position
            content = self.read(max(length, _NEAR)) or b""
            self._near = first, content = self._position - len(content), content
            self._position = before
            if self.error is not None:
                raise self.error
        return content[position - first : position - first + length]

    def find(self, wanted: bytes, start: int, end: int | None = None) -> int:
        """First position from `start` on and before `end` at which these bytes stand, or -1."""
        last = self.size if end is None else min(end, self.size)
        while start < last:
            found = self.at(start, min(_PIECE, last - start) + len(wanted) - 1).find(wanted)
            if found >= 0:
                return start + found
            start += _PIECE
        return -1

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Position in the stretch."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; not before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer as far as the stretch goes."""
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
