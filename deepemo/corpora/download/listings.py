"""Publishers' lists of their files: the name, address and checksum of each."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from deepemo.corpora.definition import Dataverse, GitFiles, LfsFiles, ZenodoRecord
from deepemo.corpora.download.transfer import Expected
from deepemo.errors import InputError
from deepemo.recordings import is_recording

_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_NO_LIST = (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file as its publisher lists it: its addresses, its path in the corpus, and its expected size and digest."""

    urls: tuple[str, ...]
    member: str
    expected: Expected


def listed_names(source: LfsFiles, path: Path) -> list[str]:
    """Names of recordings in the CSV that lists a repository's files.

    Raises:
        InputError: it is no CSV in UTF-8, has no such column, or names a path that leads out of its folder.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if source.list_column not in (rows.fieldnames or []):
                raise InputError(f"{source.list_url}: found columns {rows.fieldnames}, expected {source.list_column!r}")
            names = dict.fromkeys(row[source.list_column] or "" for row in rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{source.list_url}: expected a CSV in UTF-8: {error}") from error
    return [safe_path(name, source.list_url) for name in names]


def dataverse_files(source: Dataverse, path: Path) -> Iterator[Published]:
    """Recordings of a dataset (native API of Dataverse: `data.latestVersion.files`).

    Raises:
        InputError: it is no such JSON, or lacks a size or md5.
    """
    try:
        for entry in json.loads(path.read_text(encoding="utf-8"))["data"]["latestVersion"]["files"]:
            file = entry["dataFile"]
            member = "/".join(filter(None, [entry.get("directoryLabel"), file["filename"]]))
            if is_recording(member):
                if not isinstance(file["filesize"], int) or not _MD5.fullmatch(file["md5"]):
                    raise TypeError(f"{member}: found a size of {file['filesize']!r} and an md5 of {file['md5']!r}")
                yield Published(
                    urls=(source.file_url.format(id=file["id"]),),
                    member=safe_path(member, source.dataset_url),
                    expected=Expected(size_bytes=file["filesize"], algorithm="md5", digest=file["md5"]),
                )
    except _NO_LIST as error:
        raise InputError(
            f"{source.dataset_url}: expected the JSON of a Dataverse dataset with an id, a size and an md5 a file: "
            f"{type(error).__name__}: {error}"
        ) from error


def zenodo_files(source: ZenodoRecord, path: Path) -> list[Published]:
    """Files of a record (REST API of Zenodo: `files`, each with `key`, `size`, `checksum` and `links.self`).

    Raises:
        InputError: it is no such JSON, or lacks a size, md5 or address.
    """
    try:
        return [_zenodo_file(source, entry) for entry in json.loads(path.read_text(encoding="utf-8"))["files"]]
    except _NO_LIST as error:
        raise InputError(
            f"{source.record_url}: expected the JSON of a Zenodo record with a name, a size, an md5 and an address a "
            f"file: {type(error).__name__}: {error}"
        ) from error


def _zenodo_file(source: ZenodoRecord, entry: dict[str, Any]) -> Published:
    name, size_bytes, url = entry["key"], entry["size"], entry["links"]["self"]
    algorithm, _, digest = entry["checksum"].partition(":")
    if type(size_bytes) is not int or algorithm != "md5" or not _MD5.fullmatch(digest):
        raise TypeError(f"{name}: found a size of {size_bytes!r} and a checksum of {entry['checksum']!r}")
    if urlsplit(url).scheme not in ("http", "https"):
        raise TypeError(f"{name}: found the address {url!r}")
    return Published(
        urls=(url,),
        member=safe_path(name, source.record_url),
        expected=Expected(size_bytes=size_bytes, algorithm="md5", digest=digest),
    )


def git_files(source: GitFiles, path: Path) -> list[Published]:
    """Files of a tree, or of a folder's contents, as GitHub's REST API lists them: `path`, `type`, `size` and `sha`.

    Raises:
        InputError: it is no such JSON, is cut off, or lacks a size or object id.
    """
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(listed, dict) and listed.get("truncated"):
            raise InputError(f"{source.tree_url}: the list is cut off, expected all files")
        entries = listed["tree"] if isinstance(listed, dict) else listed
        return [_git_file(source, entry) for entry in entries if entry["type"] in ("blob", "file")]
    except _NO_LIST as error:
        raise InputError(
            f"{source.tree_url}: expected GitHub's JSON of files with a path, a size and an object id each: "
            f"{type(error).__name__}: {error}"
        ) from error


def _git_file(source: GitFiles, entry: dict[str, Any]) -> Published:
    name, size_bytes, digest = entry["path"], entry["size"], entry["sha"]
    if type(size_bytes) is not int or not _SHA1.fullmatch(digest):
        raise TypeError(f"{name}: found a size of {size_bytes!r} and an object id of {digest!r}")
    return Published(
        urls=(source.file_url.format(path=quote(name)),),
        member=safe_path(name, source.tree_url),
        expected=Expected(size_bytes=size_bytes, algorithm="git", digest=digest),
    )


def safe_path(name: str, url: str) -> str:
    """A name from a list as a relative path.

    Raises:
        InputError: it leads out of the folder it is put in, or cannot be printed.
    """
    path = PurePosixPath(name)
    leads_out = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    if leads_out or not name.isprintable():
        raise InputError(f"{url}: names {name!r}, expected a path inside a folder")
    return path.as_posix()
