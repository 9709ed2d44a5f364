"""The files of a run: their paths, and how each kind of file is written.

Paths are relative to the root of the pipeline, as in dvc.yaml. A file appears complete or not at all: it is written
beside its place and then moved there.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepemo.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

RAW = Path("data/raw")
CLIPS = Path("data/clips.csv")
SPLIT = Path("data/split.csv")
FEATURES = Path("data/features")
EMBEDDINGS = Path("data/embeddings")
PREDICTIONS = Path("data/predictions.csv")
MODELS = Path("models")
METRICS = Path("metrics")
PLOTS = Path("plots")
REPORTS = Path("reports")
RESUME = Path(".resume")

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Let the block write a file beside its place, and move the file there once it is complete.

    Args:
        path: path of the file. Missing folders are created, and an existing file is replaced.

    Yields:
        The path to write to. If the block raises, the partial file is deleted and `path` does not change.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        # mkstemp makes the file private, but a file of the run may be read by everyone who may read the folder.
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_room(path: Path, needed_bytes: int) -> None:
    """Check that the disk has room for a file of this size.

    Raises:
        InputError: there is too little room; the message says how much is free and how much is needed.
    """
    free_bytes = shutil.disk_usage(path.parent).free
    if free_bytes < needed_bytes:
        raise InputError(
            f"{path}: the disk has {free_bytes:,} bytes free, {needed_bytes:,} are needed; make room and run again"
        )


@contextmanager
def explained_full_disk(path: Path) -> Iterator[None]:
    """Turn the system's error about a full disk, which names no file, into one that names the file being written.

    Raises:
        InputError: the disk, or the user's share of it, is full.
        OSError: any other error in writing.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise InputError(f"{path}: cannot be written: {error.strerror}; make room and run again") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with its line ends unchanged."""
    with written_whole(path) as partial:
        partial.write_bytes(text.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs: indented, in the order given.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, expected: str) -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        expected: what it should be, for the error, such as: a finished pipeline run.

    Raises:
        InputError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, expected {expected}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}), expected {expected}") from error


def file_sha256(path: Path) -> str:
    """Digest of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_sha256(folder: Path) -> str:
    """SHA-256, in hexadecimal, of the names and contents of all files in a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file_sha256(path)}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def write_csv(path: Path, table: pd.DataFrame, *, float_format: str = "%.6g") -> None:
    """Write a table as CSV in UTF-8, without its index, so that it is read back unchanged; lines end with a line feed.

    Python's csv quotes a carriage return inside a field only if lines end with one (until 3.11.9 and 3.12.3).
    """
    with written_whole(path) as partial, _Lines(partial.open("wb"), encoding="utf-8", newline="") as stream:
        table.to_csv(stream, index=False, float_format=float_format, lineterminator="\r\n")


class _Lines(io.TextIOWrapper):
    """Takes one line per write, and replaces the carriage return and line feed at its end by a line feed."""

    def write(self, line: str) -> int:
        return super().write(line.removesuffix("\r\n") + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
