import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepemo.dataset.clips import COLUMNS, TEXT_COLUMNS, Clip, good_clips, read_clips, write_clips
from deepemo.files import write_csv

# Texts that pandas would read as a number or as missing.
TRICKY = Clip(
    clip="crema_d/None",
    corpus="crema_d",
    member='a, "b".wav',
    speaker="crema_d/NA",
    gender="",
    sentence='Don\'t; forget, a "jacket"',
    sha256="007",
    seconds=2.469125,
    clipped_share=1e-6,
)


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [TRICKY, Clip(clip="b", corpus="c", member="m", rate_hz=24_414)])
    table = read_clips(tmp_path / "clips.csv")
    assert tuple(table.columns) == COLUMNS
    first = table.iloc[0]
    for name in TEXT_COLUMNS:
        assert first[name] == getattr(TRICKY, name)
    assert first["seconds"] == 2.46912 or first["seconds"] == 2.46913  # six digits
    assert table["rate_hz"].tolist() == [0, 24_414]


def test_text_is_never_missing_even_where_a_column_is_empty(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [Clip(clip="b", corpus="c", member="m")])
    table = read_clips(tmp_path / "clips.csv")
    assert (table[["speaker", "reason", "repairs"]] == "").all(axis=None)
    assert pd.api.types.is_numeric_dtype(table["seconds"])


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    write_clips(tmp_path / "clips.csv", [])
    table = read_clips(tmp_path / "clips.csv")
    assert tuple(table.columns) == COLUMNS
    assert len(good_clips(table)) == 0


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_clips(tmp_path / name, [TRICKY])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert b"\r" not in (tmp_path / "one").read_bytes()


@pytest.mark.parametrize("agreements", [(None, None), (None, 0.25), (1.0, 0.5)])
def test_columns_give_the_bytes_of_rows(tmp_path: Path, agreements: tuple[float | None, ...]) -> None:
    clips = [TRICKY, Clip(clip="b", corpus="c", member="m", rate_hz=24_414, seconds=2.0)]
    clips = [replace(clip, agreement=agreement) for clip, agreement in zip(clips, agreements, strict=True)]
    write_clips(tmp_path / "clips.csv", iter(clips))
    write_csv(tmp_path / "rows.csv", pd.DataFrame([asdict(clip) for clip in clips], columns=list(COLUMNS)))
    assert (tmp_path / "clips.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_good_clips_are_renumbered(tmp_path: Path) -> None:
    verdicts = ["quarantined", "good", "quarantined", "good"]
    clips = [Clip(clip=str(n), corpus="c", member="m", verdict=verdict) for n, verdict in enumerate(verdicts)]
    write_clips(tmp_path / "clips.csv", clips)
    good = good_clips(read_clips(tmp_path / "clips.csv"))
    assert good["clip"].tolist() == ["1", "3"]
    np.testing.assert_array_equal(good.index, [0, 1])


TEXTS = st.text(st.sampled_from("ab,\"'\r\n\t;\u2028é "), max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_text_comes_back_from_any_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """Lone carriage returns included, which Python's csv leaves unquoted in some releases."""
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    table = pd.DataFrame(rows, columns=["one", "two"])
    write_csv(path, table)
    pd.testing.assert_frame_equal(pd.read_csv(path, dtype=str, keep_default_na=False), table)
    with path.open(encoding="utf-8", newline="") as stream:
        assert [tuple(row) for row in csv.reader(stream)][1:] == rows


def test_a_table_of_plain_text_has_the_bytes_that_pandas_gives_it(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["a", 'b, "c"', ""], "number": [1 / 3, 2.0, 1e-9]})
    write_csv(tmp_path / "table.csv", table)
    expected = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    assert (tmp_path / "table.csv").read_bytes() == expected.encode()
