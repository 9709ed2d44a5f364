"""The ablations as `dvc exp run` lines, run if wanted, and the table of those that were run."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks._experiments import (
    PARAMS,
    Ablations,
    Experiment,
    Run,
    differences,
    read_ablations,
    recorded_runs,
    with_overrides,
)
from benchmarks._minutes import Key, note_minutes, read_minutes, run_timed
from deepemo.errors import InputError
from deepemo.models.registry import predictor_names
from deepemo.reporting.markdown import table
from deepemo.yaml12 import read_yaml

LIST = Path("docs/ablations.yaml")
RESULTS = Path("docs/results.md")
MINUTES = Path("docs/results/ablation_minutes.csv")
_INTRODUCTION = """# Ablations

Written by `python -m benchmarks.ablations --table` from the runs that `dvc exp show` lists. `--list` prints the command
of every experiment; `--run` runs some of them and records their time. Each row is one run of one change against
params.yaml and the values below. Figures of trainings are measured on validation; the test roles had no part in them.
UAR is the mean of the emotions' recalls. Minutes are processor time of all cores together, including earlier stages if
these had to run; they are absent if DVC had the outputs already. Gains are against the first row of the same code and
seed. If a training has fewer epochs than params.yaml, augmentation and regularisation gain less than in a whole
training, or lose. Validation has about 700 clips, so a difference of two points may be chance.
"""

_ABOUT_HELD_OUT = """Each row is a corpus that no training heard, recorded elsewhere by other people.
Nothing was chosen by this test. These trainings are short too, and the backbone stays frozen.
"""
PREDICTORS = predictor_names()


def command(experiment: Experiment, base: Mapping[str, Any], seed: int | None) -> list[str]:
    """What runs an experiment, in a copy of the checkout, so that its values do not stay in params.yaml."""
    values = {**base, **experiment.set}
    name = experiment.name
    if seed is not None:
        values["seed"] = seed
        name = f"{name}-seed{seed}"
    sets = [part for key, value in values.items() for part in ("-S", f"{key}={_as_override(value)}")]
    return ["dvc", "exp", "run", "--temp", "--name", name, *sets, experiment.stage]


def _as_override(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_as_override(each) for each in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def list_commands(
    ablations: Ablations, params: dict[str, Any], *, base: Mapping[str, Any], seeds: Sequence[int | None]
) -> str:
    """Every experiment's lines; one that sets what params.yaml holds already is commented out.

    Args:
        ablations: the experiments.
        params: content of params.yaml.
        base: values that are set in every experiment.
        seeds: run each with each of these; None is that of params.yaml.
    """
    plain = with_overrides(params, base)
    lines = []
    for experiment in ablations.experiments:
        if experiment.set and not differences(plain, with_overrides(plain, experiment.set)):
            lines.append(f"# {experiment.name}: params.yaml holds these values already")
        else:
            lines += [shlex.join(command(experiment, base, seed)) for seed in seeds]
    return "\n".join(lines)


def run_experiments(
    names: Sequence[str],
    ablations: Ablations,
    params: dict[str, Any],
    *,
    base: Mapping[str, Any],
    code: str,
    seeds: Sequence[int | None],
) -> None:
    """Run experiments one after another and note the time of each whose stage did not come from the cache.

    Args:
        names: of the experiments.
        ablations: all there are.
        params: content of params.yaml.
        base: values that are set in every experiment.
        code: the commit that they run on, shortened.
        seeds: run each with each of these; None is that of params.yaml.

    Raises:
        InputError: there is no experiment of a name.
    """
    known = {experiment.name: experiment for experiment in ablations.experiments}
    strange = [name for name in names if name not in known]
    if strange:
        raise InputError(f"No experiment {strange}, expected some of {list(known)}")
    for name in names:
        for seed in seeds:
            minutes = run_timed(command(known[name], base, seed), known[name].stage)
            if minutes is not None:
                note_minutes(MINUTES, Key(name, params["seed"] if seed is None else seed, code), minutes)


def results(ablations: Ablations, runs: Sequence[Run], minutes: Mapping[Key, float]) -> str:
    """The document: one table a stage, a row a run, and the experiments that were not run."""
    base_values = [f"- `{name}`: `{_as_override(value)}`" for name, value in ablations.base.items()]
    parts = [_INTRODUCTION, "\n".join(base_values) + "\n"]
    for stage in dict.fromkeys(experiment.stage for experiment in ablations.experiments):
        staged = {each.name: each.what for each in ablations.experiments if each.stage == stage}
        of_stage = [run for run in runs if run.experiment in staged]
        tabulate = _held_out if stage == "evaluate" else _trainings
        parts.append(f"## {stage}\n\n" + (tabulate(staged, of_stage, minutes) if of_stage else "None was run.") + "\n")
    done = {run.experiment for run in runs}
    left = [f"- `{each.name}`: {each.what}" for each in ablations.experiments if each.name not in done]
    if left:
        parts.append("## Not run\n\n" + "\n".join(left) + "\n")
    return "\n".join(parts)


def _trainings(staged: Mapping[str, str], runs: Sequence[Run], minutes: Mapping[Key, float]) -> str:
    """Rows of trainings, judged on validation against the first experiment on the same code."""
    base = next(iter(staged))
    bases = {(run.commit, run.seed): run.metrics["val_uar"] for run in runs if run.experiment == base}
    rows = []
    for run in runs:
        uar = run.metrics["val_uar"]
        against = bases.get((run.commit, run.seed))
        gained = "-" if against is None or run.experiment == base else f"{100 * (uar - against):+.1f}"
        rows.append(
            (
                staged[run.experiment],
                f"{100 * uar:.1f} %",
                gained,
                f"{100 * run.metrics['val_accuracy']:.1f} %",
                run.metrics["best_epoch"],
                *_origin(run, minutes),
            )
        )
    header = ("change", "UAR", "points of UAR gained", "accuracy", "best epoch", "minutes", "seed", "code")
    return table(header, rows)


def _held_out(staged: Mapping[str, str], runs: Sequence[Run], minutes: Mapping[Key, float]) -> str:
    """Rows of evaluations on a corpus that no training heard."""
    rows = []
    for run in runs:
        role = "unseen_corpus"
        # A run of before a family was there lacks its figures.
        uars = [
            f"{100 * run.metrics[predictor][role]['uar']:.1f} %" if predictor in run.metrics else "-"
            for predictor in PREDICTORS
        ]
        rows.append((staged[run.experiment], run.metrics["ensemble"][role]["clips"], *uars, *_origin(run, minutes)))
    header = ("change", "clips", *(f"UAR of {name}" for name in PREDICTORS), "minutes", "seed", "code")
    return f"{_ABOUT_HELD_OUT}\n{table(header, rows)}"


def _origin(run: Run, minutes: Mapping[Key, float]) -> tuple[str, int, str]:
    took = minutes.get(Key(run.experiment, run.seed, run.commit))
    return ("-" if took is None else f"{took:.0f}", run.seed, run.commit)


def main(
    show_list: Annotated[bool, typer.Option("--list", help="Print the command of every experiment.")] = False,
    run: Annotated[list[str] | None, typer.Option(help="Run this experiment; may be given several times.")] = None,
    show_table: Annotated[bool, typer.Option("--table", help="Write docs/results.md from the runs there are.")] = False,
    source_dir: Annotated[str | None, typer.Option(help="For --list and --run: folder that holds the corpora.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="For --list and --run: seeds to run each with.")] = None,
) -> None:
    """List or run the experiments of docs/ablations.yaml, or tabulate those that were run."""
    if [show_list, bool(run), show_table].count(True) != 1:
        raise typer.BadParameter("expected one of --list, --run and --table")
    try:
        ablations = read_ablations(LIST)
        params = read_yaml(Path(PARAMS))
        base = ablations.base if source_dir is None else {**ablations.base, "download.source_dir": source_dir}
        seeds: list[int | None] = [*seed] if seed else [None]
        if show_list:
            print(list_commands(ablations, params, base=base, seeds=seeds))
        elif run:
            code = _output("git", "rev-parse", "HEAD")[:7]
            run_experiments(run, ablations, params, base=base, code=code, seeds=seeds)
        else:
            _write_csv(ablations)
    except InputError as error:
        sys.exit(f"error: {error}")


def _write_csv(ablations: Ablations) -> None:
    shown = _output(sys.executable, "-m", "dvc", "exp", "show", "--all-commits", "--json")
    runs, refused = recorded_runs(shown, ablations)
    for message in refused:
        print(f"left out: {message}", file=sys.stderr)
    RESULTS.write_text(results(ablations, runs, read_minutes(MINUTES)), encoding="utf-8")
    print(f"{RESULTS}: {len(runs)} runs of {len({run.experiment for run in runs})} experiments")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    typer.run(main)
