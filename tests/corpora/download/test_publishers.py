"""Corpora from their publishers: official lists and checksums, official files, and no request twice."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepemo.corpora.definition import Corpus, Dataverse, LfsFiles, ZipDownload
from deepemo.corpora.download.http import Patience
from deepemo.corpora.download.publishers import fetch_corpus
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError

NAMES = [f"10{speaker:02d}_{sentence}_ANG_XX" for speaker in range(1, 6) for sentence in ("IEO", "TIE", "IOM", "IWW")]
REPOSITORY = Path(__file__).parents[3]


def content(name: str) -> bytes:
    return name.encode() * 500


def pointer(of: bytes) -> bytes:
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        hashlib.sha256(of).hexdigest().encode(),
        len(of),
    )


@pytest.fixture
def lfs(server: Any) -> Corpus:
    """CREMA-D as published, but with twenty files from the loopback server."""
    source = CORPORA["crema_d"].source
    assert isinstance(source, LfsFiles)
    rows = "".join(f'{number},"{name}"\n' for number, name in enumerate(NAMES))
    server.put("/list.csv", f'"Stimulus_Number","Filename"\n{rows}'.encode())
    for name in NAMES:
        server.put(f"/raw/{name}.wav", pointer(content(name)))
        server.put(f"/media/{name}.wav", content(name))
        server.put(f"/mirror/{name}.wav", content(name))
    here = replace(
        source,
        list_url=server.url("/list.csv"),
        pointer_url=server.url("/raw/{name}.wav"),
        media_urls=(server.url("/media/{name}.wav"), server.url("/mirror/{name}.wav")),
        tables=None,
    )
    return replace(CORPORA["crema_d"], clips=len(NAMES), source=here)


@pytest.fixture
def dataverse(server: Any) -> Corpus:
    """TESS as published, but with files from the loopback server."""
    files = []
    for number, word in enumerate(("back", "bar", "base", "bath"), start=1):
        recording = content(word)
        server.put(f"/file/{number}", recording)
        checksum = hashlib.md5(recording).hexdigest()
        name = f"OAF_{word}_angry.wav"
        files.append({"dataFile": {"id": number, "filename": name, "filesize": len(recording), "md5": checksum}})
    files.append({"dataFile": {"id": 99, "filename": "readme.txt", "filesize": 3, "md5": "0" * 32}})
    server.put("/dataset", json.dumps({"status": "OK", "data": {"latestVersion": {"files": files}}}).encode())
    source = Dataverse(dataset_url=server.url("/dataset"), file_url=server.url("/file/{id}"))
    return replace(CORPORA["tess"], clips=4, source=source)


@pytest.fixture
def bring(tmp_path: Path, unhurried: Patience) -> Callable[[Corpus], dict[str, bytes]]:
    """Fetches a corpus and returns its members."""

    def bring(corpus: Corpus) -> dict[str, bytes]:
        place = fetch_corpus(corpus, tmp_path / "incoming", connections=3, patience=unhurried).place
        members = {}
        for member in place.recordings():
            with place.open(member) as stream:
                members[member] = stream.read()
        return members

    return bring


def test_every_listed_file_comes_checked_by_its_pointer(server: Any, lfs: Corpus, bring: Any) -> None:
    assert bring(lfs) == {f"AudioWAV/{name}.wav": content(name) for name in NAMES}
    assert max(server.counts().values()) == 1
    assert not [path for path in server.counts() if path.startswith("/mirror")]


def test_only_the_list_is_asked_for_again(server: Any, lfs: Corpus, bring: Any) -> None:
    first = bring(lfs)
    server.asked.clear()
    assert bring(lfs) == first
    assert server.asked == [("/list.csv", None)]


def test_what_the_list_names_no_more_is_not_packed(lfs: Corpus, bring: Any, tmp_path: Path) -> None:
    stale = tmp_path / "incoming" / "files" / "AudioWAV" / "1099_IEO_ANG_XX.wav"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier list")
    assert len(bring(lfs)) == len(NAMES)
    assert not stale.exists()


def test_the_mirror_serves_what_the_repository_does_not(server: Any, faults: Any, lfs: Corpus, bring: Any) -> None:
    server.pages[f"/media/{NAMES[3]}.wav"].content = b"something else"
    server.pages[f"/media/{NAMES[5]}.wav"].faults = [faults.status(403)]
    assert bring(lfs)[f"AudioWAV/{NAMES[3]}.wav"] == content(NAMES[3])
    assert {path for path in server.counts() if path.startswith("/mirror")} == {
        f"/mirror/{NAMES[3]}.wav",
        f"/mirror/{NAMES[5]}.wav",
    }


def test_a_repository_that_gives_nothing_is_not_asked_for_every_file(
    server: Any, faults: Any, lfs: Corpus, bring: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Three failed files show it. Meanwhile at most the other connections, of three in all, fetch a file."""
    for name in NAMES:
        server.pages[f"/media/{name}.wav"].faults = [faults.status(429, Retry_After="7000")] * 9
    assert len(bring(lfs)) == len(NAMES)
    assert 3 <= sum(path.startswith("/media") for path, _ in server.asked) <= 5
    assert caplog.text.count("gave none of the last 3 files") == 1


