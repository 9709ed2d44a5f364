"""Fetch a corpus from its publisher: an archive, or files of a repository, a Zenodo record or a Dataverse dataset."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import urlsplit

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import (
    ByHand,
    Corpus,
    Dataverse,
    Generated,
    GitFiles,
    LfsFiles,
    Own,
    ZenodoRecord,
    ZipDownload,
)
from deepemo.corpora.download.folders import Folder, Place, fail, known_names
from deepemo.corpora.download.http import Fetcher, MissingError, Patience
from deepemo.corpora.download.listings import (
    Published,
    dataverse_files,
    git_files,
    listed_names,
    zenodo_files,
)
from deepemo.corpora.download.rar import is_rar, lacking, open_archive
from deepemo.corpora.download.transfer import Expected, Partial, Progress
from deepemo.corpora.members import find_ending
from deepemo.errors import InputError
from deepemo.recordings import find_recordings, is_recording, read_pointer
from deepemo.threads import map_in_threads

_Item = TypeVar("_Item")

# The list of CREMA-D has 300 KB, the list of TESS 3 MB.
_LARGEST_LIST = 64 << 20
# By the specification of Git LFS, a pointer has less than 1,024 bytes.
_LARGEST_POINTER = 1023


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A corpus that was fetched.

    Attributes:
        place: the official archive, or a folder with the recordings.
        digest: `md5:` and the archive's digest from its publisher's record; empty if there is no such record.
    """

    place: Place
    digest: str = ""


def address(corpus: Corpus) -> str:
    """The address under which a corpus is published."""
    match corpus.source:
        case ZipDownload(url=url) | LfsFiles(list_url=url) | Dataverse(dataset_url=url) | ByHand(url=url):
            return url
        case ZenodoRecord(record_url=url) | GitFiles(tree_url=url):
            return url
        case Own(folder=folder):
            return str(folder)
        case Generated():
            return corpus.homepage


def fetch_corpus(
    corpus: Corpus, incoming: Path, *, connections: int, patience: Patience, known_digest: str = ""
) -> Fetched:
    """Fetch a corpus into a folder. Files that an earlier run completed are not fetched again.

    Args:
        corpus: the corpus.
        incoming: a folder for this corpus alone, which keeps partial downloads.
        connections: number of connections, if the corpus is published file by file.
        patience: limits on waiting for servers.
        known_digest: `Fetched.digest` of an earlier fetch; empty if there was none.

    Raises:
        InputError: the corpus is to be fetched by hand, its publisher's list is not understood, the archive has changed
            since it was fetched or since this package was made, a file is not available, the archive is unsafe to read
            or is a RAR that this machine cannot unpack, or the disk is full. The message says which, and what to do.
    """
    source = corpus.source
    if isinstance(source, ZipDownload):
        return Fetched(place=_fetch_archive(corpus, source, incoming, patience))
    if isinstance(source, ZenodoRecord) and source.archive is not None:
        return _fetch_from_record(corpus, source, incoming, patience, known_digest)
    if isinstance(source, LfsFiles | GitFiles | ZenodoRecord | Dataverse):
        return Fetched(place=_fetch_files(corpus, source, incoming, connections=connections, patience=patience))
    if isinstance(source, ByHand):
        raise InputError(f"{corpus.title} {source.reason}: fetch it from {source.url}{_unpacked_by_hand(corpus)}")
    raise ValueError(f"{corpus.name}: is made here, not fetched")


def _fetch_archive(corpus: Corpus, source: ZipDownload, incoming: Path, patience: Patience) -> Place:
    target = incoming / PurePosixPath(urlsplit(source.url).path).name
    expected = Expected(size_bytes=source.size_bytes, algorithm="md5", digest=source.md5)
    with Progress(f"{corpus.name}: fetching", total_bytes=source.size_bytes) as progress:
        Fetcher(patience, progress).fetch([source.url], target, expected)
    return Archive(target)


def _fetch_from_record(
    corpus: Corpus, source: ZenodoRecord, incoming: Path, patience: Patience, known_digest: str
) -> Fetched:
    with Progress(f"{corpus.name}: record", total_bytes=0) as progress:
        files = zenodo_files(source, _fresh(patience, progress, source.record_url, incoming / "record.json"))
    archive = next((file for file in files if _composed(file.member) == _composed(source.archive or "")), None)
    if archive is None:
        named = [file.member for file in files]
        raise InputError(f"{source.record_url}: lists {named}, expected {source.archive!r} among them")
    if is_rar(archive.member) and (fault := lacking()):
        raise InputError(
            f"{source.record_url}: {archive.member} is a RAR archive, and {fault}; or fetch it by hand from "
            f"{corpus.homepage}{_unpacked_by_hand(corpus)}"
        )
    digest = f"md5:{archive.expected.digest}"
    for known in filter(None, (known_digest, f"md5:{source.md5}" if source.md5 else "")):
        if digest.lower() != known.lower():
            raise InputError(
                f"{source.record_url}: {source.archive} has changed: found {digest}, expected {known} as before; "
                f"look at what changed, fetch it by hand{_unpacked_by_hand(corpus)}"
            )
    target = incoming / PurePosixPath(archive.member).name
    with Progress(f"{corpus.name}: fetching", total_bytes=archive.expected.size_bytes or 0) as progress:
        Fetcher(patience, progress).fetch(archive.urls, target, archive.expected)
    return Fetched(place=open_archive(target), digest=digest)


