"""Corpora into data/raw: complete ones are left alone, failures leave the old one, and everything is recorded."""

import errno
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus, Dataverse, ZipDownload
from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.folders import CopyNotFoundError
from deepemo.corpora.download.http import Patience
from deepemo.corpora.download.provenance import Provenance
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from deepemo.pipeline import load_params

MEMBERS = {f"Actor_01/03-01-0{emotion}-01-01-01-01.wav": bytes([emotion]) * 5000 for emotion in range(1, 6)}
WORDS = ("back", "bar", "base")

Acquire = Callable[..., Provenance]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, recording in members.items():
            archive.writestr(member, recording)
    return buffer.getvalue()


def published(server: Any, content: bytes) -> Corpus:
    url = server.put("/Audio_Speech_Actors_01-24.zip", content)
    source = ZipDownload(url=url, size_bytes=len(content), md5=hashlib.md5(content).hexdigest())
    return replace(CORPORA["ravdess"], source=source, clips=len(MEMBERS))


@pytest.fixture
def ravdess(server: Any) -> Corpus:
    return published(server, zipped(MEMBERS))


@pytest.fixture
def tess(server: Any) -> Corpus:
    files = []
    for number, word in enumerate(WORDS):
        server.put(f"/file/{number}", word.encode() * 999)
        checksum = hashlib.md5(word.encode() * 999).hexdigest()
        file = {"id": number, "filename": f"OAF_{word}_sad.wav", "filesize": len(word) * 999, "md5": checksum}
        files.append({"dataFile": file})
    server.put("/dataset", json.dumps({"data": {"latestVersion": {"files": files}}}).encode())
    source = Dataverse(dataset_url=server.url("/dataset"), file_url=server.url("/file/{id}"))
    return replace(CORPORA["tess"], source=source, clips=len(WORDS))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "data" / "raw"


@pytest.fixture
def bring(raw: Path, impatient: Patience) -> Acquire:
    def bring(corpus: Corpus, **changes: Any) -> Provenance:
        params = load_params().download.model_copy(update={"source_dir": None, **changes})
        return acquire([corpus], params, raw_dir=raw, seed=1, patience=impatient)[0]

    return bring


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its inode and time of change. A file that was written again differs."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_an_official_archive_is_kept_as_it_is(server: Any, ravdess: Corpus, bring: Acquire, raw: Path) -> None:
    record = bring(ravdess)
    assert (raw / "ravdess.zip").read_bytes() == server.pages["/Audio_Speech_Actors_01-24.zip"].content
    assert sorted(path.name for path in raw.iterdir()) == ["ravdess.json", "ravdess.zip"]
    assert json.loads((raw / "ravdess.json").read_text()) == record.__dict__
    assert (record.recordings, record.published_recordings, record.size_bytes) == (5, 5, 25_000)
    assert record.source == server.url("/Audio_Speech_Actors_01-24.zip")
    assert record.licence == "CC BY-NC-SA 4.0"
    assert record.fetched.startswith("20")
    assert record.zip_sha256 == hashlib.sha256((raw / "ravdess.zip").read_bytes()).hexdigest()
    assert not (raw.parent / "incoming" / "ravdess").exists()


def test_many_files_are_packed_into_one(tess: Corpus, bring: Acquire, raw: Path) -> None:
    record = bring(tess)
    with zipfile.ZipFile(raw / "tess.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"OAF_{word}_sad.wav": word.encode() * 999 for word in WORDS
        }
    assert record.recordings == 3
    assert not (raw.parent / "incoming" / "tess").exists()


@pytest.mark.parametrize("name", ["ravdess", "tess"])
def test_what_is_there_is_neither_fetched_nor_packed_again(
    server: Any, bring: Acquire, raw: Path, name: str, request: pytest.FixtureRequest
) -> None:
    corpus = request.getfixturevalue(name)
    first = bring(corpus)
    before = state(raw)
    server.asked.clear()
    assert bring(corpus) == first
    assert bring(corpus, connections=1) == first
    assert server.asked == []
    assert state(raw) == before


def test_a_zip_that_was_damaged_is_fetched_again(server: Any, ravdess: Corpus, bring: Acquire, raw: Path) -> None:
    first = bring(ravdess)
    path = raw / "ravdess.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    again = bring(ravdess)
    assert (again.zip_sha256, again.sha256) == (first.zip_sha256, first.sha256)
    assert first.describes(path)
    assert len(server.asked) == 2


