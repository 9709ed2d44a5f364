"""Fetch a corpus from its publisher: one zip, files of a git repository with Git LFS, or a Dataverse dataset."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import ByHand, Corpus, Dataverse, Generated, LfsFiles, ZipDownload
from deepemo.corpora.download.folders import Folder, Place, fail, known_names
from deepemo.corpora.download.http import Fetcher, MissingError, Patience
from deepemo.corpora.download.transfer import Expected, Partial, Progress
from deepemo.errors import InputError
from deepemo.recordings import find_recordings, is_recording, read_pointer
from deepemo.threads import map_in_threads

_Item = TypeVar("_Item")

_MD5 = re.compile(r"[0-9a-fA-F]{32}")


@dataclass(frozen=True, kw_only=True)
class _Published:
    """A file as its publisher lists it: its addresses, its path in the corpus, and what it must be."""

    urls: tuple[str, ...]
    member: str
    expected: Expected


def address(corpus: Corpus) -> str:
    """The address under which a corpus is published."""
    match corpus.source:
        case ZipDownload(url=url) | LfsFiles(list_url=url) | Dataverse(dataset_url=url) | ByHand(url=url):
            return url
        case Generated():
            return corpus.homepage


def fetch_corpus(corpus: Corpus, incoming: Path, *, connections: int, patience: Patience) -> Place:
    """Fetch a corpus into a folder. Files that an earlier run completed are not fetched again.

    Args:
        corpus: the corpus.
        incoming: a folder for this corpus alone, which keeps partial downloads.
        connections: number of connections, where the corpus is published file by file.
        patience: limits on waiting for servers.

    Returns:
        The official archive, or a folder with the recordings.

    Raises:
        InputError: the corpus is to be fetched by hand, its publisher's list is not understood, a file is not
            available, the archive is unsafe to read, or the disk is full. The message says which, and what to do.
    """
    source = corpus.source
    if isinstance(source, ZipDownload):
        return _fetch_archive(corpus, source, incoming, patience)
    if isinstance(source, LfsFiles | Dataverse):
        return _fetch_files(corpus, source, incoming, connections=connections, patience=patience)
    if isinstance(source, ByHand):
        folders = " or ".join(f"{name}/" for name in known_names(corpus))
        raise InputError(
            f"{corpus.title} {source.reason}: fetch it from {source.url}, unpack it, and set download.source_dir to "
            f"the folder that holds it as {folders}"
        )
    raise ValueError(f"{corpus.name}: is made here, not fetched")


def _fetch_archive(corpus: Corpus, source: ZipDownload, incoming: Path, patience: Patience) -> Place:
    target = incoming / PurePosixPath(urlsplit(source.url).path).name
    expected = Expected(size_bytes=source.size_bytes, algorithm="md5", digest=source.md5)
    with Progress(f"{corpus.name}: fetching", total_bytes=source.size_bytes) as progress:
        Fetcher(patience, progress).fetch([source.url], target, expected)
    return Archive(target)


def _fetch_files(
    corpus: Corpus, source: LfsFiles | Dataverse, incoming: Path, *, connections: int, patience: Patience
) -> Place:
    folder = incoming / "files"
    names: list[str] = []
    files: list[_Published] = []
    with Progress(f"{corpus.name}: list", total_bytes=0) as progress:
        if isinstance(source, LfsFiles):
            names = _listed_names(source, _fresh(patience, progress, source.list_url, incoming / "list.csv"))
        else:
            listed = _fresh(patience, progress, source.dataset_url, incoming / "list.json")
            files = list(_listed_files(source, listed))
    found = len(names) + len(files)
    if found < corpus.clips:
        raise InputError(f"{address(corpus)}: lists {found:,} recordings, expected {corpus.clips:,}")
    members: set[str] = set()
    with (
        Progress(f"{corpus.name}: fetching", total_bytes=corpus.size_bytes, total_files=found) as progress,
        Progress(f"{corpus.name}: checksums", total_bytes=0, total_files=len(names)) as small,
    ):
        fetcher, pointers = Fetcher(patience, progress), Fetcher(patience, small)

        def fetch(file: _Published) -> None:
            fetcher.fetch(file.urls, folder / file.member, file.expected)
            members.add(file.member)

        def stop() -> None:
            fetcher.stop()
            pointers.stop()

        if isinstance(source, LfsFiles):
            lfs = source

            def fetch_by_pointer(name: str) -> None:
                pointer, published = _point(lfs, name, incoming / "pointers", pointers)
                try:
                    fetch(published)
                except InputError:
                    # The pointer itself may be wrong or out of date.
                    pointer.unlink(missing_ok=True)
                    raise

            _fetch_each(fetch_by_pointer, names, connections=connections, stop=stop)
        else:
            _fetch_each(fetch, files, connections=connections, stop=stop)
    for path in list(find_recordings(folder, fail)):
        if path.relative_to(folder).as_posix() not in members:
            path.unlink()
    return Folder(folder)


def _fresh(patience: Patience, progress: Progress, url: str, target: Path) -> Path:
    """Fetch a list again in every run: it is small, has no checksum, and says what all other files must be."""
    target.unlink(missing_ok=True)
    Partial(target).drop()
    Fetcher(patience, progress).fetch([url], target, Expected())
    return target


def _listed_names(source: LfsFiles, path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if source.list_column not in (rows.fieldnames or []):
                raise InputError(f"{source.list_url}: found columns {rows.fieldnames}, expected {source.list_column!r}")
            names = dict.fromkeys(row[source.list_column] or "" for row in rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{source.list_url}: expected a CSV in UTF-8: {error}") from error
    return [_safe(name, source.list_url) for name in names]


def _point(source: LfsFiles, name: str, folder: Path, fetcher: Fetcher) -> tuple[Path, _Published]:
    """Fetch a file's Git LFS pointer: the pointer's path, and the file as the pointer describes it."""
    try:
        url, pointer = source.pointer_url.format(name=name), folder / name
        fetcher.fetch([url], pointer, Expected())
    except MissingError:
        if name not in source.other_names:
            raise
        name = source.other_names[name]
        url, pointer = source.pointer_url.format(name=name), folder / name
        fetcher.fetch([url], pointer, Expected())
    content = pointer.read_bytes()
    told = read_pointer(content)
    if told is None:
        pointer.unlink()
        found = content[:80].decode("utf-8", "replace")
        raise InputError(f"{url}: found {found!r}, expected a Git LFS pointer with a sha256 and a size")
    return pointer, _Published(
        urls=tuple(media.format(name=name) for media in source.media_urls),
        member=source.member.format(name=name),
        expected=Expected(size_bytes=told.size_bytes, algorithm="sha256", digest=told.sha256),
    )


def _listed_files(source: Dataverse, path: Path) -> Iterator[_Published]:
    """Recordings of a dataset (native API of Dataverse: `data.latestVersion.files`)."""
    try:
        for entry in json.loads(path.read_text(encoding="utf-8"))["data"]["latestVersion"]["files"]:
            file = entry["dataFile"]
            member = "/".join(filter(None, [entry.get("directoryLabel"), file["filename"]]))
            if is_recording(member):
                if not isinstance(file["filesize"], int) or not _MD5.fullmatch(file["md5"]):
                    raise TypeError(f"{member}: found a size of {file['filesize']!r} and an md5 of {file['md5']!r}")
                yield _Published(
                    urls=(source.file_url.format(id=file["id"]),),
                    member=_safe(member, source.dataset_url),
                    expected=Expected(size_bytes=file["filesize"], algorithm="md5", digest=file["md5"]),
                )
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise InputError(
            f"{source.dataset_url}: expected the JSON of a Dataverse dataset with an id, a size and an md5 a file: "
            f"{type(error).__name__}: {error}"
        ) from error


def _safe(name: str, url: str) -> str:
    """A name from a list as a relative path.

    Raises:
        InputError: it leads out of the folder it is put in, or cannot be printed.
    """
    path = PurePosixPath(name)
    leads_out = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    if leads_out or not name.isprintable():
        raise InputError(f"{url}: names {name!r}, expected a path inside a folder")
    return path.as_posix()


def _fetch_each(
    fetch: Callable[[_Item], None], items: Sequence[_Item], *, connections: int, stop: Callable[[], None]
) -> None:
    """Fetch each item over several connections. The first failure stops the other transfers and is raised."""
    failures: list[Exception] = []

    def attempt(item: _Item) -> None:
        try:
            fetch(item)
        except Exception as error:
            failures.append(error)
            stop()
            raise

    try:
        # All are queued at once, so that one slow file does not keep the other connections waiting.
        for _ in map_in_threads(attempt, items, workers=connections, ahead=len(items), stop=stop):
            pass
    except Exception as error:
        # Transfers that were stopped fail too, and perhaps earlier in the order of the items.
        raise failures[0] from error
