"""The known corpora: the `CORPUS` of every module in the catalogue."""

import importlib
import pkgutil

from deepemo.corpora import catalogue
from deepemo.corpora.definition import Corpus


def _discover() -> dict[str, Corpus]:
    names = sorted(module.name for module in pkgutil.iter_modules(catalogue.__path__))
    return {name: importlib.import_module(f"{catalogue.__name__}.{name}").CORPUS for name in names}


CORPORA = _discover()
CORPUS_NAMES = tuple(CORPORA)
