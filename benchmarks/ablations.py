"""The ablations as `dvc exp run` lines, and the table of those that were run."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

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
from deepemo.errors import InputError
from deepemo.reporting.markdown import table

LIST = Path("docs/ablations.yaml")
RESULTS = Path("docs/results.md")
_INTRODUCTION = """# Ablations

Written by `python -m benchmarks.ablations --table` from what `dvc exp show` holds; `--list` prints the command of every
experiment. Each row is one run of one change against params.yaml on the four corpora. Figures are of validation,
and the test roles had no part in them. UAR is the mean of the emotions' recalls.
"""


def command(experiment: Experiment, base: dict[str, Any], seed: int | None) -> str:
    """The line that runs an experiment, in a copy of the checkout, so that its values do not stay in params.yaml."""
    values = {**base, **experiment.set}
    name = experiment.name
    if seed is not None:
        values["seed"] = seed
        name = f"{name}-seed{seed}"
    sets = [part for key, value in values.items() for part in ("-S", f"{key}={_as_override(value)}")]
    return shlex.join(["dvc", "exp", "run", "--temp", "--name", name, *sets, experiment.stage])


def _as_override(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_as_override(each) for each in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def list_commands(
    ablations: Ablations, params: dict[str, Any], *, source_dir: str | None, seeds: Sequence[int | None]
) -> str:
    """Every experiment's lines; one that sets what params.yaml holds already is commented out.

    Args:
        ablations: the experiments.
        params: content of params.yaml.
        source_dir: folder of the corpora, for those that cannot be downloaded.
        seeds: run each with each of these; None is that of params.yaml.
    """
    base = dict(ablations.base)
    if source_dir is not None:
        base["download.source_dir"] = source_dir
    plain = with_overrides(params, base)
    lines = []
    for experiment in ablations.experiments:
        if experiment.set and not differences(plain, with_overrides(plain, experiment.set)):
            lines.append(f"# {experiment.name}: params.yaml holds these values already")
        else:
            lines += [command(experiment, base, seed) for seed in seeds]
    return "\n".join(lines)


def results(ablations: Ablations, runs: Sequence[Run]) -> str:
    """The document: one table a stage, a row a run, and the experiments that were not run."""
    parts = [_INTRODUCTION]
    for stage in dict.fromkeys(experiment.stage for experiment in ablations.experiments):
        staged = {each.name: each.what for each in ablations.experiments if each.stage == stage}
        base = next(iter(staged))
        bases = {(run.commit, run.seed): run.metrics["val_uar"] for run in runs if run.experiment == base}
        rows = []
        for run in runs:
            if run.experiment not in staged:
                continue
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
                    run.seed,
                    run.commit,
                )
            )
        header = ("change", "UAR", "points of UAR gained", "accuracy", "best epoch", "seed", "code")
        parts.append(f"## {stage}\n\n" + (table(header, rows) if rows else "None was run.") + "\n")
    done = {run.experiment for run in runs}
    left = [f"- `{each.name}`: {each.what}" for each in ablations.experiments if each.name not in done]
    if left:
        parts.append("## Not run\n\n" + "\n".join(left) + "\n")
    return "\n".join(parts)


def main(
    show_list: Annotated[bool, typer.Option("--list", help="Print the command of every experiment.")] = False,
    show_table: Annotated[bool, typer.Option("--table", help="Write docs/results.md from the runs there are.")] = False,
    source_dir: Annotated[str | None, typer.Option(help="With --list: folder that holds the corpora.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="With --list: seeds to run each with.")] = None,
) -> None:
    """List the experiments of docs/ablations.yaml, or tabulate those that were run."""
    if show_list == show_table:
        raise typer.BadParameter("expected one of --list and --table")
    try:
        ablations = read_ablations(LIST)
        if show_list:
            params = yaml.safe_load(Path(PARAMS).read_text(encoding="utf-8"))
            print(list_commands(ablations, params, source_dir=source_dir, seeds=seed or [None]))
            return
        shown = subprocess.run(
            [sys.executable, "-m", "dvc", "exp", "show", "--all-commits", "--json"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        runs, refused = recorded_runs(shown, ablations)
    except InputError as error:
        sys.exit(f"error: {error}")
    for message in refused:
        print(f"left out: {message}", file=sys.stderr)
    RESULTS.write_text(results(ablations, runs), encoding="utf-8")
    print(f"{RESULTS}: {len(runs)} runs of {len({run.experiment for run in runs})} experiments")


if __name__ == "__main__":
    typer.run(main)
