"""Corpora in an object store or on a web server: any address that fsspec knows, such as `s3://bucket/corpora`.

The files of a corpus are listed, and copied to a folder beside `data/raw` where `folders.find_copy` finds them. The
store's library takes credentials from the environment. Neither these nor credentials in an address are ever shown.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.folders import CopyNotFoundError, known_names, same_name
from deepemo.corpora.download.rar import is_archive
from deepemo.corpora.download.transfer import Progress
from deepemo.corpora.members import find_ending, leads_out
from deepemo.corpora.parts import first_path
from deepemo.errors import InputError
from deepemo.files import explained_full_disk, require_room, written_whole
from deepemo.recordings import is_recording
from deepemo.threads import map_in_threads

_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL", re.IGNORECASE)


def is_address(source_dir: str) -> bool:
    """Whether a source is an address, such as `s3://bucket/corpora`, and not a folder of this machine."""
    return "://" in source_dir


def shown(address: str) -> str:
    """An address without the user, password and signature that it may hold.

    >>> shown("https://me:secret@example.org/corpora?signature=abc")
    'https://example.org/corpora'
    """
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True)
class _Stored:
    """A file in a store: its name there, its path below the source, its size, and a mark of its version."""

    name: str
    path: str
    size_bytes: int
    version: str


class Store:
    """The corpora at an address."""

    def __init__(self, address: str) -> None:
        """Take the address. No request is sent to the store yet.

        Raises:
            InputError: fsspec does not know this kind of address, or the package that it needs is not installed.
        """
        import fsspec

        self.shown = shown(address)
        self._web = urlsplit(address).scheme in ("http", "https")
        try:
            self._store, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"download.source_dir: {self.shown}: {_without_secrets(error)}; expected a folder or an address whose "
                "package is installed: the extra deepemo[s3] brings the one for s3://"
            ) from error

    def find(self, corpus: Corpus) -> "StoredCopy":
        """The files of a corpus in the store, under the names of `folders.known_names`.

        Raises:
            CopyNotFoundError: there are none.
            InputError: the store cannot be read.
        """
        names = known_names(corpus)
        try:
            files = sorted(self._files(names, corpus.beside), key=lambda file: file.path)
        except FileNotFoundError as error:
            raise CopyNotFoundError(f"download.source_dir: {self.shown}: no such folder") from error
        except Exception as error:  # each store's library has errors of its own
            raise InputError(
                f"download.source_dir: {self.shown} cannot be read: {type(error).__name__}: {_without_secrets(error)}; "
                "check the address, and the credentials in the environment"
            ) from error
        if not files:
            looked = ", ".join([*(f"{name}/" for name in names), *(f"{name}.zip or .rar" for name in names)])
            raise CopyNotFoundError(f"{self.shown} has no folder or archive of {corpus.title} (looked for {looked})")
        return StoredCopy(self._store, self.shown, files)

    def _files(self, names: Sequence[str], beside: Sequence[str]) -> Iterator[_Stored]:
        for entry in self._store.ls(self._root, detail=True):
            path = self._below(entry["name"])
            plain = PurePosixPath(path)
            if entry["type"] == "directory":
                if any(same_name(plain.name, name) for name in names):
                    found = self._store.find(entry["name"], detail=True)
                    for file in map(self._stored, found.values()):
                        is_beside = any(find_ending([file.path], path) for path in beside)
                        if is_beside or is_recording(file.path) or is_archive(file.path):
                            yield file
            elif is_archive(path) and any(same_name(first_path(Path(path)).stem, name) for name in names):
                yield self._stored(entry)

    def _below(self, name: str) -> str:
        inside = name.removeprefix(self._root).strip("/")
        return unquote(inside) if self._web else inside

    def _stored(self, entry: dict[str, Any]) -> _Stored:
        path = self._below(entry["name"])
        if leads_out(path):
            raise InputError(f"{path!r} leads out of the folder")
        size = entry.get("size")
        if size is None:  # a list of a web server
            size = self._store.info(entry["name"]).get("size")
        if size is None:
            raise InputError(f"{path!r} has no size")
        version = entry.get("ETag") or entry.get("etag") or entry.get("md5Hash") or entry.get("mtime") or ""
        return _Stored(entry["name"], path, int(size), str(version))


class StoredCopy:
    """The files of one corpus in a store.

    Attributes:
        digest: of the listing: names, sizes and the store's own marks of a version.
        source: the address, and a summary of the listing.
    """

    def __init__(self, store: Any, address: str, files: list[_Stored]) -> None:
        self._store = store
        self._address = address
        self._files = files
        self.size_bytes = sum(file.size_bytes for file in files)
        lines = "".join(f"{file.path}\t{file.size_bytes}\t{file.version}\n" for file in files)
        self.digest = hashlib.sha256(lines.encode()).hexdigest()
        self.source = f"{address} ({len(files)} files, {self.size_bytes} bytes, listing {self.digest[:16]})"

    def copy(self, folder: Path, *, connections: int, name: str) -> None:
        """Copy the files into a folder, except those that an earlier run has copied completely.

        Raises:
            InputError: the disk is full, or a file cannot be read or has another size than was listed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in self._files if not self._is_there(file, folder)]
        missing_bytes = sum(file.size_bytes for file in missing)
        require_room(folder / name, missing_bytes)
        with Progress(f"{name}: copying", total_bytes=self.size_bytes, total_files=len(self._files)) as progress:

            def copy(file: _Stored) -> None:
                self._copy(file, folder / file.path)
                progress.advance(file.size_bytes)
                progress.file_done()

            progress.held(self.size_bytes - missing_bytes)
            for _ in map_in_threads(copy, missing, workers=connections):
                pass

    def _is_there(self, file: _Stored, folder: Path) -> bool:
        path = folder / file.path
        return path.is_file() and path.stat().st_size == file.size_bytes

    def _copy(self, file: _Stored, target: Path) -> None:
        with explained_full_disk(target), written_whole(target) as partial:
            try:
                self._store.get_file(file.name, str(partial))
            except Exception as error:  # each store's library has errors of its own
                raise InputError(
                    f"{self._address}: {file.path} cannot be read: {type(error).__name__}: {_without_secrets(error)}"
                ) from error
            found = partial.stat().st_size
            if found != file.size_bytes:
                raise InputError(f"{self._address}: {file.path} has {found:,} bytes, {file.size_bytes:,} were listed")


def _without_secrets(error: BaseException) -> str:
    """The error's message, without the values of environment variables that hold credentials."""
    words = str(error)
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= 6:
            words = words.replace(value, f"${name}")
    return re.sub(r"(://)[^/@\s]+@", r"\1", words)
