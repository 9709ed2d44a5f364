"""Find a corpus in a folder that holds corpora: under its names, or by the names of its recordings."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from deepemo.corpora import definition as contract
from deepemo.corpora.archive import Archive, ArchiveError
from deepemo.corpora.definition import Corpus, UnknownNameError
from deepemo.corpora.download.folders import Folder, Place, Selection, is_pointer
from deepemo.errors import InputError
from deepemo.recordings import is_hidden, printable

_LOG = logging.getLogger(__name__)

# Of what its makers publish: with fewer, recordings under an unknown name are not taken for a copy of the corpus.
_ENOUGH = 0.5
# What GitHub adds to the name of a repository, and browsers to that of a file they have already.
_ADDED = re.compile(r"([-_ ](master|main)|\s*\(\d+\))$", re.IGNORECASE)


class CopyNotFoundError(InputError):
    """A folder of corpora does not hold the one that is wanted."""


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """Places that belong together, and what is in them: recordings of a corpus by their names, pointers, others."""

    places: Sequence[Place]
    recordings: int
    pointers: int
    others: int

    def __str__(self) -> str:
        pointers = f" and {self.pointers:,} Git LFS pointers" if self.pointers else ""
        paths = ", ".join(printable(str(place.path)) for place in self.places)
        return f"{paths} ({self.recordings:,} recordings{pointers})"


def find_copy(corpus: Corpus, source_dir: Path) -> list[Place]:
    """Where a corpus's recordings lie in a folder of corpora.

    It is looked for under its own name and those that its copies are known by (see `same_name`): as a folder tree,
    as archives inside such a folder, as an archive beside it. Of several copies the one with most recordings of the
    corpus is used, and of equal ones the first in that order; it is said which. Without any, all recordings in
    `source_dir` that are named as the corpus's are used if they are half of what its makers publish, which is said too.

    Args:
        corpus: the corpus.
        source_dir: folder with a folder or an archive a corpus.

    Raises:
        CopyNotFoundError: there is no such folder, or the corpus is not in it; the message says what was looked for,
            and where recordings are that are named as if they were of it.
        ArchiveError: an archive is damaged or unsafe, and there is no other copy.
    """
    if not source_dir.is_dir():
        raise CopyNotFoundError(f"download.source_dir: {source_dir}: no such folder")
    copies, broken = list[_Copy](), list[ArchiveError]()
    for places in _under_known_names(corpus, source_dir, broken):
        if (copy := _count(corpus, places)).recordings + copy.pointers + copy.others:
            copies.append(copy)
    best = max(copies, key=lambda copy: (copy.recordings, copy.pointers), default=None)
    if best is not None and best.recordings + best.pointers:
        for other in copies:
            if other is not best:
                _LOG.warning("%s: using %s; left aside: %s", corpus.name, best, other)
        for error in broken:
            _LOG.warning("%s: using %s; left aside: %s", corpus.name, best, error)
        return list(best.places)
    if broken:
        raise broken[0]
    return [_under_unknown_name(corpus, source_dir, copies)]


def known_names(corpus: Corpus) -> list[str]:
    """Names of folders and archives (without suffix) under which copies of a corpus are known, its own first."""
    return list(dict.fromkeys([corpus.name, *corpus.folders, *_published_name(corpus)]))


def same_name(one: str, other: str) -> bool:
    """Whether two names of folders or archives (without suffix) count as one.

    Neither case nor what is between letters and digits matters, nor what GitHub and browsers add at the end:
    `CREMA-D-master`, `Crema D (1)` and `crema_d` are one name.
    """
    return _key(one) == _key(other)


def _key(name: str) -> str:
    while (shorter := _ADDED.sub("", name)) != name:
        name = shorter
    return re.sub(r"[\W_]+", "", name.casefold())


def _published_name(corpus: Corpus) -> Iterator[str]:
    if isinstance(corpus.source, contract.Archive):
        yield PurePosixPath(urlsplit(corpus.source.url).path).stem


def _under_known_names(corpus: Corpus, source_dir: Path, broken: list[ArchiveError]) -> Iterator[list[Place]]:
    """Places that belong together, in the order in which they are preferred; archives that are none go to `broken`."""
    entries = sorted(source_dir.iterdir())
    folders, beside = list[Path](), list[Path]()
    for name in known_names(corpus):
        folders += [each for each in entries if each.is_dir() and same_name(each.name, name)]
        beside += [each for each in entries if _is_zip(each) and same_name(each.stem, name)]
    for folder in dict.fromkeys(folders):
        yield [Folder(folder)]
    for folder in dict.fromkeys(folders):
        yield _archives(sorted(folder.iterdir()), broken)
    for path in dict.fromkeys(beside):
        yield _archives([path], broken)


def _archives(paths: Sequence[Path], broken: list[ArchiveError]) -> list[Place]:
    archives: list[Place] = []
    for path in paths:
        if _is_zip(path):
            try:
                archives.append(Archive(path))
            except ArchiveError as error:
                broken.append(error)
    return archives


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and not is_hidden(path.name) and path.is_file()


def _count(corpus: Corpus, places: Sequence[Place]) -> _Copy:
    lying = [(place, member) for place in places for member in place.recordings()]
    named = [(name, place, member) for place, member in lying if (name := _name(corpus, member))]
    recordings = {name for name, place, member in named if not is_pointer(place, member)}
    pointers = {name for name, *_ in named} - recordings
    return _Copy(places=places, recordings=len(recordings), pointers=len(pointers), others=len(lying) - len(named))


def _under_unknown_name(corpus: Corpus, source_dir: Path, copies: Sequence[_Copy]) -> Place:
    """All recordings in a folder of corpora, or in an archive in it, that are named as those of one corpus."""
    # What is broken or forbidden among all that lies there is no business of this corpus's.
    everything: list[Place] = [Folder(source_dir, lambda error: None), *_archives(sorted(source_dir.iterdir()), [])]
    places = [Selection(place, lambda member: bool(_name(corpus, member))) for place in everything]
    best = max(places, key=lambda place: len({_name(corpus, member) for member in place.recordings()}))
    found = {_name(corpus, member): member for member in best.recordings()}
    looked = ", ".join([*(f"{name}/" for name in known_names(corpus)), *(f"{n}.zip" for n in known_names(corpus))])
    absence = f"{printable(str(source_dir))} has no folder or archive of {corpus.title} (looked for {looked})"
    where = (
        f"{printable(str(best.path))}: {len(found):,} recordings, such as {next(iter(found.values()))}" if found else ""
    )
    if len(found) >= _ENOUGH * corpus.clips:
        _LOG.warning("%s; using what is named as its recordings in %s", absence, where)
        return best
    for copy in copies:
        absence += f"; {copy.others:,} recordings in {copy.places[0].path} are not named as in {corpus.title}"
    if where:
        absence += f"; {where} are named as in {corpus.title}: put them into {corpus.name}/ to use them"
    raise CopyNotFoundError(absence)


def _name(corpus: Corpus, member: str) -> str:
    """The canonical name of a recording of the corpus; empty for what is none."""
    try:
        return corpus.parse(member).name
    except UnknownNameError:
        return ""
