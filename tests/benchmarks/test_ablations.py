"""The list of experiments fits params.yaml, and only what was run as listed gets into the table."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks._experiments import (
    Ablations,
    Experiment,
    Run,
    differences,
    read_ablations,
    recorded_runs,
    with_overrides,
)
from benchmarks._minutes import Key, note_minutes, read_minutes, run_timed
from benchmarks.ablations import command, list_commands, results, run_experiments
from deepemo.errors import InputError
from deepemo.pipeline import load_params
from deepemo.yaml12 import read_yaml, write_yaml

ROOT = Path(__file__).parents[2]
PARAMS = {
    "seed": 1,
    "download": {"corpora": ["made"], "source_dir": None},
    "train_shallow": {"dropout": 0.3, "epochs": 2},
    "train_transfer": {"epochs": 3},
}
ABLATIONS = Ablations(
    base={"download.corpora": ["one", "two"]},
    experiments=[
        Experiment(name="shallow", stage="train_shallow", what="as it is", set={}),
        Experiment(name="no-dropout", stage="train_shallow", what="no dropout", set={"train_shallow.dropout": 0.0}),
        Experiment(name="longer", stage="train_shallow", what="longer", set={"train_shallow.epochs": 9}),
    ],
)


def shown(**experiments: tuple[dict[str, Any], float | None]) -> str:
    """What `dvc exp show --json` prints, cut to what is read: each experiment's changed values and UAR."""

    def revision(changed: dict[str, Any], uar: float | None) -> dict[str, Any]:
        metrics: dict[str, Any] = {"error": {"type": "FileNotFoundError"}}
        if uar is not None:
            metrics = {"data": {"val_uar": uar, "val_accuracy": 0.6, "best_epoch": 2}}
        return {
            "params": {"params.yaml": {"data": with_overrides(PARAMS, changed)}},
            "metrics": {"metrics/train_shallow.json": metrics},
        }

    found = [
        {"name": name.replace("_", "-"), "revs": [{"rev": "e" * 40, "name": name, "data": revision(*what)}]}
        for name, what in experiments.items()
    ]
    workspace = {"rev": "workspace", "name": None, "data": revision({}, None), "experiments": None}
    return json.dumps([workspace, {"rev": "c" * 40, "name": "main", "data": revision({}, None), "experiments": found}])


TWO = {"download.corpora": ["one", "two"]}


@pytest.mark.slow
def test_the_list_of_experiments_fits_params_yaml(tmp_path: Path) -> None:
    ablations = read_ablations(ROOT / "docs" / "ablations.yaml")
    params = read_yaml(ROOT / "params.yaml")
    for experiment in ablations.experiments:
        changed = with_overrides(params, {**ablations.base, **experiment.set})
        (tmp_path / "params.yaml").write_text(write_yaml(changed))
        assert load_params(tmp_path / "params.yaml").to_mapping() == changed


def test_a_command_holds_every_value_in_dvcs_form() -> None:
    experiment = Experiment(
        name="x", stage="train_shallow", what="", set={"a.b": [1, 2], "c": None, "d": True, "e": "random", "f": 0.0}
    )
    assert shlex.join(command(experiment, {"g": ["h", "i"]}, 7)) == (
        "dvc exp run --temp --name x-seed7 -S 'g=[h,i]' -S 'a.b=[1,2]' -S c=null -S d=true -S e=random -S f=0.0 "
        "-S seed=7 train_shallow"
    )


def test_an_experiment_that_changes_nothing_is_not_offered() -> None:
    params = with_overrides(PARAMS, {"train_shallow.epochs": 9})
    base = {**TWO, "download.source_dir": "/there"}
    listed = list_commands(ABLATIONS, params, base=base, seeds=[None]).splitlines()
    assert [line.split()[0] for line in listed] == ["dvc", "dvc", "#"]
    assert all("download.source_dir=/there" in line for line in listed[:2])


def test_the_table_has_the_runs_and_names_what_was_not_run() -> None:
    runs, refused = recorded_runs(
        shown(
            no_dropout_seed5=({**TWO, "train_shallow.dropout": 0.0, "seed": 5}, 0.52),
            no_dropout=({**TWO, "train_shallow.dropout": 0.0, "download.source_dir": "/there"}, 0.475),
            shallow=({**TWO, "train_transfer.epochs": 4}, 0.5),
            other=({}, 0.9),
        ),
        ABLATIONS,
    )
    assert refused == []
    assert [(run.experiment, run.seed, run.metrics["val_uar"]) for run in runs] == [
        ("shallow", 1, 0.5), ("no-dropout", 1, 0.475), ("no-dropout", 5, 0.52),
    ]  # fmt: skip
    text = results(ABLATIONS, runs, {Key("no-dropout", 1, "ccccccc"): 12.4, Key("no-dropout", 1, "ddddddd"): 99.0})
    assert "- `download.corpora`: `[one,two]`" in text
    assert "| as it is | 50.0 % | - | 60.0 % | 2 | - | 1 | ccccccc |" in text
    assert "| no dropout | 47.5 % | -2.5 | 60.0 % | 2 | 12 | 1 | ccccccc |" in text
    assert "| no dropout | 52.0 % | - | 60.0 % | 2 | - | 5 | ccccccc |" in text
    assert text.split("## Not run")[1].strip() == "- `longer`: longer"


