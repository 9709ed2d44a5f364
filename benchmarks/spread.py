"""How much the headline figures depend on chance: train on the same corpus and split with several seeds."""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from deepemo.errors import InputError
from deepemo.evaluation.report import LEFT_OUT_CORPORA, SEEN, UNSEEN
from deepemo.models.registry import family_names, load_family, predictor_names
from deepemo.pipeline import load_params
from deepemo.reporting.markdown import per_cent, table
from deepemo.reporting.revision import git_revision
from deepemo.yaml12 import read_yaml, write_yaml

ROOT = Path(__file__).parents[1]
ROWS = Path("docs/results/spread.csv")
DOCUMENT = Path("docs/spread.md")
# The data are made once, with the seed of the params. Then each seed trains and is judged.
MAKING = ("download", "validate", "split", "featurize")
FAMILIES = {name: load_family(name) for name in family_names()}
TRAINING = (
    *(f"embed {name}" for name, family in FAMILIES.items() if family.embed),
    *(f"embed_views {name}" for name, family in FAMILIES.items() if family.embed_views),
    *(f"train {name}" for name in FAMILIES),
    "gate speech",
    "cross_corpus",
    "evaluate",
)
PREDICTORS = predictor_names()
_INTRODUCTION = """# Spread over seeds

Written by `python -m benchmarks.spread` from [results/spread.csv](results/spread.csv). The corpus, the split and the
features are the same for every seed; initial weights, the order of clips, their augmentation and dropout are not. The
intervals of the model card say how much a figure depends on the clips and speakers that were judged; this page says how
much it depends on the seed. The deviation is that of a sample. Each table names the code that it was measured with.
Read the deviations if the models have changed since: the means are those of the older models.
"""


@dataclass(frozen=True)
class Row:
    """One figure of one seed.

    Attributes:
        run: name of what was trained, such as `default`.
        seed: of the training stages.
        code: the commit, shortened.
        predictor: a model or the ensemble.
        role: of the judged clips; corpora left out of training count as a role.
        accuracy: in [0, 1].
        uar: in [0, 1].
    """

    run: str
    seed: int
    code: str
    predictor: str
    role: str
    accuracy: float
    uar: float


def read_rows(path: Path) -> list[Row]:
    """The recorded figures; empty if there is no table yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                run=row["run"],
                seed=int(row["seed"]),
                code=row["code"],
                predictor=row["predictor"],
                role=row["role"],
                accuracy=float(row["accuracy"]),
                uar=float(row["uar"]),
            )
            for row in csv.DictReader(file)
        ]


def note_rows(path: Path, rows: Sequence[Row]) -> None:
    """Add the figures of one seed of one run; they replace older ones of the same seed and run, of any code."""
    new = {(row.run, row.seed) for row in rows}
    kept = [row for row in read_rows(path) if (row.run, row.seed) not in new]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Row))
        writer.writerows(astuple(row) for row in sorted([*kept, *rows], key=lambda row: (row.run, row.seed)))


def figures(metrics: Mapping[str, Any], *, run: str, seed: int, code: str) -> list[Row]:
    """The headline figures in metrics/evaluate.json, which `evaluate` wrote."""
    return [
        Row(run, seed, code, predictor, role, metrics[predictor][role]["accuracy"], metrics[predictor][role]["uar"])
        for predictor in PREDICTORS
        for role in (SEEN, UNSEEN, LEFT_OUT_CORPORA)
        if role in metrics[predictor]
    ]


def document(rows: Sequence[Row]) -> str:
    """One table for each run: mean, deviation and extremes of every headline figure over its seeds."""
    parts = [_INTRODUCTION]
    header = ("UAR", "mean", "deviation, points", "lowest", "highest")
    for run in dict.fromkeys(row.run for row in rows):
        of_run = [row for row in rows if row.run == run]
        seeds = sorted({row.seed for row in of_run})
        code = ", ".join(sorted({row.code for row in of_run}))
        lines = []
        for predictor, role in dict.fromkeys((row.predictor, row.role) for row in of_run):
            uars = [row.uar for row in of_run if (row.predictor, row.role) == (predictor, role)]
            deviation = f"{100 * statistics.stdev(uars):.1f}" if len(uars) > 1 else "-"
            name = f"{predictor}, {role.replace('_', ' ')}"
            lines.append((name, per_cent(statistics.mean(uars)), deviation, per_cent(min(uars)), per_cent(max(uars))))
        told = f"Seeds {', '.join(map(str, seeds))}; code {code}."
        parts.append(f"## {run}\n\n{told}\n\n{table(header, lines)}\n")
    return "\n".join(parts)


def seeded(params: Mapping[str, Any], seed: int, source_dir: str | None) -> dict[str, Any]:
    """A copy of params.yaml's content with another seed and folder of corpora.

    Sounds without speech are left out, because a relative folder of them is not found, and no headline depends on them.
    """
    download = {**params["download"], **({} if source_dir is None else {"source_dir": source_dir})}
    return {**params, "seed": seed, "download": download, "gate": {**params["gate"], "non_speech_dir": None}}


def run_stages(stages: Sequence[str], folder: Path, params: Mapping[str, Any]) -> None:
    """Run stages in a folder of their own, with these params.

    Raises:
        subprocess.CalledProcessError: one of them failed.
    """
    (folder / "params.yaml").write_text(write_yaml(dict(params)), encoding="utf-8")
    for name in ("data", "metrics", "models", "plots", "reports"):
        (folder / name).mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for stage in stages:
        command = [sys.executable, "-m", *f"stages.{stage}".split()]
        subprocess.run(command, cwd=folder, env=environment, check=True)


def main(
    params: Annotated[Path, typer.Option(help="What to train.")] = Path("params.yaml"),
    name: Annotated[str | None, typer.Option(help="Of the run; by default the folder of --params.")] = None,
    source_dir: Annotated[Path | None, typer.Option(help="Folder that holds the corpora.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many: that of the params and those after it.")] = 5,
) -> None:
    """Train with several seeds, record every headline figure as soon as it is known, and write docs/spread.md.

    A seed that is in docs/results/spread.csv with the same code is not trained again, so an interrupted run continues.
    """
    try:
        load_params(params)
        source = None if source_dir is None else str(source_dir.resolve(strict=True))
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    content = read_yaml(params)
    run = name or ("default" if params == Path("params.yaml") else params.resolve().parent.name)
    code = git_revision(ROOT)[:7]
    done = {row.seed for row in read_rows(ROWS) if (row.run, row.code) == (run, code)}
    left = [seed for seed in range(content["seed"], content["seed"] + seeds) if seed not in done]
    with tempfile.TemporaryDirectory(prefix="deepemo-spread-") as temporary:
        folder = Path(temporary)
        if left:
            run_stages(MAKING, folder, seeded(content, content["seed"], source))
        for seed in left:
            run_stages(TRAINING, folder, seeded(content, seed, source))
            metrics = json.loads((folder / "metrics/evaluate.json").read_text(encoding="utf-8"))
            note_rows(ROWS, figures(metrics, run=run, seed=seed, code=code))
    DOCUMENT.write_text(document(read_rows(ROWS)), encoding="utf-8")
    print(f"{DOCUMENT}: {len(left)} seeds of {run} trained, {seeds - len(left)} noted before")


if __name__ == "__main__":
    typer.run(main)