def test_a_record_that_cannot_be_read_is_written_anew(
    server: Any, ravdess: Corpus, bring: Acquire, raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = bring(ravdess)
    (raw / "ravdess.json").write_bytes(b"\xff\xfe")
    assert replace(bring(ravdess), fetched="") == replace(first, fetched="")
    assert len(server.asked) == 2
    assert "ravdess.json: not JSON (" in caplog.text


def test_an_archive_is_not_fetched_again_after_a_kill_in_its_last_step(
    server: Any, ravdess: Corpus, bring: Acquire, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between writing the record and the archive, in whatever order they are written."""
    replaced = Path.replace

    class Killed(BaseException):
        pass

    for last in ("ravdess.zip", "ravdess.json"):

        def killed_after(path: Path, target: Path, last: str = last) -> None:
            replaced(path, target)
            if target.name == last:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killed_after)
            with pytest.raises(Killed):
                bring(ravdess)
        bring(ravdess)
        assert server.counts() == {"/Audio_Speech_Actors_01-24.zip": 1}
        server.asked.clear()
        for path in raw.iterdir():
            path.unlink()


def test_what_fails_leaves_the_old_and_keeps_the_part(
    server: Any, faults: Any, ravdess: Corpus, bring: Acquire, raw: Path
) -> None:
    bring(ravdess)
    before = state(raw)
    newer = published(server, zipped({**MEMBERS, "Actor_01/03-01-06-01-01-01-01.wav": os.urandom(30_000)}))
    newer = replace(newer, source=replace(newer.source, url=server.url("/newer.zip")))
    page = server.pages["/newer.zip"] = server.pages.pop("/Audio_Speech_Actors_01-24.zip")
    page.faults = [faults.cut_after(10_000), *[faults.status(503)] * 5]
    with pytest.raises(InputError, match="10,000 bytes are kept"):
        bring(newer)
    assert state(raw) == before
    page.faults = []
    assert bring(newer).recordings == 6
    assert server.asked[-1] == ("/newer.zip", "bytes=10000-")


@pytest.mark.parametrize("member", ["../outside.wav", "/etc/outside.wav", "a/../../outside.wav", "C:/outside.wav"])
def test_an_official_archive_is_read_with_care(server: Any, bring: Acquire, raw: Path, member: str) -> None:
    with pytest.raises(InputError, match="leads out of the folder"):
        bring(published(server, zipped({**MEMBERS, member: b"x"})))
    assert list(raw.iterdir()) == []


def test_a_disk_that_fills_up_in_packing_leaves_no_half_zip(
    server: Any, tess: Corpus, bring: Acquire, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", full)
        with pytest.raises(InputError, match=r"tess\.zip: cannot be written: No space left on device; make room"):
            bring(tess)
    assert list(raw.iterdir()) == []
    server.asked.clear()
    bring(tess)
    assert server.asked == [("/dataset", None)]


def test_a_folder_comes_before_the_official_source(
    server: Any, ravdess: Corpus, bring: Acquire, tmp_path: Path
) -> None:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "ravdess.zip").write_bytes(zipped(MEMBERS))
    record = bring(ravdess, source_dir=str(tmp_path / "corpora"))
    assert record.source == str(tmp_path / "corpora" / "ravdess.zip")
    assert server.asked == []


def test_what_a_folder_does_not_hold_is_fetched(
    server: Any, ravdess: Corpus, bring: Acquire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """This lets one run take SAVEE from a folder and fetch the others from their publishers."""
    assert bring(ravdess, source_dir=str(tmp_path)).source == server.url("/Audio_Speech_Actors_01-24.zip")
    assert "looked for ravdess/" in caplog.text
    assert f"fetching it from {server.url('/')}" in caplog.text


def test_pointers_are_not_replaced_by_a_download_in_silence(
    server: Any, ravdess: Corpus, bring: Acquire, tmp_path: Path
) -> None:
    (tmp_path / "Ravdess-master").mkdir()
    for member in MEMBERS:
        name = tmp_path / "Ravdess-master" / Path(member).name
        name.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n")
    with pytest.raises(InputError, match=r"Ravdess-master: 5 of 5 recordings are Git LFS pointers"):
        bring(ravdess, source_dir=str(tmp_path))
    assert server.asked == []


def test_odd_folders_come_whole_into_the_archive(ravdess: Corpus, bring: Acquire, tmp_path: Path, raw: Path) -> None:
    """A carriage return, a byte that is not UTF-8, and a backslash from unpacking: every recording is there once."""
    folders = [b"Actor\r01", b"Acteur\xe901", b"win\\dows", b"plain", b"x\ny"]
    for folder, (member, content) in zip(folders, MEMBERS.items(), strict=True):
        path = tmp_path / "Ravdess" / os.fsdecode(folder + b"/" + Path(member).name.encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    record = bring(ravdess, source_dir=str(tmp_path))
    assert record.recordings == 5
    packed = Archive(raw / "ravdess.zip")
    assert packed.recordings() == sorted(packed.recordings())
    assert [name.split("/")[0] for name in packed.recordings()] == [
        "Acteur%E901",
        "Actor%0D01",
        "plain",
        "win",
        "x%0Ay",
    ]
    assert sorted(map(packed.read, packed.recordings())) == sorted(MEMBERS.values())


def test_what_is_nowhere_tells_both_ways(
    server: Any, ravdess: Corpus, bring: Acquire, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.pages.clear()
    with pytest.raises(InputError, match=r"looked for ravdess/.*; and .*HTTP 404"):
        bring(ravdess, source_dir=str(tmp_path))
    caplog.clear()
    with pytest.raises(InputError, match=r"looked for savee/.*; and SAVEE .*download\.source_dir"):
        bring(CORPORA["savee"], source_dir=str(tmp_path))
    assert "fetching it" not in caplog.text, "nobody fetches what is given out by hand"


def test_a_folder_that_is_not_there_is_a_mistake(server: Any, ravdess: Corpus, bring: Acquire, tmp_path: Path) -> None:
    with pytest.raises(CopyNotFoundError, match="no such folder"):
        bring(ravdess, source_dir=str(tmp_path / "typo"))
    assert server.asked == []


@pytest.mark.parametrize("inside", ["", "mine"])
def test_a_folder_that_would_be_cleared_is_refused_before_it_is(
    ravdess: Corpus, bring: Acquire, raw: Path, inside: str
) -> None:
    (raw / inside).mkdir(parents=True)
    own = raw / inside / "Audio_Speech_Actors_01-24.zip"
    own.write_bytes(zipped(MEMBERS))
    with pytest.raises(InputError, match=r"download\.source_dir: found .*raw.*; expected a folder outside it"):
        bring(ravdess, source_dir=str(raw / inside))
    assert own.is_file()


def test_what_is_not_wanted_any_more_goes(ravdess: Corpus, tess: Corpus, bring: Acquire, raw: Path) -> None:
    bring(ravdess)
    bring(tess)
    assert sorted(path.name for path in raw.iterdir()) == ["tess.json", "tess.zip"]
