"""The table of figures of each run of an experiment, beside the results; and the time that a run takes."""

import csv
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

FIELDS = ("experiment", "seed", "code", "figure", "value")
# Processor time. All other figures are from the metrics of the experiment's stage, by dotted name.
MINUTES = "cpu_minutes"


@dataclass(frozen=True, order=True)
class Run:
    """One run of an experiment.

    Attributes:
        experiment: its name in docs/ablations.yaml.
        seed: of the run.
        code: the commit that it was run on, shortened.
    """

    experiment: str
    seed: int
    code: str


Noted = dict[Run, dict[str, float]]


def run_timed(command: Sequence[str], stage: str) -> float | None:
    """Run a command of DVC, showing what it prints.

    Args:
        command: the command and its arguments.
        stage: the stage that is measured.

    Returns:
        Minutes of processor time of the command and of all processes that it started, which depend little on other work
        on the machine; None if DVC took the stage's outputs from its cache.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    before = _children_seconds()
    cached = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            sys.stdout.write(line)
            cached |= f"'{stage}' is cached" in line or f"'{stage}' didn't change" in line
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return None if cached else (_children_seconds() - before) / 60


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read_noted(path: Path) -> Noted:
    """The figures of each recorded run by name; empty if there is no table yet."""
    noted: Noted = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                run = Run(row["experiment"], int(row["seed"]), row["code"])
                noted.setdefault(run, {})[row["figure"]] = float(row["value"])
    return noted


def note(path: Path, found: Mapping[Run, Mapping[str, float]]) -> None:
    """Add figures of runs to the table, in place of older ones of the same name and run."""
    noted = read_noted(path)
    for run, figures in found.items():
        noted[run] = {**noted.get(run, {}), **figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for run, figures in sorted(noted.items()):
            writer.writerows((*astuple(run), name, f"{value:.6g}") for name, value in sorted(figures.items()))
