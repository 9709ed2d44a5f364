"""Growth is told by slopes, what more workers gain by the slowest link, and each part does its stage's work."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import typer

from benchmarks import growth
from benchmarks._growth_heads import HEADS, HEADS_MADE
from benchmarks._growth_parts import (
    ARCHIVE,
    BLANK_EVERY,
    ELSEWHERE,
    MADE,
    NETWORKS,
    PARTS,
    ROLES,
    SAID,
    SHARDS,
    TWIN_EVERY,
)
from benchmarks._growth_report import (
    IMPORTS,
    TOGETHER,
    Cost,
    exponent,
    growth_table,
    kilobytes_a_clip,
    read_rates,
    serial_seconds,
    workers_table,
)
from deepemo.dataset.clips import read_clips
from deepemo.dataset.shards import read_spec
from deepemo.emotions import EMOTIONS
from deepemo.evaluation.predictions import read_predictions
from deepemo.models.registry import ENSEMBLE
from deepemo.yaml12 import read_yaml

ROOT = Path(__file__).parents[2]
SCALE = """# Benchmarks

## Scale

| stage | 1 thread | 2 threads |
| --- | ---: | ---: |
| validate | 100.0 | 180.0 (1.80x) |
| embed speech | 25.5 | 40.0 (1.57x) |
| matrix products alone | 45.7 | 86.8 (1.90x) |

