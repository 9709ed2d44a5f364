"""Read params.yaml, check it with all registered corpora and model families, and select the params to record."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deepemo.corpora.download.own import own_names, source_dir_of
from deepemo.corpora.registry import CORPUS_NAMES
from deepemo.errors import InputError
from deepemo.files import RAW
from deepemo.models.registry import family_names, load_family
from deepemo.params import Params
from deepemo.yaml12 import read_yaml

# Params that change no figure of the evaluation, and folders of recordings on one machine.
UNRECORDED = {
    "download": ("source_dir", "connections"),
    "featurize": ("workers",),
    "embed_speech": ("workers",),
    "embed_speech_views": ("workers",),
    "cross_corpus": ("workers",),
    "gate": ("non_speech_dir",),
}
UNRECORDED_SECTIONS = ("eda", "robustness")


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        InputError: it is missing, is not YAML, or a key is unknown, missing, of the wrong type or impossible. The
            message names each key, what was found and what was expected.
    """
    content = read_yaml(Path(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {type(content).__name__}, expected a mapping of sections")
    if "models" in content:
        raise InputError(f"{path}: models: no such parameter")
    problems: list[str] = []
    models = {}
    kinds = {name: kind for family in map(load_family, family_names()) for name, kind in family.sections.items()}
    for name, kind in kinds.items():
        if name not in content:
            problems.append(f"{path}: {name}: missing")
            continue
        try:
            models[name] = kind.model_validate(content[name])
        except ValidationError as error:
            problems += [f"{path}: {_explain(problem, name)}" for problem in error.errors()]
    others = {name: values for name, values in content.items() if name not in kinds or name in models}
    try:
        params = Params.of(others, models, corpora=_corpora(Path(path)))
    except ValidationError as error:
        problems += [f"{path}: {_explain(problem)}" for problem in error.errors()]
    if problems:
        raise InputError("\n".join(problems))
    return params


def recorded(params: Params) -> dict[str, Any]:
    """The params by their names in the file, without those that change no figure and without folders of one machine."""
    return {
        section: {key: value for key, value in values.items() if key not in UNRECORDED.get(section, ())}
        if isinstance(values, dict)
        else values
        for section, values in params.to_mapping().items()
        if section not in UNRECORDED_SECTIONS
    }


def _corpora(path: Path) -> tuple[str, ...]:
    """Names of corpora: in the catalogue, in manifests in the folder of corpora, and from an earlier run."""
    brought = (record.stem for record in sorted(RAW.glob("*.json")))
    return tuple(dict.fromkeys((*CORPUS_NAMES, *own_names(source_dir_of(path)), *brought)))


def _explain(problem: Any, section: str = "") -> str:
    key = ".".join(str(part) for part in (section, *problem["loc"]) if part != "") or "the whole file"
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such parameter"
    if problem["type"] == "missing":
        return f"{key}: missing"
    found = problem["input"]
    shown = "" if isinstance(found, dict) else f"found {found!r}; "
    return f"{key}: {shown}{problem['msg'].removeprefix('Value error, ')}"
