"""The list of experiments fits params.yaml, and only what was run as listed gets into the table."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import _heads
from benchmarks._experiments import (
    Ablations,
    Experiment,
    differences,
    read_ablations,
    recorded_runs,
    with_overrides,
)
from benchmarks._noted import MINUTES, Noted, Run, note, read_noted, run_timed
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
    base={"train_shallow": {"download.corpora": ["one", "two"]}, "train_transfer": {"train_transfer.epochs": 1}},
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
        changed = with_overrides(params, {**ablations.base_of(experiment), **experiment.set})
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
    there = {"download.source_dir": "/there"}
    listed = list_commands(ABLATIONS, params, everywhere=there, seeds=[None]).splitlines()
    assert [line.split()[0] for line in listed] == ["dvc", "dvc", "#"]
    assert all("download.source_dir=/there" in line for line in listed[:2])


def test_a_command_sets_the_values_of_its_own_stage_alone() -> None:
    transfer = Experiment(name="transfer", stage="train_transfer", what="", set={})
    both = Ablations(base=ABLATIONS.base, experiments=[ABLATIONS.experiments[0], transfer])
    assert list_commands(both, PARAMS, everywhere={}, seeds=[None]).splitlines() == [
        "dvc exp run --temp --name shallow -S 'download.corpora=[one,two]' train_shallow",
        "dvc exp run --temp --name transfer -S train_transfer.epochs=1 train_transfer",
    ]


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
    found = {each.run: dict(each.figures) for each in runs}
    assert {run: figures["val_uar"] for run, figures in found.items()} == {
        Run("shallow", 1, "ccccccc"): 0.5, Run("no-dropout", 1, "ccccccc"): 0.475, Run("no-dropout", 5, "ccccccc"): 0.52
    }  # fmt: skip
    found[Run("no-dropout", 1, "ccccccc")][MINUTES] = 12.4
    # Timed, but with no figures yet.
    found[Run("no-dropout", 1, "ddddddd")] = {MINUTES: 99.0}
    text = results(ABLATIONS, found)
    assert text.count("- `download.corpora`: `[one,two]`") == 1
    assert "ddddddd" not in text
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
    metrics = {
        "data": {"params": {"params.yaml": {"data": PARAMS}}, "metrics": {"metrics/evaluate.json": {"data": figures}}}
    }
    recorded = {"name": "without-two", "revs": [{"rev": "e" * 40, **metrics}]}
    shown = json.dumps([{"rev": "c" * 40, **metrics, "experiments": [recorded]}])
    runs, refused = recorded_runs(shown, Ablations(base={}, experiments=[experiment]))
    assert refused == []
    noted = {run.run: {**run.figures, MINUTES: 7.2} for run in runs}
    text = results(Ablations(base={}, experiments=[experiment]), noted)
    assert "| two never heard | 9 | 31.0 % | 42.0 % | 45.0 % | 53.0 % | 7 | 1 | ccccccc |" in text
    assert "Not run" not in text


CROSS = [
    Experiment(name="cross", stage="cross_corpus", what="as it is", set={}),
    Experiment(name="cross-one", stage="cross_corpus", what="one perceptron", set={"train_shallow.dropout": 0.1}),
]


def test_corpora_left_out_are_tabulated_with_gains_of_every_figure() -> None:
    noted: Noted = {
        Run("cross-one", 1, "ccccccc"): {
            "mean.speech.uar": 0.45, "mean.ensemble.uar": 0.5, "known_voices.all.uar": 0.625,
        },
        Run("cross", 1, "ccccccc"): {
            "mean.speech.uar": 0.475, "mean.ensemble.uar": 0.475, "known_voices.all.uar": 0.6,
        },
        Run("cross-one", 1, "ddddddd"): {"mean.speech.uar": 0.4},
    }  # fmt: skip
    text = results(Ablations(base={}, experiments=CROSS), noted)
    assert [line for line in text.splitlines() if line.endswith(("ccccccc |", "ddddddd |"))] == [
        "| as it is | 47.5 % | - | 47.5 % | - | 60.0 % | - | - | 1 | ccccccc |",
        "| one perceptron | 45.0 % | -2.5 | 50.0 % | +2.5 | 62.5 % | +2.5 | - | 1 | ccccccc |",
        "| one perceptron | 40.0 % | - | - | - | - | - | - | 1 | ddddddd |",
    ]


def test_figures_of_corpora_left_out_are_found_in_the_metrics_and_missed_where_the_run_had_one_corpus() -> None:
    def shown(metrics: dict[str, Any]) -> str:
        data = {
            "params": {"params.yaml": {"data": PARAMS}},
            "metrics": {"metrics/cross_corpus.json": {"data": metrics}},
        }
        recorded = {"name": "cross", "revs": [{"rev": "e" * 40, "data": data}]}
        return json.dumps([{"rev": "c" * 40, "data": data, "experiments": [recorded]}])

    several = {
        "mean": {"speech": {"uar": 0.46, "accuracy": 0.4}, "ensemble": {"uar": 0.45}},
        "known_voices": {"all": {"uar": 0.6}},
    }
    runs, _ = recorded_runs(shown(several), Ablations(base={}, experiments=CROSS))
    assert [each.figures for each in runs] == [
        {"mean.speech.uar": 0.46, "mean.ensemble.uar": 0.45, "known_voices.all.uar": 0.6}
    ]
    one = {"mean": {}, "known_voices": {}}
    assert recorded_runs(shown(one), Ablations(base={}, experiments=CROSS)) == (
        [],
        ["cross: has no metrics of cross_corpus"],
    )


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
def test_a_listed_command_run_by_dvc_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = (
        "import json, pathlib, yaml; d = yaml.safe_load(open('params.yaml'))['train_shallow']['dropout'];"
        "[pathlib.Path(p).mkdir(parents=True) for p in ('models/speech', 'data/embeddings/speech')];"
        "pathlib.Path('metrics').mkdir(exist_ok=True);"
        "[pathlib.Path(p).write_text(str(d)) for p in ('models/speech/model.json', 'data/embeddings/speech/spec.json',"
        "'data/split.csv')];"
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
            "outs": ["models/speech", "data/embeddings/speech", "data/split.csv"],
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
    line = command(ABLATIONS.experiments[1], ABLATIONS.base["train_shallow"], 3)
    call(*dvc, *line[1:])
    runs, refused = recorded_runs(call(*dvc, "exp", "show", "--all-commits", "--json"), ABLATIONS)
    assert refused == []
    assert [(each.run.experiment, each.run.seed, each.figures["val_uar"]) for each in runs] == [("no-dropout", 3, 1.0)]
    monkeypatch.chdir(tmp_path)
    _heads.fetch(runs[0].revision, tmp_path / "fetched")
    for path in ("models/speech/model.json", "data/embeddings/speech/spec.json", "data/split.csv"):
        assert (tmp_path / "fetched" / path).read_text() == "0.0"
        assert not (tmp_path / path).exists(), "what the run made is not in the checkout"


def test_figures_are_noted_by_run_and_replaced_by_those_of_the_same_name_and_run(tmp_path: Path) -> None:
    path = tmp_path / "results" / "ablations.csv"
    assert read_noted(path) == {}
    note(path, {Run("b", 2, "c"): {MINUTES: 1.5, "clips": 5879}, Run("a", 1, "c"): {"val_uar": 0.7268}})
    note(path, {Run("b", 2, "c"): {MINUTES: 3.0, "val_uar": 0.5}})
    assert read_noted(path) == {
        Run("a", 1, "c"): {"val_uar": 0.7268},
        Run("b", 2, "c"): {"clips": 5879, MINUTES: 3.0, "val_uar": 0.5},
    }
    assert path.read_text().splitlines() == [
        "experiment,seed,code,figure,value",
        "a,1,c,val_uar,0.7268",
        "b,2,c,clips,5879",
        "b,2,c,cpu_minutes,3",
        "b,2,c,val_uar,0.5",
    ]


def test_the_document_is_what_the_noted_runs_make() -> None:
    noted = read_noted(ROOT / "docs" / "results" / "ablations.csv")
    written = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert written == results(read_ablations(ROOT / "docs" / "ablations.yaml"), noted)


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
        run_experiments(["shallow", "wider"], ABLATIONS, PARAMS, everywhere={}, code="c", seeds=[None])