def test_a_name_that_is_listed_twice_is_fetched_once(server: Any, lfs: Corpus, bring: Any) -> None:
    head, rows = server.pages["/list.csv"].content.split(b"\n", 1)
    server.pages["/list.csv"].content = head + b"\n" + f'99,"{NAMES[0]}"\n'.encode() * 5 + rows
    assert len(bring(lfs)) == len(NAMES)
    assert max(server.counts().values()) == 1


def test_one_file_that_nobody_has_ends_it_and_the_rest_is_kept(server: Any, lfs: Corpus, bring: Any) -> None:
    pages = {kind: server.pages.pop(f"/{kind}/{NAMES[-1]}.wav") for kind in ("media", "mirror")}
    with pytest.raises(
        InputError, match=rf"{NAMES[-1]}\.wav: not fetched from .*HTTP 404.*HTTP 404.*expected .*sha256"
    ):
        bring(lfs)
    kept = {path for path in server.counts() if path.startswith("/media")} - {f"/media/{NAMES[-1]}.wav"}
    server.pages.update({f"/{kind}/{NAMES[-1]}.wav": page for kind, page in pages.items()})
    server.asked.clear()
    assert len(bring(lfs)) == len(NAMES)
    assert len(kept & set(server.counts())) <= 3, "a file under way on each of the three connections at most"


def test_a_file_is_found_under_the_name_it_once_had(server: Any, lfs: Corpus, bring: Any) -> None:
    assert isinstance(lfs.source, LfsFiles)
    for kind in ("raw", "media", "mirror"):
        server.pages[f"/{kind}/old.wav"] = server.pages.pop(f"/{kind}/{NAMES[0]}.wav")
    old = replace(lfs, source=replace(lfs.source, other_names={NAMES[0]: "old"}))
    assert bring(old)["AudioWAV/old.wav"] == content(NAMES[0])


def test_what_is_no_pointer_is_told(server: Any, lfs: Corpus, bring: Any) -> None:
    server.pages[f"/raw/{NAMES[0]}.wav"].content = b"RIFF...."
    with pytest.raises(InputError, match=r"found 'RIFF\.\.\.\.', expected a Git LFS pointer"):
        bring(lfs)


def test_a_pointer_that_was_out_of_date_is_read_anew(server: Any, lfs: Corpus, bring: Any) -> None:
    path = f"/raw/{NAMES[0]}.wav"
    server.pages[path].content = pointer(b"older")
    with pytest.raises(InputError, match="expected 5 bytes"):
        bring(lfs)
    server.pages[path].content = pointer(content(NAMES[0]))
    assert len(bring(lfs)) == len(NAMES)


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        (b"Filename\n1001_IEO_ANG_XX\n", "lists 1 recordings, expected 20"),
        (b"Name\n1001_IEO_ANG_XX\n", "expected 'Filename'"),
        (b"Filename\n../../etc/passwd\n", "names '../../etc/passwd', expected a path inside a folder"),
        (b"Filename\n/etc/passwd\n", "names '/etc/passwd'"),
        (b"Filename\n..\\passwd\n", r"names '..\\passwd'"),
        (b"Filename\nC:passwd\n", "names 'C:passwd'"),
        (b"Filename\na\x00b\n", r"names 'a\x00b'"),
        (b"Filename\na\x07b\n", r"names 'a\x07b'"),
        (b"Filename\n\xff\xfe\n", "expected a CSV in UTF-8: 'utf-8' codec can't decode byte 0xff"),
        (b"Filename\n" + b"a" * 200_000, "expected a CSV in UTF-8: field larger than field limit"),
    ],
)
def test_a_list_that_cannot_be_trusted_is_refused(
    server: Any, lfs: Corpus, bring: Any, csv: bytes, message: str
) -> None:
    server.pages["/list.csv"].content = csv
    with pytest.raises(InputError, match=re.escape(message)):
        bring(lfs)
    assert set(server.counts()) == {"/list.csv"}


def test_the_recordings_of_a_dataset_come_checked_by_its_json(server: Any, dataverse: Corpus, bring: Any) -> None:
    assert bring(dataverse)["OAF_bath_angry.wav"] == content("bath")
    assert set(server.counts()) == {"/dataset", *(f"/file/{number}" for number in range(1, 5))}


