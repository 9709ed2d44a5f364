"""What experiments took: run one by one, their processor time noted in a table beside the results."""

import csv
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIELDS = ("experiment", "seed", "code", "cpu_minutes")


@dataclass(frozen=True)
class Key:
    """Which run of an experiment: by its name, the seed, and the commit of the code, shortened."""

    experiment: str
    seed: int
    code: str


def run_timed(command: Sequence[str], stage: str) -> float | None:
    """Run a command of DVC, showing what it prints.

    Args:
        command: the command and its arguments.
        stage: whose work is to be measured.

    Returns:
        Minutes of processor time of the command and of all it started, which other work on the machine changes little;
        None if DVC took the stage's outputs from its cache.

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


def read_minutes(path: Path) -> dict[Key, float]:
    """The noted times; none if there is no table yet."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            Key(row["experiment"], int(row["seed"]), row["code"]): float(row["cpu_minutes"])
            for row in csv.DictReader(file)
        }


def note_minutes(path: Path, key: Key, minutes: float) -> None:
    """Add a run's time to the table, in place of an older one of the same run."""
    noted = {**read_minutes(path), key: minutes}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for each, taken in sorted(noted.items(), key=lambda item: (item[0].experiment, item[0].seed, item[0].code)):
            writer.writerow((each.experiment, each.seed, each.code, f"{taken:.1f}"))
