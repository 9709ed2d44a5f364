"""The state of a transfer: the expected file, the part received so far, its addresses and the progress bar."""

import hashlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from tqdm import tqdm

from deepemo.files import explained_full_disk, write_json

_LOG = logging.getLogger(__name__)

# After this many failures in a row for files that another address has, an address is asked last. Fewer failures may
# only mean that it lacks some files.
_MAX_REFUSALS = 3


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known about a file before it is fetched. Unknown values are None.

    Attributes:
        size_bytes: its size.
        algorithm: of its digest. `git` is the algorithm of git object ids: sha1 of `blob <size>`, a zero byte and the
            content.
        digest: in hexadecimal.
        most_bytes: the maximum size, if the size is not known.

    Example:
        >>> print(Expected(size_bytes=2048))
        2,048 bytes
    """

    size_bytes: int | None = None
    algorithm: Literal["md5", "sha1", "sha256", "git"] = "sha256"
    digest: str | None = None
    most_bytes: int | None = None

    @property
    def limit_bytes(self) -> int | None:
        """The maximum size that is accepted."""
        return self.most_bytes if self.size_bytes is None else self.size_bytes

    def __str__(self) -> str:
        size = "" if self.size_bytes is None else f"{self.size_bytes:,} bytes"
        digest = "" if self.digest is None else f"{self.algorithm} {self.digest}"
        most = "" if self.most_bytes is None else f"a file of at most {self.most_bytes:,} bytes"
        return " with ".join(filter(None, [size or most, digest])) or "a file"

    def fault(self, path: Path) -> str | None:
        """What is wrong with a file; None if it is the expected one."""
        size_bytes = path.stat().st_size
        if self.size_bytes is not None and size_bytes != self.size_bytes:
            return f"found {size_bytes:,} bytes"
        if self.most_bytes is not None and size_bytes > self.most_bytes:
            return f"found {size_bytes:,} bytes"
        if self.digest is not None:
            found = _digest(path, self.algorithm)
            if found != self.digest.lower():
                return f"found {self.algorithm} {found}"
        return None


def _digest(path: Path, algorithm: str) -> str:
    digest = hashlib.new("sha1" if algorithm == "git" else algorithm, usedforsecurity=False)
    if algorithm == "git":
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Partial:
    """The part of a file received so far: `<name>.part`, with its origin in `<name>.part.json` beside it.

    A part can be continued only from the address it came from, and only while that address serves the same file. The
    address and its validator (ETag or date) are written before the first byte. A killed process therefore leaves either
    a part with a known origin, or none.

    Args:
        target: path of the complete file.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.json")

    @property
    def size_bytes(self) -> int:
        """Size of the part."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self, url: str) -> str | None:
        """Validator (ETag or date) of this part, or an empty text if it has none; None if it is not from `url`."""
        try:
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            return str(origin["validator"]) if origin["url"] == url else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def writing(self, url: str, validator: str, *, start: int) -> Iterator[IO[bytes]]:
        """Open the part for writing at `start`: its end, or 0 to start again.

        A failure before the first byte leaves no part.

        Raises:
            InputError: the disk is full.
        """
        try:
            with explained_full_disk(self.path):
                if start == 0:
                    self.drop()
                    write_json(self._origin, {"url": url, "validator": validator})
                with self.path.open("ab") as sink:
                    yield sink
        except BaseException:
            if self.size_bytes == 0:
                self.drop()
            raise

    def drop(self) -> None:
        """Delete the part."""
        self.path.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def keep(self) -> None:
        """Move the complete file to its place."""
        self.path.replace(self.target)
        self._origin.unlink(missing_ok=True)


class Addresses:
    """Remembers which of several servers of the same files fails to give them, so that it is asked last.

    A server is the address of a file without its name. Threads may share this.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusals = Counter[str]()

    def ranked(self, urls: Sequence[str]) -> list[str]:
        """Addresses of one file in the order given, but last those on servers that gave none of the last few files."""
        with self._lock:
            return sorted(urls, key=lambda url: self._refusals[_server(url)] >= _MAX_REFUSALS)

    def record_success(self, url: str, failed: Iterable[str]) -> None:
        """Note that a file came from one of its addresses after others failed."""
        with self._lock:
            del self._refusals[_server(url)]
            for other in failed:
                self._refusals[_server(other)] += 1
                if self._refusals[_server(other)] == _MAX_REFUSALS:
                    _LOG.warning(
                        "%s gave none of the last %d files that %s has; from now on it is asked last",
                        *(_server(other), _MAX_REFUSALS, _server(url)),
                    )


class Progress:
    """A progress bar in bytes that several threads update. It draws nothing if stderr is not a terminal.

    Args:
        label: what is being fetched.
        total_bytes: of all files, as far as known.
        total_files: how many there are.
    """

    def __init__(self, label: str, *, total_bytes: int, total_files: int = 1) -> None:
        self._lock = threading.Lock()
        self._files = 0
        self._total_files = total_files
        self._bar = tqdm(total=total_bytes, desc=label, unit="B", unit_scale=True, disable=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def advance(self, size_bytes: int) -> None:
        """Count bytes that were received, or, if negative, deleted."""
        with self._lock:
            self._bar.update(size_bytes)

    def held(self, size_bytes: int) -> None:
        """Count bytes of an earlier run; they are not part of the rate."""
        if self._bar.disable:
            return
        with self._lock:
            self._bar.initial += size_bytes
            self._bar.n += size_bytes
            self._bar.refresh()

    def file_done(self) -> None:
        """Count a finished file."""
        with self._lock:
            self._files += 1
            if self._total_files > 1:
                self._bar.set_postfix_str(f"{self._files:,} of {self._total_files:,} files", refresh=False)


def _server(url: str) -> str:
    return url.rpartition("/")[0]