A chunk of 32 recordings of 50 kB that are only counted takes 40.0 ms by processes and 16.0 ms by Dask: so much.
"""


def costs(*, sorts: float) -> dict[int, dict[str, Cost]]:
    """Of a part that takes 10 microseconds and 2 kB a clip, and of one that grows by another exponent."""
    made = {}
    for clips in (100, 1_000, 100_000):
        follows = Cost(wall_seconds=2e-5 * clips, cpu_seconds=1e-5 * clips, peak_mb=100 + 2e-3 * clips)
        other = Cost(wall_seconds=1.0, cpu_seconds=1e-6 * clips**sorts, peak_mb=50)
        nothing = Cost(wall_seconds=0.0, cpu_seconds=0.0, peak_mb=50)
        made[clips] = {f"{IMPORTS} alone": nothing, "reads": follows, "sorts": other}
    return made


def test_slopes_are_those_between_the_two_largest() -> None:
    made = costs(sorts=1.5)
    made[100]["reads"] = Cost(wall_seconds=9.0, cpu_seconds=9.0, peak_mb=900)
    assert exponent(made, "reads") == pytest.approx(1.0)
    assert exponent(made, "sorts") == pytest.approx(1.5)
    assert kilobytes_a_clip(made, "reads") == pytest.approx(2.0)


def test_the_table_has_a_row_a_part_and_no_exponent_of_imports() -> None:
    text = growth_table(costs(sorts=1.5))
    assert "| reads | 0.00 / 0.00 / 100 | 0.02 / 0.01 / 102 | 2.00 / 1.00 / 300 | 1.00 | 2.00 |" in text
    assert "| imports alone | 0.00 / 0.00 / 50 | 0.00 / 0.00 / 50 | 0.00 / 0.00 / 50 | - | 0.00 |" in text


def test_more_clips_than_were_measured_are_calculated_by_the_exponents() -> None:
    made = costs(sorts=1.5)
    assert serial_seconds(made, 100_000) == pytest.approx(1.0 + 1e-6 * 100_000**1.5)
    assert serial_seconds(made, 10_000_000) == pytest.approx(100.0 + 1e-6 * 10_000_000**1.5)


def test_rates_and_the_slower_of_processor_and_link_are_read_from_the_document() -> None:
    assert read_rates(SCALE) == ({"validate": 100.0, "embed speech": 25.5}, 2000.0)
    _, most_sent = read_rates(SCALE.replace("of 50 kB", "of 125 kB"))
    assert most_sent == pytest.approx(1000.0)
    with pytest.raises(ValueError, match="no section Scale"):
        read_rates("# Benchmarks\n\n## Memory\n")


def test_workers_share_clips_until_one_machine_cannot_send_more() -> None:
    text = workers_table({"validate": 100.0}, 1000.0, {1_000_000: 90.0, 10_000_000: 3600.0})
    assert "| validate | 2.8 h | 16.7 min | 16.7 min | 1.2 days | 2.8 h | 2.8 h |" in text
    assert f"| {TOGETHER} | 1.5 min | 1.5 min | 1.5 min | 1.0 h | 1.0 h | 1.0 h |" in text


def test_the_section_names_its_command_and_holds_both_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("docs/benchmarks.md").write_text(SCALE)
    monkeypatch.setattr(growth, "measure", lambda clips, parts: costs(sorts=1.0)[clips])
    growth.main(clips=[100_000, 1_000])
    written = Path("docs/benchmarks.md").read_text()
    assert "## Growth\n\n`python -m benchmarks.growth --clips 100000 --clips 1000` on " in written
    assert "| part | 1,000 clips: s / CPU s / MB | 100,000 clips: s / CPU s / MB | exponent | kB a clip |" in written
    assert "at most the 2,000 clips a second" in written
    assert "| embed speech | 10.9 h | 40.8 min | 8.3 min |" in written
    assert "## Scale" in written


def test_one_number_of_clips_shows_no_growth() -> None:
    with pytest.raises(typer.BadParameter, match="expected two numbers or more"):
        growth.main(clips=[1000])


def test_a_part_alone_is_printed_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = list[object]()
    monkeypatch.setattr(
        growth, "measured", lambda part, clips, folder: asked.append(part) or costs(sorts=1.0)[clips]["reads"]
    )
    head = next(iter(HEADS))
    growth.main(clips=[100_000, 1_000], part=[head])
    assert asked == [HEADS_MADE, head] * 2
    assert f"| {head} | 0.02 / 0.01 / 102 | 2.00 / 1.00 / 300 | 1.00 | 2.00 |" in capsys.readouterr().out
    assert not Path("docs").exists()
    with pytest.raises(typer.BadParameter, match=r"found \['walks'\], expected some of"):
        growth.main(clips=[100_000, 1_000], part=["walks"])


def test_training_is_none_of_what_no_workers_share() -> None:
    made = costs(sorts=1.0)
    before = serial_seconds(made, 100_000)
    made[100_000][next(iter(HEADS))] = made[1_000][next(iter(HEADS))] = made[100_000]["reads"]
    assert serial_seconds(made, 100_000) == before


def test_what_the_guide_says_of_scale_is_what_was_measured() -> None:
    sections = (ROOT / "docs" / "benchmarks.md").read_text().split("\n## ")
    (section,) = (part for part in sections if part.startswith("Growth\n"))
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    guide = (ROOT / "docs" / "scale.md").read_text().splitlines()
    assert len(rows) > len(PARTS)
    assert [row for row in rows if row not in guide] == []


@pytest.mark.slow
def test_every_part_does_its_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = 2 * BLANK_EVERY
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    for prepare in PARTS.values():
        prepare(clips)()
    with zipfile.ZipFile(ARCHIVE) as archive:
        assert len(archive.namelist()) == clips
    table, roles = read_clips(Path("clips.csv")), pd.read_csv(ROLES)
    reasons = table["reason"].value_counts()
    assert (reasons["same_performance"], reasons["contradicting_labels"]) == (clips // TWIN_EVERY - 2, 2)
    good = int((table["verdict"] == "good").sum())
    assert len(roles) == read_spec(SHARDS)["clips"] == good == clips - clips // TWIN_EVERY
    said = read_predictions(SAID, EMOTIONS)
    assert said.predictors == NETWORKS
    assert len(said) == (roles["role"] != "train").sum()
    figures = json.loads(Path("evaluate.json").read_text())
    assert figures[ENSEMBLE]["seen_speakers"]["uar"] > figures["chance"]["uar"]
    hashed = read_yaml(Path(f"{ARCHIVE}.dvc"))["outs"][0]
    assert hashed["md5"] == hashlib.md5(ARCHIVE.read_bytes()).hexdigest()
    assert read_yaml(Path(f"{SHARDS}.dvc"))["outs"][0]["nfiles"] == read_spec(SHARDS)["shards"] + 1
    assert set(PARTS) >= ELSEWHERE


@pytest.mark.slow
def test_parts_are_measured_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = (MADE, "archive: read every recording", "DVC hashes the archive")
    monkeypatch.setattr(growth, "PARTS", dict.fromkeys(chosen))
    found = growth.measure(1000)
    assert tuple(found) == chosen[1:]
    for cost in found.values():
        assert 0 < cost.cpu_seconds < 30
        assert cost.wall_seconds > 0
        assert cost.peak_mb > 30
