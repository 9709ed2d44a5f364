"""dvc.yaml names exactly the code that each stage imports, file by file or as a folder, and its sections of params."""

import ast
import inspect
from pathlib import Path

import pytest

from deepemo.models.registry import family_names, load_family
from deepemo.yaml12 import read_yaml

ROOT = Path(__file__).parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
# Modules that are found at run time, without an import statement. Their folder is a dep.
CATALOGUE = "deepemo/corpora/catalogue"
FOUND_BY = {"deepemo/corpora/registry.py": CATALOGUE}
# These modules hold no behaviour. Their values are tracked as params, section by section, or their names lead to
# modules that are deps.
SCHEMA = {"deepemo/params.py", "deepemo/pipeline.py", "deepemo/models/registry.py"}
# These contain only docstrings, or names that only the schema reads.
EMPTY = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("deepemo/**/__init__.py")}
# Functions that make a family's inputs and networks.
MAKING = ("train", "embed", "embed_views")
# Stages with a family of models as their argument, and the function of the family's module that each calls. It calls
# none of the other functions. The module itself holds only sections of params and words, so it is not a dep of these
# stages.
OF_A_FAMILY = {**{name: name for name in MAKING}, "gate": "load"}
# Stages that call functions of every family, except these functions.
OF_ALL_FAMILIES: dict[str, tuple[str, ...]] = {
    "cross_corpus": ("embed", "embed_views", "describe"),
    "evaluate": (*MAKING, "cached"),
    "robustness": (*MAKING, "cached", "describe"),
}
# First words of the names of stages from recordings to networks, and of the one that trains each again.
LEARNING = ("download", "split", "featurize", "embed", "train", "cross")
# What people see of a run, and what answers by it: none of it changes what is learned.
SHOWN = ("deepemo/charts/", "deepemo/eda/", "deepemo/reporting/", "deepemo/serving/", "deepemo/http/")
WORDS = "/words.py"  # of each family of models, for the model card


def module_and_family(stage: str) -> tuple[str, str | None]:
    """The module that a stage runs, and the family that it names: `python -m stages.train shallow`."""
    python, option, module, *family = STAGES[stage]["cmd"].split()
    assert (python, option) == ("python", "-m")
    assert len(family) <= 1
    return module.removeprefix("stages."), family[0] if family else None


def imported(path: Path, *, leaving_out: tuple[str, ...] = (), only: str | None = None) -> set[str]:
    """Project files that a file imports when it runs: the whole file, all but some functions, or only one function."""
    tree: ast.AST = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    if only is not None:
        (tree,) = [function for function in functions if function.name == only]
    unused: list[ast.AST] = [function for function in functions if function.name in leaving_out]
    # Imports that are only for type checkers change nothing that a stage does.
    unused += [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    skipped = {id(node) for branch in unused for node in ast.walk(branch)}
    found = set()
    for node in ast.walk(tree):
        names = []
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = Path(*name.split(".")).with_suffix(".py")
            if name.split(".")[0] in ("deepemo", "stages") and (ROOT / file).is_file():
                found.add(file.as_posix())
    return found


def modules_in(folder: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py")} - EMPTY


def family_module(name: str) -> str:
    """File of the module that describes a family."""
    return Path(inspect.getfile(load_family(name).train)).relative_to(ROOT).as_posix()


def closure(stage: str) -> set[str]:
    """Everything that a stage imports, directly or indirectly, including modules that are found at run time."""
    module, family = module_and_family(stage)
    families = {family_module(name) for name in family_names()}
    todo, seen, left_out = ["stages/__init__.py", f"stages/{module}.py"], set(), set(SCHEMA)
    if family is not None:
        left_out |= families
        todo += imported(ROOT / family_module(family), only=OF_A_FAMILY[module])
    elif module in OF_ALL_FAMILIES:
        todo += families
    while todo:
        file = todo.pop()
        if file in seen or file in left_out:
            continue
        seen.add(file)
        if file in FOUND_BY:
            todo += modules_in(FOUND_BY[file])
        todo += imported(ROOT / file, leaving_out=OF_ALL_FAMILIES.get(module, MAKING) if file in families else ())
    return seen - EMPTY


def flat(entries: list[str | dict[str, object]]) -> set[str]:
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_what_the_stage_imports(name: str) -> None:
    code = [dep for dep in STAGES[name]["deps"] if dep.startswith(("stages/", "deepemo/"))]
    named = [file for dep in code for file in (modules_in(dep) if (ROOT / dep).is_dir() else [dep])]
    assert len(named) == len(set(named)), "a module is named twice, by itself and by its folder"
    assert set(named) == closure(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STAGES if name.partition("_")[0] in LEARNING])
def test_charts_and_words_are_no_dep_of_what_is_learned(name: str) -> None:
    assert [file for file in closure(name) if file.startswith(SHOWN) or file.endswith(WORDS)] == []


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_described_and_run_as_a_module(name: str) -> None:
    module, family = module_and_family(name)
    assert (ROOT / "stages" / f"{module}.py").is_file()
    assert (family is not None) == (module in OF_A_FAMILY)
    assert family is None or family in family_names()
    assert len(STAGES[name]["desc"]) > 20


def test_every_family_is_trained_and_embedded_if_it_embeds() -> None:
    run = {module_and_family(name) for name in STAGES}
    for name in family_names():
        assert ("train", name) in run
        assert (("embed", name) in run) == (load_family(name).embed is not None)
        assert (("embed_views", name) in run) == (load_family(name).embed_views is not None)


def reads_emotions(stage: str) -> bool:
    """Whether the code of a stage reads the emotions of the run."""
    module, family = module_and_family(stage)
    texts = [(ROOT / file).read_text() for file in closure(stage)]
    if family is not None:
        (function,) = (
            node
            for node in ast.walk(ast.parse((ROOT / family_module(family)).read_text()))
            if isinstance(node, ast.FunctionDef) and node.name == OF_A_FAMILY[module]
        )
        texts.append(ast.unparse(function))
    return any("params.emotions" in text for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_tracks_its_own_section_the_emotions_if_it_reads_them_and_nothing_wider(name: str) -> None:
    tracked = set(STAGES[name].get("params", []))
    trained = {stage for stage in STAGES if stage.startswith("train_")} if name == "cross_corpus" else set()
    assert tracked <= {name, "seed", "emotions", *trained}
    assert ("emotions" in tracked) == reads_emotions(name)


@pytest.mark.slow
def test_the_emotions_are_chosen_by_split_and_told_apart_from_training_on() -> None:
    reading = {name for name in STAGES if reads_emotions(name)}
    training = {"train_shallow", "train_transfer", "train_speech"}
    assert reading == {"split", *training, "cross_corpus", "evaluate", "robustness"}


def test_whatever_shapes_a_training_shapes_the_one_without_a_corpus() -> None:
    assert {stage for stage in STAGES if stage.startswith("train_")} < set(STAGES["cross_corpus"]["params"])


def test_every_data_dep_is_made_by_a_stage_but_for_an_encoder_of_the_users() -> None:
    made = {
        out for stage in STAGES.values() for kind in ("outs", "metrics", "plots") for out in flat(stage.get(kind, []))
    }
    needed = {dep for stage in STAGES.values() for dep in stage["deps"] if not dep.startswith(("stages/", "deepemo/"))}
    assert needed <= made | {read_yaml(ROOT / "params.yaml")["embed_speech"]["encoder"]}
