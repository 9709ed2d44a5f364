"""Packing into parts: what a kill leaves is used, what is left over goes, and the record is of all parts."""

import hashlib
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus, ZipDownload
from deepemo.corpora.download import acquire as acquiring
from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.folders import find_copy
from deepemo.corpora.download.http import Patience
from deepemo.corpora.download.packing import pack, take_stock
from deepemo.corpora.download.provenance import Provenance, read_provenance
from deepemo.corpora.listing import describe_corpora
from deepemo.corpora.parts import all_parts, later_parts, part_path
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from deepemo.pipeline import load_params

SIZE = 500
TESS = CORPORA["tess"]
WORDS = ("back", "bar", "base", "bath", "bean", "beg", "bite")


class Killed(BaseException):
    pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "tess").mkdir(parents=True)
    for number, word in enumerate(WORDS):
        (folder / "tess" / f"OAF_{word}_sad.wav").write_bytes(bytes([number]) * SIZE)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


def bring(source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, *, part_bytes: int) -> Provenance:
    with monkeypatch.context() as patch:
        patch.setattr(acquiring, "pack", lambda contents, target: pack(contents, target, part_bytes=part_bytes))
        params = load_params().download.model_copy(update={"source_dir": str(source)})
        return acquire([TESS], params, raw_dir=raw, seed=1)[0]


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_record_is_of_all_parts(source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    parts = all_parts(raw / "tess.zip")
    assert len(parts) == 4
    assert record.zip_bytes == sum(path.stat().st_size for path in parts)
    assert record == read_provenance(raw / "tess.json")
    assert record.describes(raw / "tess.zip")
    whole = bring(source, raw.with_name("whole"), monkeypatch, part_bytes=100 * SIZE)
    assert (whole.sha256, whole.recordings) == (record.sha256, record.recordings)
    part = part_path(raw / "tess.zip", 3)
    part.write_bytes(part.read_bytes().replace(b"\x04" * SIZE, b"\x40" * SIZE))
    assert not record.describes(raw / "tess.zip")


def test_what_is_there_is_not_packed_again(source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    before = state(raw)
    assert bring(source, raw, monkeypatch, part_bytes=2 * SIZE) == record
    assert state(raw) == before


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_killed_packing_goes_on_from_its_last_whole_part(
    source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    expected = bring(source, raw.with_name("expected"), monkeypatch, part_bytes=2 * SIZE)
    copied = shutil.copyfileobj

    def killed(source: Any, sink: Any, length: int) -> None:
        if sink._zinfo.filename == f"OAF_{WORDS[2 * done]}_sad.wav":
            raise Killed
        copied(source, sink, length)

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", killed)
        with pytest.raises(Killed):
            bring(source, raw, patch, part_bytes=2 * SIZE)
    before = state(raw)
    assert len(before) == done
    with pytest.raises(InputError, match=rf"tess\.part00{done + 1}\.zip: no such file, expected part {done + 1} of 4"):
        Archive(raw / "tess.zip")
    found = bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    assert replace(found, fetched="") == replace(expected, fetched="")
    assert {name: each for name, each in state(raw).items() if name in before} == before
    for path in raw.with_name("expected").glob("*.zip"):
        assert (raw / path.name).read_bytes() == path.read_bytes()


def test_a_part_that_is_marked_and_damaged_is_packed_again(
    source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    good = {path.name: path.read_bytes() for path in raw.glob("*.zip")}
    part = part_path(raw / "tess.zip", 2)
    part.write_bytes(good[part.name].replace(b"\x02" * SIZE, b"\x20" * SIZE))
    bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    assert {path.name: path.read_bytes() for path in raw.glob("*.zip")} == good


@pytest.mark.parametrize("part_bytes", [3 * SIZE, 100 * SIZE], ids=["fewer parts", "one part"])
def test_parts_of_an_earlier_packing_go(
    source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    bring(source, raw, monkeypatch, part_bytes=SIZE)
    (raw / "tess.json").unlink()
    record = bring(source, raw, monkeypatch, part_bytes=part_bytes)
    assert record.describes(raw / "tess.zip")
    assert len(later_parts(raw / "tess.zip")) == (2 if part_bytes < 100 * SIZE else 0)
    assert len(Archive(raw / "tess.zip").recordings()) == len(WORDS)


def test_parts_of_a_corpus_that_is_not_wanted_any_more_go(
    source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(source, raw, monkeypatch, part_bytes=SIZE)
    acquire([], load_params().download, raw_dir=raw, seed=1)
    assert list(raw.iterdir()) == []


def test_an_official_archive_takes_the_place_of_all_parts(
    server: Any, source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, impatient: Patience
) -> None:
    bring(source, raw, monkeypatch, part_bytes=SIZE)
    shutil.make_archive(str(source / "official"), "zip", source / "tess")
    content = (source / "official.zip").read_bytes()
    url = server.put("/official.zip", content)
    corpus = replace(TESS, source=ZipDownload(url=url, size_bytes=len(content), md5=hashlib.md5(content).hexdigest()))
    params = load_params().download.model_copy(update={"source_dir": None})
    (record,) = acquire([corpus], params, raw_dir=raw, seed=1, patience=impatient)
    assert sorted(path.name for path in raw.iterdir()) == ["tess.json", "tess.zip"]
    assert record.describes(raw / "tess.zip")


@pytest.mark.parametrize("layout", ["tess.zip", "tess/any.zip"])
def test_parts_may_be_brought_as_a_corpus(
    source: Path, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    expected = bring(source, raw, monkeypatch, part_bytes=100 * SIZE)
    brought = tmp_path / "brought" / layout
    folder = tmp_path / "brought"
    pack_as(TESS, source, brought, part_bytes=2 * SIZE)
    found = bring(folder, raw, monkeypatch, part_bytes=10**9)
    assert (found.sha256, found.zip_sha256, found.repeated) == (expected.sha256, expected.zip_sha256, 0)
    part_path(brought, 2).unlink()
    with pytest.raises(InputError, match=r"\.part002\.zip: no such file, expected part 2 of 4 of packing"):
        bring(folder, raw, monkeypatch, part_bytes=10**9)


def pack_as(corpus: Corpus, source: Path, target: Path, *, part_bytes: int) -> None:
    target.parent.mkdir(parents=True)
    pack(take_stock(corpus, find_copy(corpus, source)), target, part_bytes=part_bytes)


def test_a_store_is_asked_for_all_parts(source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = bring(source, raw, monkeypatch, part_bytes=100 * SIZE)
    brought = source.with_name("brought")
    pack_as(TESS, source, brought / "tess.zip", part_bytes=2 * SIZE)
    params = load_params().download.model_copy(update={"source_dir": f"file://{brought}"})
    (found,) = acquire([TESS], params, raw_dir=raw, seed=1)
    assert found.zip_sha256 == expected.zip_sha256
    assert "(4 files, " in found.source


def test_the_list_of_corpora_tells_of_all_parts(source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(source, raw, monkeypatch, part_bytes=2 * SIZE)
    told = next(state for state in describe_corpora(raw) if state.corpus.name == "tess")
    assert told.provenance is not None
    part_path(raw / "tess.zip", 4).unlink()
    told = next(state for state in describe_corpora(raw) if state.corpus.name == "tess")
    assert told.provenance is None
    assert "run download again" in told.on_disk


def test_the_first_part_holds_what_lies_beside_the_recordings(source: Path, tmp_path: Path) -> None:
    contents = replace(take_stock(TESS, find_copy(TESS, source)), beside={"table.csv": b"a,b\n"})
    pack(contents, tmp_path / "tess.zip", part_bytes=2 * SIZE)
    tables = [
        [name for name in zipfile.ZipFile(path).namelist() if name.endswith(".csv")]
        for path in all_parts(tmp_path / "tess.zip")
    ]
    assert tables == [["table.csv"], [], [], []]
