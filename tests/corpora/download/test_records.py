"""Corpora whose checksums come with them: Zenodo's records and GitHub's listings, and archives that have changed."""

import hashlib
import io
import json
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deepemo.corpora.definition import Corpus, GitFiles, LfsFiles, ZenodoRecord
from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.http import Patience
from deepemo.corpora.download.provenance import Provenance
from deepemo.corpora.download.publishers import Fetched, fetch_corpus
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from deepemo.pipeline import load_params
from tests.fixtures.rars import Stored, rar4, write_program

RECORDINGS = {"audio/1.wav": b"one" * 900, "audio/2.wav": b"two" * 900}
TABLES = {
    "metadata/samples.csv": b"file_name,actor,emotion_expressed,sentence\n1.wav,ann,joy,Ciao.\n2.wav,ann,fear,Ciao.\n",
    "metadata/users.csv": b"username,gender,age\nann,female,30\n",
}
NEMO = {
    "samples/EB0_anger_1.wav": b"angry" * 300,
    "samples/EB0_fear_1.wav": b"fearful" * 300,
    "data.tsv": b"file_id\traw_text\tgender\nEB0_anger_1.wav\tTak.\tfemale\nEB0_fear_1.wav\tTak.\tfemale\n",
    "README.md": b"nEMO",
}

OREAU = {"OréauFR_02/m/31/31a06Ja.wav": b"happy" * 300, "OréauFR_02/f/02/02a12Cb.wav": b"angry" * 300}

Bring = Callable[[Corpus], Fetched]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in members.items():
            archive.writestr(f"emozionalmente_dataset/{member}", content)
    return buffer.getvalue()


ARCHIVE = zipped({**RECORDINGS, **TABLES})


def put_record(server: Any, files: dict[str, bytes], **changes: Any) -> str:
    """Serve a record as Zenodo's API describes it; its address."""
    entries = []
    for name, content in files.items():
        url = server.put(f"/files/{name}/content", content)
        checksum = f"md5:{hashlib.md5(content).hexdigest()}"
        entries.append({"key": name, "size": len(content), "checksum": checksum, "links": {"self": url}, **changes})
    url: str = server.put("/api/records/1", json.dumps({"id": 1, "files": entries}).encode())
    return url


def put_tree(server: Any, files: dict[str, bytes], *, truncated: bool = False) -> GitFiles:
    """Serve a repository as GitHub's API lists it."""
    entries = [{"path": "samples", "type": "tree", "sha": "0" * 40}]
    for path, content in files.items():
        server.put(f"/raw/{path}", content)
        sha = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entries.append({"path": path, "type": "blob", "sha": sha, "size": len(content)})
    url = server.put("/tree", json.dumps({"tree": entries, "truncated": truncated}).encode())
    return GitFiles(tree_url=url, file_url=server.url("/raw/{path}"))


@pytest.fixture
def bring(tmp_path: Path, impatient: Patience) -> Bring:
    return lambda corpus: fetch_corpus(corpus, tmp_path / "incoming", connections=2, patience=impatient)


@pytest.fixture
def emozionalmente(server: Any) -> Corpus:
    """Emozionalmente as published, but with two recordings and without a checksum known in advance."""
    url = put_record(server, {"emozionalmente.zip": ARCHIVE})
    source = ZenodoRecord(record_url=url, archive="emozionalmente.zip")
    return replace(CORPORA["emozionalmente"], source=source, clips=2)


@pytest.fixture
def nemo(server: Any) -> Corpus:
    return replace(CORPORA["nemo"], source=put_tree(server, NEMO), clips=2)


@pytest.fixture
def into_raw(tmp_path: Path, impatient: Patience) -> Callable[[Corpus], Provenance]:
    params = load_params().download

    def into_raw(corpus: Corpus) -> Provenance:
        (record,) = acquire([corpus], params, raw_dir=tmp_path / "data/raw", seed=1, patience=impatient)
        return record

    return into_raw


