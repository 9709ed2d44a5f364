"""Users' own corpora: folders with a manifest, in the folder of corpora that `download.source_dir` names."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from deepemo.corpora.definition import Corpus, Own
from deepemo.corpora.download.folders import Folder
from deepemo.corpora.manifest import MANIFEST, check_rows, read_manifest
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from deepemo.yaml12 import read_yaml


def source_dir_of(params: Path) -> Path | None:
    """The folder of corpora that a params.yaml names, or None. The rest of the file is not checked."""
    try:
        named = read_yaml(params)["download"]["source_dir"]
    except (InputError, KeyError, TypeError):
        return None
    return Path(named) if isinstance(named, str) else None


def own_names(source_dir: Path | None) -> list[str]:
    """Names of the folders with a manifest; empty if there is no such folder of corpora."""
    if source_dir is None or not source_dir.is_dir():
        return []
    return sorted(path.parent.name for path in source_dir.glob(f"*/{MANIFEST}"))


def own_corpus(folder: Path) -> Corpus:
    """The corpus that a folder's manifest describes, checked against the recordings in the folder.

    Raises:
        InputError: the manifest or a table is wrong, a row fits no recording, or the catalogue has a corpus of that
            name. The message names the file and the line.
        OSError: a file cannot be read.
    """
    if folder.name in CORPORA:
        raise InputError(
            f"{folder / MANIFEST}: {folder.name} is a corpus of the catalogue, expected a folder of another name"
        )
    place = Folder(folder)
    recordings = place.recordings()
    try:
        corpus = read_manifest(folder.name, place.read_beside, Own(folder), where=str(folder))
        check_rows(corpus, recordings)
    except InputError as error:
        faults = (fault if fault.startswith(str(folder)) else f"{folder}/{fault}" for fault in str(error).splitlines())
        raise InputError("\n".join(faults)) from error
    published = len(corpus.labels.recordings) if corpus.labels else len(recordings)
    return replace(
        corpus,
        clips=published,
        size_bytes=sum(map(place.size_bytes, recordings)),
        speakers=len(_speakers(corpus, recordings)),
    )


def _speakers(corpus: Corpus, recordings: Sequence[str]) -> set[str]:
    found = set()
    for member in recordings:
        with suppress(InputError):
            found.add(corpus.parse(member).speaker)
    return found


def find_corpus(name: str, source_dir: Path | None) -> Corpus:
    """A corpus by its name, from the catalogue or from the user's own.

    Raises:
        InputError: there is no corpus of that name, or see `own_corpus`.
    """
    own = own_names(source_dir)
    if name in own:
        return own_corpus((source_dir or Path()) / name)
    if name not in CORPORA:
        raise InputError(
            f"download.corpora: found {name!r}, expected some of {sorted({*CORPORA, *own})}; a corpus of your own is "
            f"found by its {MANIFEST} if download.source_dir is a folder of this machine"
        )
    return CORPORA[name]
