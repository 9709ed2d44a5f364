"""The params of the pipeline, checked with all corpora and model families that are registered."""

from pathlib import Path

from deepemo.corpora.download.own import own_names, source_dir_of
from deepemo.corpora.registry import CORPUS_NAMES
from deepemo.files import RAW
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params, read_params


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        InputError: as by `deepemo.params.read_params`.
    """
    families = [load_family(name) for name in family_names()]
    sections = {name: kind for family in families for name, kind in family.sections.items()}
    return read_params(path, corpora=_corpora(Path(path)), model_sections=sections)


def _corpora(path: Path) -> tuple[str, ...]:
    """Names of the catalogue, of manifests in the folder of corpora, and of what an earlier run brought."""
    brought = (record.stem for record in sorted(RAW.glob("*.json")))
    return tuple(dict.fromkeys((*CORPUS_NAMES, *own_names(source_dir_of(path)), *brought)))