def test_an_archive_comes_checked_by_its_record_and_the_checksum_is_kept(
    emozionalmente: Corpus, into_raw: Any, tmp_path: Path
) -> None:
    record = into_raw(emozionalmente)
    assert record.published_digest == f"md5:{hashlib.md5(ARCHIVE).hexdigest()}"
    assert (record.recordings, record.language) == (2, "it")
    assert (tmp_path / "data/raw/emozionalmente.zip").read_bytes() == ARCHIVE


def test_an_archive_that_broke_off_is_continued(server: Any, faults: Any, emozionalmente: Corpus, bring: Bring) -> None:
    page = server.pages["/files/emozionalmente.zip/content"]
    page.faults = [faults.cut_after(700), faults.status(503)]
    fetched = bring(emozionalmente)
    assert fetched.place.path.read_bytes() == ARCHIVE
    assert ("/files/emozionalmente.zip/content", "bytes=700-") in server.asked


def test_content_that_is_not_the_records_is_refused(server: Any, emozionalmente: Corpus, bring: Bring) -> None:
    server.pages["/files/emozionalmente.zip/content"].content = ARCHIVE[::-1]
    with pytest.raises(
        InputError, match=r"emozionalmente\.zip: not fetched from .*: found md5 \w{32}; expected .* md5"
    ):
        bring(emozionalmente)


def test_an_archive_that_has_changed_since_it_was_fetched_is_an_error(
    server: Any, emozionalmente: Corpus, into_raw: Any, tmp_path: Path
) -> None:
    before = into_raw(emozionalmente)
    (tmp_path / "data/raw/emozionalmente.zip").unlink()
    put_record(server, {"emozionalmente.zip": zipped({**RECORDINGS, **TABLES, "audio/3.wav": b"three"})})
    with pytest.raises(InputError) as refusal:
        into_raw(emozionalmente)
    told = str(refusal.value)
    assert "/api/records/1: emozionalmente.zip has changed: found md5:" in told
    assert f"expected {before.published_digest} as before" in told
    assert "download.source_dir" in told


def test_an_archive_that_has_changed_since_its_checksum_was_known_is_an_error(
    emozionalmente: Corpus, bring: Bring
) -> None:
    known = replace(emozionalmente, source=replace(emozionalmente.source, md5="0" * 32))
    with pytest.raises(InputError, match=rf"has changed: found md5:\w{{32}}, expected md5:{'0' * 32} as before"):
        bring(known)
    right = replace(emozionalmente.source, md5=hashlib.md5(ARCHIVE).hexdigest())
    assert len(bring(replace(emozionalmente, source=right)).place.recordings()) == 2


def test_a_record_without_the_archive_says_what_it_has(server: Any, emozionalmente: Corpus, bring: Bring) -> None:
    put_record(server, {"emozionalmente_2.zip": ARCHIVE})
    with pytest.raises(
        InputError, match=r"records/1: lists \['emozionalmente_2\.zip'\], expected 'emozionalmente\.zip'"
    ):
        bring(emozionalmente)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": "7"},
        {"checksum": "sha256:abc"},
        {"checksum": "md5:none"},
        {"links": {}},
        {"links": {"self": "file:///etc/passwd"}},
        {"key": None},
    ],
)
def test_a_record_without_size_checksum_or_address_is_refused(
    server: Any, emozionalmente: Corpus, bring: Bring, wrong: dict[str, Any]
) -> None:
    put_record(server, {"emozionalmente.zip": ARCHIVE}, **wrong)
    with pytest.raises(InputError, match=r"records/1: expected the JSON of a Zenodo record with a name, a size"):
        bring(emozionalmente)


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"not JSON", b"\xff\xfe"])
def test_json_that_is_no_record_is_told(server: Any, emozionalmente: Corpus, bring: Bring, answer: bytes) -> None:
    server.pages["/api/records/1"].content = answer
    with pytest.raises(InputError, match=r"records/1: expected the JSON of a Zenodo record"):
        bring(emozionalmente)


def test_a_name_that_leads_out_is_refused(server: Any, bring: Bring) -> None:
    source = ZenodoRecord(record_url=put_record(server, {"../01-01-01.wav": b"x"}))
    with pytest.raises(InputError, match=r"names '\.\./01-01-01\.wav', expected a path inside a folder"):
        bring(replace(CORPORA["kannada"], source=source, clips=1))


