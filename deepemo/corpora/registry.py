"""The known corpora, which are the `CORPUS` of every module in the catalogue; and the corpus that an archive holds."""

import importlib
import pkgutil

from deepemo.corpora import catalogue
from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus, Own
from deepemo.corpora.manifest import read_manifest
from deepemo.errors import InputError


def _discover() -> dict[str, Corpus]:
    names = sorted(module.name for module in pkgutil.iter_modules(catalogue.__path__))
    return {name: importlib.import_module(f"{catalogue.__name__}.{name}").CORPUS for name in names}


CORPORA = _discover()
CORPUS_NAMES = tuple(CORPORA)


def corpus_in(archive: Archive) -> Corpus:
    """The corpus whose recordings an archive holds, with the content of its tables.

    It is one of the catalogue, or one with a manifest in the archive.

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
