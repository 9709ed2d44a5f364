"""Print the ablations as `dvc exp run` commands, run them, and tabulate those that were run."""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import _heads
from benchmarks._experiments import (
    FIGURES,
    PARAMS,
    Ablations,
    Experiment,
    Figure,
    Overrides,
    Stage,
    differences,
    read_ablations,
    recorded_runs,
    with_overrides,
)
from benchmarks._noted import MINUTES, Noted, Run, note, read_noted, run_timed
from deepemo.errors import InputError
from deepemo.reporting.markdown import table
from deepemo.yaml12 import read_yaml

LIST = Path("docs/ablations.yaml")
RESULTS = Path("docs/results.md")
ROWS = Path("docs/results/ablations.csv")
_INTRODUCTION = """# Ablations

Written by `python -m benchmarks.ablations --table` from [results/ablations.csv](results/ablations.csv), to which it
first adds the runs that `dvc exp show` lists. `--list` prints the command of every experiment; `--run` runs some of
them and records their time.

Each row is one run of one change against params.yaml and the values above its table. Figures of trainings are measured
on validation; the test roles had no part in them. Validation has about 700 clips, so a difference of two points may be
chance. UAR is the mean of the emotions' recalls. Gains are against the first row of the same code and seed. If a
training has fewer epochs than params.yaml, augmentation and regularisation gain less than in a whole training, or lose.
Minutes are processor time of all cores together, including earlier stages if these had to run. They are absent if DVC
had the outputs already, or if `cross_corpus` used models of `transfer` that an earlier run had trained. Figures of
69dd46a and f75c732 were kept to a tenth of a per cent, so their gains may be a tenth of a point off.
"""
_ABOUT: dict[Stage, str] = {
    "train_speech": """The head is what answers: perceptrons, networks that attend over the parts of a clip, and a
linear discriminant. A voice is known by all other validation recordings of the speaker, without labels. The UAR of one
network is the mean over the networks of a head that learn by gradients, each alone, as metrics/train_speech.json holds
it. In the rows of 1066874 and earlier code, `moonshine_tiny` was the only encoder and had 512 components; there was one
network that attends, and in the rows of 6d7f387 and 3237994 none. In those of 6d7f387, the discriminant had half of
each head at any distance.
""",
    "cross_corpus": """Each figure is a mean over the four corpora, each left out of training in turn: models that never
heard a corpus judge all its clips. With so few corpora, a difference of a point may be chance. The ensemble consists of
`transfer` and `speech`. A voice is known by all its other recordings in the corpus, without labels. In the rows of
1066874 and earlier code, `moonshine_tiny` was the only encoder; in those of 6d7f387 and 3237994, no networks attended
over the parts of a clip; in those of 6d7f387, the discriminant had half of each head of `speech` at any distance.
""",
    "evaluate": """Each row is a corpus that no training heard, recorded elsewhere by other people.
Nothing was chosen by this test. These trainings are short too, and the backbone stays frozen.
""",
}


def command(experiment: Experiment, base: Overrides, seed: int | None) -> list[str]:
    """The command that runs an experiment in a copy of the checkout, so that params.yaml does not change."""
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
    ablations: Ablations, params: dict[str, Any], *, everywhere: Overrides, seeds: Sequence[int | None]
) -> str:
    """The commands of every experiment; one whose values are in params.yaml already is commented out.

    Args:
        ablations: the experiments.
        params: content of params.yaml.
        everywhere: values that are set in every experiment of every stage.
        seeds: run each with each of these; None is that of params.yaml.
    """
    lines = []
    for experiment in ablations.experiments:
        base = {**ablations.base_of(experiment), **everywhere}
        plain = with_overrides(params, base)
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
    everywhere: Overrides,
    code: str,
    seeds: Sequence[int | None],
) -> None:
    """Run experiments one after another, and record the time of each whose stage did not come from the cache.

    Args:
        names: of the experiments.
        ablations: all experiments.
        params: content of params.yaml.
        everywhere: values that are set in every experiment of every stage.
        code: the commit that they run on, shortened.
        seeds: run each with each of these; None is that of params.yaml.

    Raises:
        InputError: an experiment is unknown.
    """
    known = {experiment.name: experiment for experiment in ablations.experiments}
    strange = [name for name in names if name not in known]
    if strange:
        raise InputError(f"No experiment {strange}, expected some of {list(known)}")
    for name in names:
        base = {**ablations.base_of(known[name]), **everywhere}
        for seed in seeds:
            minutes = run_timed(command(known[name], base, seed), known[name].stage)
            if minutes is not None:
                run = Run(name, params["seed"] if seed is None else seed, code)
                note(ROWS, {run: {MINUTES: round(minutes, 1)}})