def test_each_recording_may_be_a_file_of_the_record(server: Any, bring: Bring) -> None:
    files = {"01-01-01.wav": b"angry" * 500, "04-02-06.wav": b"sad" * 500, "readme.txt": b"not fetched"}
    source = ZenodoRecord(record_url=put_record(server, files))
    fetched = bring(replace(CORPORA["kannada"], source=source, clips=2))
    assert fetched.place.recordings() == ["01-01-01.wav", "04-02-06.wav"]
    assert fetched.digest == ""
    assert "/files/readme.txt/content" not in server.counts()


def test_too_few_recordings_in_a_record_are_an_error(server: Any, bring: Bring) -> None:
    source = ZenodoRecord(record_url=put_record(server, {"01-01-01.wav": b"angry"}))
    with pytest.raises(InputError, match="lists 1 recordings, expected 468"):
        bring(replace(CORPORA["kannada"], source=source))


def test_files_of_a_repository_come_checked_by_their_object_ids(server: Any, nemo: Corpus, into_raw: Any) -> None:
    record = into_raw(nemo)
    assert record.recordings == 2
    assert "/raw/README.md" not in server.counts()
    assert server.counts()["/raw/data.tsv"] == 1


def test_the_table_of_a_repository_is_packed_with_the_recordings(nemo: Corpus, into_raw: Any, tmp_path: Path) -> None:
    into_raw(nemo)
    with zipfile.ZipFile(tmp_path / "data/raw/nemo.zip") as packed:
        assert packed.namelist() == ["samples/EB0_anger_1.wav", "samples/EB0_fear_1.wav", "data.tsv"]
        assert packed.read("data.tsv") == NEMO["data.tsv"]


def test_a_file_with_another_object_id_is_refused(server: Any, nemo: Corpus, bring: Bring) -> None:
    server.pages["/raw/data.tsv"].content = NEMO["data.tsv"][::-1]
    with pytest.raises(InputError, match=r"data\.tsv: not fetched from .*: found git \w{40}; expected .* git \w{40}"):
        bring(nemo)


def test_a_list_that_is_cut_off_is_an_error(server: Any, nemo: Corpus, bring: Bring) -> None:
    put_tree(server, NEMO, truncated=True)
    with pytest.raises(InputError, match=r"/tree: the list is cut off, expected all files"):
        bring(nemo)


@pytest.mark.parametrize("answer", [b'{"message": "API rate limit exceeded"}', b"7", b'[{"path": "a.wav"}]'])
def test_json_that_is_no_list_of_files_is_told(server: Any, nemo: Corpus, bring: Bring, answer: bytes) -> None:
    server.pages["/tree"].content = answer
    with pytest.raises(
        InputError, match=r"/tree: expected GitHub's JSON of files with a path, a size and an object id"
    ):
        bring(nemo)