def _unpacked_by_hand(corpus: Corpus) -> str:
    """The rest of a sentence that sends a user to fetch a corpus."""
    folders = " or ".join(f"{name}/" for name in known_names(corpus))
    return f", unpack it, and set download.source_dir to the folder that holds it as {folders}"


def _composed(name: str) -> str:
    """A name in which each letter with an accent is one character: computers differ in how they write them."""
    return unicodedata.normalize("NFC", name)


def _fetch_files(
    corpus: Corpus,
    source: LfsFiles | GitFiles | ZenodoRecord | Dataverse,
    incoming: Path,
    *,
    connections: int,
    patience: Patience,
) -> Place:
    folder = incoming / "files"
    names: list[str] = []
    files: list[Published] = []
    with Progress(f"{corpus.name}: list", total_bytes=0) as progress:

        def fresh(url: str, name: str) -> Path:
            return _fresh(patience, progress, url, incoming / name)

        match source:
            case LfsFiles():
                names = listed_names(source, fresh(source.list_url, "list.csv"))
                if source.tables is not None:
                    files = git_files(source.tables, fresh(source.tables.tree_url, "tables.json"))
            case GitFiles():
                files = git_files(source, fresh(source.tree_url, "list.json"))
            case ZenodoRecord():
                files = zenodo_files(source, fresh(source.record_url, "list.json"))
            case Dataverse():
                files = list(dataverse_files(source, fresh(source.dataset_url, "list.json")))
    files = [
        file
        for file in files
        if is_recording(file.member) or any(find_ending([file.member], path) for path in corpus.beside)
    ]
    found = len(names) + sum(is_recording(file.member) for file in files)
    if found < corpus.clips:
        raise InputError(f"{address(corpus)}: lists {found:,} recordings, expected {corpus.clips:,}")
    members: set[str] = set()
    with (
        Progress(f"{corpus.name}: fetching", total_bytes=corpus.size_bytes, total_files=found) as progress,
        Progress(f"{corpus.name}: checksums", total_bytes=0, total_files=len(names)) as small,
    ):
        fetcher, pointers = Fetcher(patience, progress), Fetcher(patience, small)

        def fetch(file: Published) -> None:
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
        _fetch_each(fetch, files, connections=connections, stop=stop)
    for path in list(find_recordings(folder, fail)):
        if path.relative_to(folder).as_posix() not in members:
            path.unlink()
    return Folder(folder)


def _fresh(patience: Patience, progress: Progress, url: str, target: Path) -> Path:
    """Fetch a list. Every run fetches it again: it is small, has no checksum, and describes all other files."""
    target.unlink(missing_ok=True)
    Partial(target).drop()
    Fetcher(patience, progress).fetch([url], target, Expected(most_bytes=_LARGEST_LIST))
    return target


def _point(source: LfsFiles, name: str, folder: Path, fetcher: Fetcher) -> tuple[Path, Published]:
    """Fetch a file's Git LFS pointer: the pointer's path, and the file as the pointer describes it."""
    try:
        url, pointer = source.pointer_url.format(name=name), folder / name
        fetcher.fetch([url], pointer, Expected(most_bytes=_LARGEST_POINTER))
    except MissingError:
        if name not in source.other_names:
            raise
        name = source.other_names[name]
        url, pointer = source.pointer_url.format(name=name), folder / name
        fetcher.fetch([url], pointer, Expected(most_bytes=_LARGEST_POINTER))
    content = pointer.read_bytes()
    told = read_pointer(content)
    if told is None:
        pointer.unlink()
        found = content[:80].decode("utf-8", "replace")
        raise InputError(f"{url}: found {found!r}, expected a Git LFS pointer with a sha256 and a size")
    return pointer, Published(
        urls=tuple(media.format(name=name) for media in source.media_urls),
        member=source.member.format(name=name),
        expected=Expected(size_bytes=told.size_bytes, algorithm="sha256", digest=told.sha256),
    )


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
        # All items are queued at once, so that one slow file does not keep the other connections waiting.
        for _ in map_in_threads(attempt, items, workers=connections, ahead=len(items), stop=stop):
            pass
    except Exception as error:
        # Stopped transfers fail too, and may be earlier in the order of the items.
        raise failures[0] from error