def results(ablations: Ablations, noted: Noted) -> str:
    """The document: a table for each stage with a row for each run, and the experiments that were not run."""
    parts = [_INTRODUCTION]
    done: set[str] = set()
    for stage, figures in FIGURES.items():
        experiments = ablations.of_stage(stage)
        if not experiments:
            continue
        order = [experiment.name for experiment in experiments]
        runs = [run for run in noted if run.experiment in order and figures[0].key in noted[run]]
        runs.sort(key=lambda run: (order.index(run.experiment), run))
        done.update(run.experiment for run in runs)
        values = [f"- `{name}`: `{_as_override(value)}`\n" for name, value in ablations.base.get(stage, {}).items()]
        shown = _table(experiments, figures, {run: noted[run] for run in runs}) if runs else "None was run."
        parts.append("\n".join(filter(None, (f"## {stage}\n", _ABOUT.get(stage), "".join(values), f"{shown}\n"))))
    left = [f"- `{each.name}`: {each.what}" for each in ablations.experiments if each.name not in done]
    if left:
        parts.append("## Not run\n\n" + "\n".join(left) + "\n")
    return "\n".join(parts)


def _table(experiments: Sequence[Experiment], figures: Sequence[Figure], runs: Noted) -> str:
    """One row for each run; gains are against the first experiment on the same code with the same seed."""
    base = experiments[0].name
    what = {experiment.name: experiment.what for experiment in experiments}
    header = ["change"]
    for figure in figures:
        header += [figure.title, "points gained"] if figure.gains else [figure.title]
    rows = []
    for run, found in runs.items():
        against = {} if run.experiment == base else runs.get(Run(base, run.seed, run.code), {})
        row: list[object] = [what[run.experiment]]
        for figure in figures:
            row.append(figure.show(found.get(figure.key)))
            if figure.gains:
                row.append(_gained(found.get(figure.key), against.get(figure.key)))
        minutes = found.get(MINUTES)
        rows.append((*row, "-" if minutes is None else f"{minutes:.0f}", run.seed, run.code))
    return table((*header, "minutes", "seed", "code"), rows)


def _gained(value: float | None, against: float | None) -> str:
    if value is None or against is None:
        return "-"
    return f"{round(100 * (value - against), 1) + 0.0:+.1f}"  # never -0.0


def main(
    show_list: Annotated[bool, typer.Option("--list", help="Print the command of every experiment.")] = False,
    run: Annotated[list[str] | None, typer.Option(help="Run this experiment; may be given several times.")] = None,
    show_table: Annotated[
        bool, typer.Option("--table", help="Note the runs there are and write docs/results.md.")
    ] = False,
    source_dir: Annotated[str | None, typer.Option(help="For --list and --run: folder that holds the corpora.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="For --list and --run: seeds to run each with.")] = None,
) -> None:
    """List or run the experiments of docs/ablations.yaml, or tabulate those that were run."""
    if [show_list, bool(run), show_table].count(True) != 1:
        raise typer.BadParameter("expected one of --list, --run and --table")
    try:
        ablations = read_ablations(LIST)
        params = read_yaml(Path(PARAMS))
        everywhere: Overrides = {} if source_dir is None else {"download.source_dir": source_dir}
        seeds: list[int | None] = [*seed] if seed else [None]
        if show_list:
            print(list_commands(ablations, params, everywhere=everywhere, seeds=seeds))
        elif run:
            code = _output("git", "rev-parse", "HEAD")[:7]
            run_experiments(run, ablations, params, everywhere=everywhere, code=code, seeds=seeds)
        else:
            _write_table(ablations)
    except InputError as error:
        sys.exit(f"error: {error}")


def _write_table(ablations: Ablations) -> None:
    shown = _output(sys.executable, "-m", "dvc", "exp", "show", "--all-commits", "--json")
    runs, refused = recorded_runs(shown, ablations)
    for each in runs:
        note(ROWS, {each.run: each.figures})
        if each.stage == "train_speech" and _heads.UAR not in read_noted(ROWS)[each.run]:
            note(ROWS, {each.run: _heads.validation_figures(each.revision)})
    noted = read_noted(ROWS)
    unknown = sorted({run.experiment for run in noted} - {each.name for each in ablations.experiments})
    for message in [*refused, *(f"{ROWS}: docs/ablations.yaml has no experiment {name}" for name in unknown)]:
        print(f"left out: {message}", file=sys.stderr)
    RESULTS.write_text(results(ablations, noted), encoding="utf-8")
    print(f"{RESULTS}: {len(runs)} runs that DVC lists, {len(noted)} with those that were noted before")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    typer.run(main)
