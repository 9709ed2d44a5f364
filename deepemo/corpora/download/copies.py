"""Find a corpus in a folder that holds corpora: under one of its known names, unpacked or as an archive."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from deepemo.corpora import definition as contract
from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.folders import Archive, Folder, Place
from deepemo.errors import InputError


class CopyNotFoundError(InputError):
    """A folder of corpora does not hold the one that is wanted."""


def find_copy(corpus: Corpus, source_dir: Path) -> list[Place]:
    """Where a corpus's recordings lie in a folder of corpora.

    It is looked for under its own name and the names that its copies are known by, upper and lower case being one:
    first a folder tree with recordings, then archives inside such a folder, then an archive beside it.

    Args:
        corpus: the corpus.
        source_dir: folder with a folder or an archive a corpus.

    Raises:
        CopyNotFoundError: there is no such folder, or the corpus is not in it; the message says what was looked for.
        ArchiveError: an archive is damaged or unsafe.
    """
    if not source_dir.is_dir():
        raise CopyNotFoundError(f"download.source_dir: {source_dir}: no such folder")
    entries = {entry.name.lower(): entry for entry in sorted(source_dir.iterdir(), reverse=True)}
    names = known_names(corpus)
    for name in names:
        found = entries.get(name.lower())
        if found is not None and found.is_dir() and (places := _inside(found)):
            return places
    for name in names:
        found = entries.get(f"{name.lower()}.zip")
        if found is not None and (archive := Archive(found)).recordings():
            return [archive]
    folders = ", ".join(f"{name}/" for name in names)
    archives = ", ".join(f"{name}.zip" for name in names)
    raise CopyNotFoundError(
        f"{source_dir}: no {corpus.title} recordings (.wav) in it; looked for the folders {folders} "
        f"and the archives {archives}"
    )


def known_names(corpus: Corpus) -> list[str]:
    """Names of folders and archives (without suffix) under which copies of a corpus are known, its own first."""
    return list(dict.fromkeys([corpus.name, *corpus.folders, *_published_name(corpus)]))


def _published_name(corpus: Corpus) -> Iterator[str]:
    if isinstance(corpus.source, contract.Archive):
        yield PurePosixPath(urlsplit(corpus.source.url).path).stem


def _inside(folder: Path) -> list[Place]:
    tree = Folder(folder)
    if tree.recordings():
        return [tree]
    archives = [Archive(path) for path in sorted(folder.iterdir()) if path.suffix.lower() == ".zip"]
    return [archive for archive in archives if archive.recordings()]