def test_a_recording_that_is_not_the_datasets_is_refused(server: Any, dataverse: Corpus, bring: Any) -> None:
    server.pages["/file/2"].content = content("bar")[::-1]
    with pytest.raises(InputError, match=r"OAF_bar_angry\.wav: .*found md5 \w{32}; expected 1,500 bytes with md5"):
        bring(dataverse)


@pytest.mark.parametrize("answer", [b'{"status": "ERROR"}', b"[]", b"not JSON", b"\xff\xfe"])
def test_json_of_another_form_is_told(server: Any, dataverse: Corpus, bring: Any, answer: bytes) -> None:
    server.pages["/dataset"].content = answer
    with pytest.raises(InputError, match="/dataset: expected the JSON of a Dataverse dataset"):
        bring(dataverse)


@pytest.mark.parametrize(
    "wrong", [{"filesize": "1500"}, {"filesize": None}, {"md5": None}, {"md5": "none"}, {"filename": 7}]
)
def test_a_recording_without_a_size_or_checksum_is_refused(
    server: Any, dataverse: Corpus, bring: Any, wrong: dict[str, Any]
) -> None:
    listed = json.loads(server.pages["/dataset"].content)
    listed["data"]["latestVersion"]["files"][0]["dataFile"].update(wrong)
    server.pages["/dataset"].content = json.dumps(listed).encode()
    with pytest.raises(InputError, match=r"/dataset: expected the JSON of a Dataverse dataset with an id, a size"):
        bring(dataverse)


def test_a_recording_in_a_folder_that_is_spelled_oddly_is_kept(server: Any, dataverse: Corpus, bring: Any) -> None:
    listed = json.loads(server.pages["/dataset"].content)
    listed["data"]["latestVersion"]["files"][0]["directoryLabel"] = "old/./tess//"
    server.pages["/dataset"].content = json.dumps(listed).encode()
    assert bring(dataverse)["old/tess/OAF_back_angry.wav"] == content("back")


def test_an_archive_that_is_none_is_refused(server: Any, bring: Any) -> None:
    url = server.put("/speech.zip", b"no zip")
    source = ZipDownload(url=url, size_bytes=6, md5=hashlib.md5(b"no zip").hexdigest())
    with pytest.raises(InputError, match=r"speech\.zip: expected a zip archive"):
        bring(replace(CORPORA["ravdess"], source=source))


def test_what_is_fetched_by_hand_says_where_from_and_where_to(bring: Any) -> None:
    with pytest.raises(InputError, match=r"SAVEE .*https?://\S+, .*download\.source_dir .*savee/"):
        bring(CORPORA["savee"])


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
from deepemo.corpora.definition import LfsFiles
from deepemo.corpora.download.http import Patience
from deepemo.corpora.registry import CORPORA
from deepemo.corpora.download.publishers import fetch_corpus
base, incoming = sys.argv[1:]
source = replace(CORPORA["crema_d"].source, list_url=base + "/list.csv", pointer_url=base + "/raw/{name}.wav",
                 media_urls=(base + "/media/{name}.wav",), tables=None)
fetch_corpus(replace(CORPORA["crema_d"], clips=20, source=source), Path(incoming), connections=2, patience=Patience())
"""


def test_a_killed_process_loses_nothing_that_was_finished(server: Any, lfs: Corpus, bring: Any, tmp_path: Path) -> None:
    """Killed in the middle of the tenth file: the nine are not requested again, and only the rest of the tenth is."""

    def half_and_hang(handler: Any, page: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page.content)))
        handler.send_header("ETag", page.etag)
        handler.end_headers()
        handler.wfile.write(page.content[: len(page.content) // 2])
        handler.wfile.flush()
        time.sleep(5)

    hanging = f"/media/{NAMES[9]}.wav"
    files = tmp_path / "incoming" / "files" / "AudioWAV"
    server.pages[hanging].faults = [half_and_hang]
    command = [sys.executable, "-c", KILLED, server.url(""), str(tmp_path / "incoming")]
    process = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True)
    try:
        until = time.monotonic() + 15
        while time.monotonic() < until and len(list(files.glob("*.wav"))) < len(NAMES) - 1:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finished = {path.name for path in files.glob("*.wav")}
    assert len(finished) == len(NAMES) - 1
    server.asked.clear()
    assert bring(lfs) == {f"AudioWAV/{name}.wav": content(name) for name in NAMES}
    assert server.asked == [("/list.csv", None), (hanging, f"bytes={len(content(NAMES[9])) // 2}-")]