def test_what_listeners_heard_comes_with_crema_d(server: Any, bring: Bring) -> None:
    recording, votes = (
        b"angry" * 400,
        b'"","A","D","F","H","N","S","fileName"\n"100001",3,0,0,1,0,0,"1001_IEO_ANG_HI"\n',
    )
    server.put("/list.csv", b"Filename\n1001_IEO_ANG_HI\n")
    oid = hashlib.sha256(recording).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(recording)}\n"
    server.put("/pointer/1001_IEO_ANG_HI", pointer.encode())
    server.put("/media/1001_IEO_ANG_HI", recording)
    source = CORPORA["crema_d"].source
    assert isinstance(source, LfsFiles)
    here = replace(
        source,
        list_url=server.url("/list.csv"),
        pointer_url=server.url("/pointer/{name}"),
        media_urls=(server.url("/media/{name}"),),
        tables=put_tree(server, {"processedResults/tabulatedVotes.csv": votes, "processedResults/other.csv": b"x"}),
    )
    place = bring(replace(CORPORA["crema_d"], source=here, clips=1)).place
    labelled = CORPORA["crema_d"].with_labels(place.read_beside)
    assert labelled.parse(place.recordings()[0]).agreement == pytest.approx(3 / 4)
    assert "/raw/processedResults/other.csv" not in server.counts()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs, empty at first."""
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return tmp_path / "programs"


def composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)


def put_oreau(server: Any, spelled: Callable[[str], str] = composed, **changes: Any) -> Corpus:
    """Oréau as published, but with two recordings, which are compressed."""
    members = (Stored(name=name, content=content, compressed=True) for name, content in OREAU.items())
    files = {spelled("OréauFR_01.rar"): b"version 1", spelled("OréauFR_02.rar"): rar4(*members)}
    source = CORPORA["oreau"].source
    assert isinstance(source, ZenodoRecord)
    return replace(CORPORA["oreau"], source=replace(source, record_url=put_record(server, files, **changes)), clips=2)


@pytest.mark.parametrize("spelled", [composed, decomposed])
@pytest.mark.parametrize("written", [str, quote])
def test_a_rar_comes_by_name_is_packed_as_a_zip_and_its_checksum_is_kept(
    server: Any, into_raw: Any, tmp_path: Path, programs: Path, spelled: Any, written: Any
) -> None:
    write_program(programs / "unar")
    name = spelled("OréauFR_02.rar")
    corpus = put_oreau(server, spelled)
    listed = json.loads(server.pages["/api/records/1"].content)
    listed["files"][1]["links"]["self"] = server.url(written(f"/files/{name}/content"))
    server.pages["/api/records/1"].content = json.dumps(listed).encode()
    record = into_raw(corpus)
    published = server.pages[f"/files/{name}/content"].content
    assert record.published_digest == f"md5:{hashlib.md5(published).hexdigest()}"
    assert (record.recordings, record.language) == (2, "fr")
    with zipfile.ZipFile(tmp_path / "data/raw/oreau.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == OREAU
    assert server.counts()[quote(f"/files/{name}/content")] == 1
    assert not list((tmp_path / "data/incoming").iterdir())
    assert into_raw(corpus) == record
    assert server.counts()[quote(f"/files/{name}/content")] == 1


def test_a_rar_that_broke_off_is_continued(server: Any, faults: Any, bring: Bring, programs: Path) -> None:
    write_program(programs / "bsdtar")
    corpus = put_oreau(server)
    server.pages["/files/OréauFR_02.rar/content"].faults = [faults.cut_after(700), faults.status(503)]
    assert bring(corpus).place.recordings() == sorted(OREAU)
    assert (quote("/files/OréauFR_02.rar/content"), "bytes=700-") in server.asked


def test_a_rar_is_not_fetched_where_no_program_unpacks_it(
    server: Any, bring: Bring, tmp_path: Path, programs: Path
) -> None:
    corpus = put_oreau(server)
    with pytest.raises(InputError) as refusal:
        bring(corpus)
    told = str(refusal.value)
    assert "/api/records/1: OréauFR_02.rar is a RAR archive, and no program that unpacks RARs is installed" in told
    assert "install the package unar" in told
    assert "or fetch it by hand from https://zenodo.org/records/4405783, unpack it, and set download.source_dir" in told
    assert told.endswith("to the folder that holds it as oreau/ or oreau2/ or OréauFR_02/ or OreauFR_02/")
    assert list(server.counts()) == ["/api/records/1"]


def test_an_unpacked_copy_needs_no_program(bring: Bring, tmp_path: Path, programs: Path, impatient: Patience) -> None:
    for name, content in OREAU.items():
        path = tmp_path / "corpora" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    params = load_params().download.model_copy(update={"source_dir": str(tmp_path / "corpora")})
    (record,) = acquire([CORPORA["oreau"]], params, raw_dir=tmp_path / "data/raw", seed=1, patience=impatient)
    assert (record.recordings, record.published_digest) == (2, "")


def test_a_rar_that_has_changed_since_it_was_fetched_is_an_error(
    server: Any, into_raw: Any, tmp_path: Path, programs: Path
) -> None:
    write_program(programs / "unrar")
    before = into_raw(put_oreau(server))
    (tmp_path / "data/raw/oreau.zip").unlink()
    with pytest.raises(
        InputError, match=rf"OréauFR_02\.rar has changed: .*expected {before.published_digest} as before"
    ):
        into_raw(put_oreau(server, checksum=f"md5:{'0' * 32}"))
