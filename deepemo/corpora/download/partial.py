"""What is held of a file that is still being fetched: `<name>.part`, and beside it what it is a part of."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from deepemo.corpora.download.disk import telling_full_disk


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known of a file before it is fetched; None where its makers do not say."""

    size_bytes: int | None = None
    algorithm: Literal["md5", "sha1", "sha256"] = "sha256"
    digest: str | None = None

    def __str__(self) -> str:
        size = "" if self.size_bytes is None else f"{self.size_bytes:,} bytes"
        digest = "" if self.digest is None else f"{self.algorithm} {self.digest}"
        return " with ".join(filter(None, [size, digest])) or "a file"

    def fault(self, path: Path) -> str | None:
        """What is wrong with a file, or None if it is the expected one."""
        size_bytes = path.stat().st_size
        if self.size_bytes is not None and size_bytes != self.size_bytes:
            return f"found {size_bytes:,} bytes"
        if self.digest is not None:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, self.algorithm).hexdigest()
            if found != self.digest.lower():
                return f"found {self.algorithm} {found}"
        return None


class Partial:
    """The part of a file that has come so far.

    What is held can be continued only from the address it came from, and only while that holds the same file. Its
    address and validator (ETag or date) are written down before its first byte, so that a killed process leaves either
    a part that says what it is, or none.

    Args:
        target: where the file belongs when it is whole.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.json")

    @property
    def size_bytes(self) -> int:
        """Bytes that are held."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self, url: str) -> str | None:
        """ETag or date of the file at `url` that this is a part of; empty if it gave none, None if not from there."""
        try:
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            return str(origin["validator"]) if origin["url"] == url else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def writing(self, url: str, validator: str, *, start: int) -> Iterator[IO[bytes]]:
        """Open for writing at `start`: at its end, or anew at 0. What fails before its first byte leaves nothing.

        Raises:
            DiskFullError: there is no room.
        """
        try:
            with telling_full_disk(self.path):
                if start == 0:
                    self.drop()
                    self._origin.write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")
                with self.path.open("ab") as sink:
                    yield sink
        except BaseException:
            if self.size_bytes == 0:
                self.drop()
            raise

    def drop(self) -> None:
        """Throw away what is held."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def keep(self) -> None:
        """Put the whole file in its place."""
        self.path.replace(self.target)
        self._origin.unlink(missing_ok=True)
