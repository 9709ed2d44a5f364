"""Fetch a corpus from where its makers publish it, by the way they publish it."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from deepemo.corpora.archive import Archive as ZipArchive
from deepemo.corpora.definition import Archive, ByHand, Corpus, Dataverse, Generated, LfsFiles
from deepemo.corpora.download.copies import known_names
from deepemo.corpora.download.folders import Folder, Place, fail
from deepemo.corpora.download.http import Fetcher, FetchError, MissingError, Patience
from deepemo.corpora.download.partial import Expected, Partial
from deepemo.corpora.download.progress import Progress
from deepemo.errors import InputError
from deepemo.recordings import find_recordings, is_recording, read_pointer

_Item = TypeVar("_Item")

_MD5 = re.compile(r"[0-9a-fA-F]{32}")


class SourceError(InputError):
    """What an official source says of its files cannot be used."""


class ByHandError(InputError):
    """A corpus that people must fetch themselves."""


@dataclass(frozen=True, kw_only=True)
class _Published:
    """One file as its source lists it: addresses, where it belongs in the corpus's tree, what it must be."""

    urls: tuple[str, ...]
    member: str
    expected: Expected


def address(corpus: Corpus) -> str:
    """The address under which a corpus is published."""
    match corpus.source:
        case Archive(url=url) | LfsFiles(list_url=url) | Dataverse(dataset_url=url) | ByHand(url=url):
            return url
        case Generated():
            return corpus.homepage


def fetch_corpus(corpus: Corpus, incoming: Path, *, connections: int, patience: Patience) -> Place:
    """Bring a corpus into a folder. What an earlier run left there finished is not asked for again.

    Args:
        corpus: the corpus.
        incoming: folder of its own, in which partial downloads wait to be continued.
        connections: at once, where the corpus is published file by file.
        patience: with its servers.

    Returns:
        The official archive, or a folder with the recordings.

    Raises:
        ByHandError: it is to be fetched by hand; the message says why and how.
        SourceError: what its makers list is not understood.
        FetchError: a file cannot be had.
        ArchiveError: the archive is unsafe to read.
        DiskFullError: there is no room for it.
    """
    source = corpus.source
    if isinstance(source, Archive):
        return _fetch_archive(corpus, source, incoming, patience)
    if isinstance(source, LfsFiles | Dataverse):
        return _fetch_files(corpus, source, incoming, connections=connections, patience=patience)
    if isinstance(source, ByHand):
        folders = " or ".join(f"{name}/" for name in known_names(corpus))
        raise ByHandError(
            f"{corpus.title} {source.reason}: fetch it from {source.url}, unpack it, and set download.source_dir to "
            f"the folder that holds it as {folders}"
        )
    raise ValueError(f"{corpus.name}: is made here, not fetched")


def _fetch_archive(corpus: Corpus, source: Archive, incoming: Path, patience: Patience) -> Place:
    target = incoming / PurePosixPath(urlsplit(source.url).path).name
    expected = Expected(size_bytes=source.size_bytes, algorithm="md5", digest=source.md5)
    with Progress(f"{corpus.name}: fetching", total_bytes=source.size_bytes) as progress:
        Fetcher(patience, progress).fetch([source.url], target, expected)
    return ZipArchive(target)


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
        raise SourceError(f"{address(corpus)}: lists {found:,} recordings, expected {corpus.clips:,}")
    members: set[str] = set()
    with (
        Progress(f"{corpus.name}: fetching", total_bytes=corpus.size_bytes, total_files=found) as progress,
        Progress(f"{corpus.name}: checksums", total_bytes=0, total_files=len(names)) as small,
    ):
        fetcher, pointers = Fetcher(patience, progress), Fetcher(patience, small)

        def bring(file: _Published) -> None:
            fetcher.fetch(file.urls, folder / file.member, file.expected)
            members.add(file.member)

        def stop() -> None:
            fetcher.stop()
            pointers.stop()

        if isinstance(source, LfsFiles):
            lfs = source

            def bring_by_pointer(name: str) -> None:
                pointer, published = _point(lfs, name, incoming / "pointers", pointers)
                try:
                    bring(published)
                except FetchError:
                    # It may have been this that was wrong or out of date.
                    pointer.unlink(missing_ok=True)
                    raise

            _in_threads(bring_by_pointer, names, connections=connections, stop=stop)
        else:
            _in_threads(bring, files, connections=connections, stop=stop)
    for path in list(find_recordings(folder, fail)):
        if path.relative_to(folder).as_posix() not in members:
            path.unlink()
    return Folder(folder)


def _fresh(patience: Patience, progress: Progress, url: str, target: Path) -> Path:
    """Fetch a list anew: it is small, has no checksum, and says what everything else must be."""
    target.unlink(missing_ok=True)
    Partial(target).drop()
    Fetcher(patience, progress).fetch([url], target, Expected())
    return target


def _listed_names(source: LfsFiles, path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if source.list_column not in (rows.fieldnames or []):
                raise SourceError(
                    f"{source.list_url}: found columns {rows.fieldnames}, expected {source.list_column!r}"
                )
            names = dict.fromkeys(row[source.list_column] or "" for row in rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{source.list_url}: expected a CSV in UTF-8: {error}") from error
    return [_safe(name, source.list_url) for name in names]


def _point(source: LfsFiles, name: str, folder: Path, fetcher: Fetcher) -> tuple[Path, _Published]:
    """What a file must be by its Git LFS pointer, under the name that the repository holds it by, and the pointer."""
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
        raise SourceError(f"{url}: found {found!r}, expected a Git LFS pointer with a sha256 and a size")
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
        raise SourceError(
            f"{source.dataset_url}: expected the JSON of a Dataverse dataset with an id, a size and an md5 a file: "
            f"{type(error).__name__}: {error}"
        ) from error


def _safe(name: str, url: str) -> str:
    """A name from a list in its plain form, if it stays inside the folder it is put in."""
    path = PurePosixPath(name)
    leads_out = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
    if leads_out or not name.isprintable():
        raise SourceError(f"{url}: names {name!r}, expected a path inside a folder")
    return path.as_posix()


def _in_threads(
    task: Callable[[_Item], None], items: Iterable[_Item], *, connections: int, stop: Callable[[], None]
) -> None:
    """Do something with each item, never more than a few ahead; the first failure stops the others."""
    with ThreadPoolExecutor(connections) as pool:
        pending: set[Future[None]] = set()
        try:
            for item in items:
                if len(pending) >= 2 * connections:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                pending.add(pool.submit(task, item))
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
