"""The corpus in an archive that `download` packed: one of the catalogue, or one with a manifest in the archive."""

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus, Own
from deepemo.corpora.manifest import read_manifest
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError


def corpus_in(archive: Archive) -> Corpus:
    """The corpus whose recordings an archive holds, with the content of its tables.

    Raises:
        InputError: the archive belongs to no known corpus and has no manifest; or its manifest or a table is wrong.
    """
    if archive.name in CORPORA:
        return CORPORA[archive.name].with_labels(archive.read_beside)
    source = Own(archive.path.parent)
    try:
        return read_manifest(archive.name, archive.read_beside, source, where=str(archive.path))
    except InputError as error:
        raise InputError(f"{error}; {archive.name!r} is none of the catalogue's {sorted(CORPORA)}") from error
