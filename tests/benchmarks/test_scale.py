"""The rate of several processes counts their work together, and leaves out their start."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import scale
from benchmarks._clip_stages import NOTHING, PRODUCTS, TASKS, Done, Timed
from benchmarks.scale import STAGES, make_run, report, steady_rate
from deepemo.pipeline import load_params

# One process is ready a second before the other. Then each does one item of two clips per second.
DONE = [Done(1, 10.0, 2, None), Done(1, 11.0, 2, None), Done(2, 11.0, 2, None)] + [
    Done(process, 11.0 + second, 2, None) for second in (1, 2, 3) for process in (1, 2)
]


def test_the_start_of_the_last_process_is_where_a_rate_begins() -> None:
    assert steady_rate(DONE, 14.0) == pytest.approx(4.0)
    # Results that are late lower it.
    assert steady_rate(DONE, 17.0) == pytest.approx(2.0)


def test_a_rate_of_processes_that_did_not_all_work_is_none() -> None:
    with pytest.raises(ValueError, match="1 processes did all the work, expected 2: measure on more clips"):
        steady_rate([one for one in DONE if one.process == 1], 14.0)


def test_the_report_has_ratios_to_one_thread_and_of_dask_to_processes() -> None:
    rates = {
        "validate": {"1 thread": 50.0, "2 threads": 75.0, "2 processes": 100.0, "Dask, 2 threads": 95.0},
        "nothing": {"2 processes": 32000.0, "Dask, 2 threads": 3200.0},
    }
    text = report(rates, 90_000)
    assert "| validate | 50.0 | 75.0 (1.50x) | 100.0 (2.00x) | 95.0 (1.90x) | -5 % |" in text
    assert "A chunk of 32 recordings of 90 kB" in text
    assert "takes 1.0 ms by processes and 10.0 ms by Dask" in text


def test_the_section_names_its_command_and_holds_all_stages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pack(folder: Path, clips: int) -> None:
        (folder / "data" / "raw").mkdir(parents=True)
        (folder / "data" / "raw" / "synthetic.zip").write_bytes(bytes(clips * 1000))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scale, "make_run", pack)
    monkeypatch.setattr(scale, "measured", lambda stage, way, folder: 10.0 if way == "1 thread" else 20.0)
    scale.main(clips=512, rounds=2)
    written = Path("docs/benchmarks.md").read_text()
    assert "`python -m benchmarks.scale --clips 512 --rounds 2` on " in written
    for stage in (*STAGES, PRODUCTS):
        assert f"| {stage} | 10.0 | 20.0 (2.00x) | 20.0 (2.00x) | 20.0 (2.00x) | +0 % |" in written
    assert "A chunk of 32 recordings of 1 kB" in written
    assert "## Scale" in written
    assert "Scale" not in capsys.readouterr().out


def flat(results: Any) -> list[Any]:
    """Results one by one; lists of results of batches and windows are flattened."""
    return [one for result in results for one in (result if isinstance(result, list) else [result])]


@pytest.mark.slow
@pytest.mark.parametrize("stage", [*STAGES, PRODUCTS, NOTHING])
def test_other_processes_are_given_the_work_of_the_stage(
    stage: str, made_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made_run)
    clips = pd.read_csv("clips.csv", dtype=str)
    task = TASKS[stage](clips, load_params())
    here = flat(task.here(len(clips), 2))
    items = list(task.items())
    assert sum(map(task.clips_in, items)) == len(clips) == len(here)
    carried = [pickle.loads(pickle.dumps(task.carry(item) if task.carry else item)) for item in items]
    timed = Timed(pickle.dumps(task.work))
    done = [timed((0, task.clips_in(item), item)) for item in carried]
    assert {one.process for one in done} == {os.getpid()}
    for mine, theirs in zip(here, flat(one.result for one in done), strict=True):
        if isinstance(mine, tuple):
            assert mine[0] == theirs[0]
            np.testing.assert_allclose(mine[1], theirs[1], rtol=1e-3, atol=1e-4)
        else:
            assert mine == theirs


@pytest.fixture(scope="module")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, 40)
    return folder
