"""The results of several seeds are recorded once each, and tabulated with a summary."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.spread import MAKING, TRAINING, Row, document, figures, note_rows, read_rows, seeded
from deepemo.models.registry import predictor_names
from deepemo.yaml12 import read_yaml


def metrics(uar: float) -> dict[str, Any]:
    judged = {role: {"accuracy": 0.5, "uar": uar} for role in ("seen_speakers", "unseen_speakers")}
    return dict.fromkeys(predictor_names(), judged)


def rows(seed: int, uar: float, *, run: str = "default", code: str = "abc") -> list[Row]:
    return figures(metrics(uar), run=run, seed=seed, code=code)


def test_rows_come_back_as_they_were_noted_and_replace_those_of_their_seed(tmp_path: Path) -> None:
    path = tmp_path / "made" / "spread.csv"
    assert read_rows(path) == []
    note_rows(path, rows(2, 0.625))
    note_rows(path, rows(1, 0.5))
    note_rows(path, rows(2, 0.75, run="other"))
    assert read_rows(path) == [*rows(1, 0.5), *rows(2, 0.625), *rows(2, 0.75, run="other")]
    note_rows(path, rows(2, 0.25, code="def"))
    assert read_rows(path) == [*rows(1, 0.5), *rows(2, 0.25, code="def"), *rows(2, 0.75, run="other")]


def test_the_table_holds_mean_deviation_and_extremes() -> None:
    written = document([*rows(1, 0.5), *rows(2, 0.6), *rows(3, 0.7), *rows(1, 0.8, run="other")])
    assert "| ensemble, unseen speakers | 60.0 % | 10.0 | 50.0 % | 70.0 % |" in written
    assert "| ensemble, unseen speakers | 80.0 % | - | 80.0 % | 80.0 % |" in written
    assert "Seeds 1, 2, 3; code abc." in written
    assert written.count("| shallow, seen speakers |") == 2


def test_every_stage_is_run_but_those_that_no_headline_needs() -> None:
    commands = {stage["cmd"] for stage in read_yaml(Path(__file__).parents[2] / "dvc.yaml")["stages"].values()}
    run = {f"python -m stages.{stage}" for stage in (*MAKING, *TRAINING)}
    assert run <= commands
    assert {command.split(".")[1] for command in commands - run} == {"eda", "robustness", "plots_page"}


@pytest.mark.parametrize(("source", "expected"), [(None, "mine"), ("/theirs", "/theirs")])
def test_another_seed_changes_nothing_else_that_is_learned_from(source: str | None, expected: str) -> None:
    params = {
        "seed": 1,
        "download": {"corpora": ["a"], "source_dir": "mine"},
        "gate": {"clips": 3, "non_speech_dir": "x"},
    }
    changed = seeded(params, 7, source)
    assert changed["seed"] == 7
    assert changed["download"] == {"corpora": ["a"], "source_dir": expected}
    assert changed["gate"] == {"clips": 3, "non_speech_dir": None}
    assert params["seed"] == 1