def test_the_table_of_held_out_corpora_has_every_predictor() -> None:
    experiment = Experiment(name="without-two", stage="evaluate", what="two never heard", set={})
    figures = {
        predictor: {"unseen_corpus": {"uar": uar, "clips": 9}, "unseen_speakers": {"uar": 0.9, "clips": 8}}
        for predictor, uar in (("shallow", 0.31), ("transfer", 0.42), ("speech", 0.45), ("ensemble", 0.53))
    }
    run = Run(experiment="without-two", seed=1, commit="ccccccc", metrics=figures)
    text = results(Ablations(base={}, experiments=[experiment]), [run], {Key("without-two", 1, "ccccccc"): 7.2})
    assert "| two never heard | 9 | 31.0 % | 42.0 % | 45.0 % | 53.0 % | 7 | 1 | ccccccc |" in text
    assert "Not run" not in text


@pytest.mark.parametrize(
    ("changed", "uar", "reason"),
    [
        (TWO, 0.5, "train_shallow.dropout"),
        ({"train_shallow.dropout": 0.0}, 0.5, "download.corpora"),
        ({**TWO, "train_shallow.dropout": 0.0, "train_shallow.epochs": 3}, 0.5, "train_shallow.epochs"),
        ({**TWO, "train_shallow.dropout": 0.0}, None, "has no metrics of train_shallow"),
    ],
)
def test_a_run_with_other_values_or_without_metrics_is_left_out(
    changed: dict[str, Any], uar: float | None, reason: str
) -> None:
    runs, refused = recorded_runs(shown(no_dropout=(changed, uar)), ABLATIONS)
    assert runs == []
    assert len(refused) == 1
    assert reason in refused[0]


def test_a_run_that_was_broken_off_is_left_out() -> None:
    revisions = json.loads(shown(no_dropout=({**TWO, "train_shallow.dropout": 0.0}, 0.5)))
    assert len(recorded_runs(json.dumps(revisions), ABLATIONS)[0]) == 1
    revisions[1]["experiments"][0]["executor"] = {"state": "running", "name": "tempdir", "local": None}
    assert recorded_runs(json.dumps(revisions), ABLATIONS) == ([], [])


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(InputError, match=r"train_shallow\.drop: no such parameter"):
        with_overrides(PARAMS, {"train_shallow.drop": 1})


def test_differences_pass_over_what_does_not_shape_the_result() -> None:
    other = with_overrides(PARAMS, {"seed": 2, "download.source_dir": "/x", "train_shallow.dropout": 0.1})
    assert differences(PARAMS, other) == ["train_shallow.dropout"]


def test_a_list_with_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ablations.yaml"
    path.write_text("base: {}\nexperiments: []\nmore: 1\n")
    with pytest.raises(InputError, match=r"ablations\.yaml.*\n.*more"):
        read_ablations(path)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_listed_command_run_by_dvc_is_found_again(tmp_path: Path) -> None:
    stage = (
        "import json, pathlib, yaml; d = yaml.safe_load(open('params.yaml'))['train_shallow']['dropout'];"
        "pathlib.Path('metrics').mkdir(exist_ok=True);"
        "json.dump(dict(val_uar=1 - d, val_accuracy=0.5, best_epoch=1), open('metrics/train_shallow.json', 'w'))"
    )
    (tmp_path / "stage.py").write_text(stage)
    (tmp_path / "params.yaml").write_text(write_yaml(PARAMS))
    metrics = [{"metrics/train_shallow.json": {"cache": False}}]
    stages = {
        "train_shallow": {
            "cmd": f'"{sys.executable}" stage.py',
            "params": ["seed", "download", "train_shallow"],
            "metrics": metrics,
        }
    }
    (tmp_path / "dvc.yaml").write_text(write_yaml({"stages": stages}))

    def call(*arguments: str) -> str:
        return subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    dvc = (sys.executable, "-m", "dvc")
    call("git", "init", "-q")
    call(*dvc, "init", "-q")
    call("git", "add", ".")
    call("git", "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "-qm", "start")
    line = command(ABLATIONS.experiments[1], ABLATIONS.base, 3)
    call(*dvc, *line[1:])
    runs, refused = recorded_runs(call(*dvc, "exp", "show", "--all-commits", "--json"), ABLATIONS)
    assert refused == []
    assert [(run.experiment, run.seed, run.metrics["val_uar"]) for run in runs] == [("no-dropout", 3, 1.0)]


def test_minutes_are_noted_by_run_and_replaced_by_those_of_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "results" / "minutes.csv"
    assert read_minutes(path) == {}
    for key, minutes in ((Key("b", 2, "c"), 1.0), (Key("a", 1, "c"), 2.25), (Key("b", 2, "c"), 3.0)):
        note_minutes(path, key, minutes)
    assert read_minutes(path) == {Key("a", 1, "c"): 2.2, Key("b", 2, "c"): 3.0}
    assert path.read_text().splitlines()[1:] == ["a,1,c,2.2", "b,2,c,3.0"]


@pytest.mark.slow
def test_a_run_is_timed_by_its_processor_time_unless_it_came_from_the_cache() -> None:
    def said(text: str) -> float | None:
        work = f"import time\nwhile time.process_time() < 0.5: pass\nprint({text!r})"
        return run_timed([sys.executable, "-c", work], "train")

    assert said("Stage 'train' is cached - skipping run, checking out outputs") is None
    took = said("Stage 'embed' is cached - skipping run, checking out outputs")
    assert took is not None
    assert 0.4 / 60 < took < 30 / 60


def test_a_failed_run_is_an_error() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_timed([sys.executable, "-c", "raise SystemExit(3)"], "train")


def test_an_unknown_experiment_is_named() -> None:
    with pytest.raises(InputError, match=r"No experiment \['wider'\], expected some of \['shallow', 'no-dropout'"):
        run_experiments(["shallow", "wider"], ABLATIONS, PARAMS, base={}, code="c", seeds=[None])
