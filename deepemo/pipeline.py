"""The params of the pipeline, checked with all corpora and model families that are registered."""

from pathlib import Path

from deepemo.corpora.registry import CORPUS_NAMES
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params, read_params


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        InputError: as by `deepemo.params.read_params`.
    """
    families = [load_family(name) for name in family_names()]
    sections = {name: kind for family in families for name, kind in family.sections.items()}
    return read_params(path, corpora=CORPUS_NAMES, model_sections=sections)
