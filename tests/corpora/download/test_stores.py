"""Corpora in an S3 store, served by moto on this machine, and at a web address."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
import requests
import s3fs
import soundfile

from deepemo.corpora.archive import Archive
from deepemo.corpora.definition import Corpus
from deepemo.corpora.download.acquire import acquire
from deepemo.corpora.download.folders import CopyNotFoundError
from deepemo.corpora.download.provenance import Provenance
from deepemo.corpora.download.stores import Store, is_address, shown
from deepemo.corpora.registry import CORPORA
from deepemo.errors import InputError
from deepemo.params import Download
from deepemo.pipeline import load_params
from tests.fixtures.rars import Stored, rar5

ROOT = Path(__file__).parents[3]
SECRET = "not-a-real-secret-key"
NAMES = [f"{emotion}{number:02d}.wav" for emotion in ("a", "d", "sa") for number in (1, 2, 3)]


def wav(name: str) -> bytes:
    file = io.BytesIO()
    level = hashlib.sha256(name.encode()).digest()[0] / 512
    soundfile.write(file, [level] * 2000, 16000, format="WAV")
    return file.getvalue()


class Bucket:
    """The bucket `corpora` of a local S3 server."""

    def __init__(self, endpoint: str) -> None:
        self.client = boto3.client("s3", endpoint_url=endpoint)
        self.client.create_bucket(Bucket="corpora")

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket="corpora", Key=key, Body=content)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not-a-real-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # Forget what an earlier test stored or listed.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)
    s3fs.S3FileSystem.clear_instance_cache()
    yield Bucket(f"http://{host}:{port}")
    server.stop()


def from_source(source: str) -> Download:
    params = load_params(ROOT / "params.yaml").download
    return params.model_copy(update={"source_dir": source, "corpora": ["savee"]})


def bring(source: str, folder: Path, corpus: Corpus = CORPORA["savee"]) -> Provenance:
    (provenance,) = acquire([corpus], from_source(source), raw_dir=folder / "data" / "raw", seed=1)
    return provenance


def contents(folder: Path) -> dict[str, bytes]:
    archive = Archive(folder / "data" / "raw" / "savee.zip")
    return {member.rpartition("/")[2]: archive.read(member) for member in archive.recordings()}


@pytest.mark.slow
def test_a_folder_in_a_bucket_is_brought_once_and_again_when_it_changed(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        bucket.put(f"all/SAVEE/AudioData/DC/{name}", wav(name))
    bucket.put("all/SAVEE/readme.txt", b"no recording")
    bucket.put("all/other/x.wav", b"of another corpus")
    provenance = bring("s3://corpora/all", tmp_path)
    assert contents(tmp_path) == {name: wav(name) for name in NAMES}
    assert provenance.source.startswith("s3://corpora/all (9 files, ")
    assert not list((tmp_path / "data" / "incoming").iterdir())
    zipped = (tmp_path / "data/raw/savee.zip").stat().st_mtime_ns
    assert bring("s3://corpora/all", tmp_path) == provenance
    assert (tmp_path / "data/raw/savee.zip").stat().st_mtime_ns == zipped
    bucket.put(f"all/SAVEE/AudioData/DC/{NAMES[0]}", wav("another"))
    assert bring("s3://corpora/all", tmp_path).sha256 != provenance.sha256
    assert contents(tmp_path)[NAMES[0]] == wav("another")


@pytest.mark.slow
def test_an_archive_in_a_bucket_gives_the_same_zip_as_a_folder_here(bucket: Bucket, tmp_path: Path) -> None:
    here = tmp_path / "source" / "savee" / "DC"
    here.mkdir(parents=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in NAMES:
            (here / name).write_bytes(wav(name))
            archive.writestr(f"DC/{name}", wav(name))
    bucket.put("Savee (1).zip", packed.getvalue())
    assert bring("s3://corpora", tmp_path / "a").zip_sha256 == bring(str(here.parents[1]), tmp_path / "b").zip_sha256


def test_a_rar_at_a_web_address_gives_the_same_zip_as_a_folder_here(tmp_path: Path) -> None:
    here, served = tmp_path / "source" / "savee" / "DC", tmp_path / "served"
    for folder in (here, served):
        folder.mkdir(parents=True)
    for name in NAMES:
        (here / name).write_bytes(wav(name))
    (served / "Savee (1).rar").write_bytes(rar5(*(Stored(name=f"DC/{name}", content=wav(name)) for name in NAMES)))
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        fetched = bring(f"http://127.0.0.1:{server.server_port}/", tmp_path / "a")
        server.shutdown()
    assert fetched.zip_sha256 == bring(str(here.parents[1]), tmp_path / "b").zip_sha256


def test_a_web_address_that_lists_its_folders_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "served" / "corpora" / "savee" / "Audio Data" / "DC"
    folder.mkdir(parents=True)
    for name in NAMES:
        (folder / name).write_bytes(wav(name))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provenance = bring(f"http://127.0.0.1:{server.server_port}/corpora", tmp_path)
        server.shutdown()
    assert contents(tmp_path) == {name: wav(name) for name in NAMES}
    assert provenance.recordings == len(NAMES)


def test_tables_and_other_files_beside_the_recordings_come_with_them(tmp_path: Path) -> None:
    nemo, crema_d = tmp_path / "served" / "nEMO", tmp_path / "served" / "CREMA-D"
    (votes,) = CORPORA["crema_d"].beside
    for path, content in {
        nemo / "data.tsv": b"file_id\traw_text\tgender\nEB0_anger_1.wav\tTak.\tfemale\n",
        nemo / "samples" / "EB0_anger_1.wav": wav("a"),
        crema_d / votes: b'"","A","D","F","H","N","S","fileName"\n"100001",1,0,0,0,0,0,"1001_DFA_ANG_XX"\n',
        crema_d / "AudioWAV" / "1001_DFA_ANG_XX.wav": wav("b"),
        crema_d / "readme.csv": b"of no use",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name, kept in (("nemo", "data.tsv"), ("crema_d", votes)):
            found = bring(f"http://127.0.0.1:{server.server_port}", tmp_path / "a", CORPORA[name])
            here = bring(str(tmp_path / "served"), tmp_path / "b", CORPORA[name])
            assert (found.sha256, found.zip_sha256) == (here.sha256, here.zip_sha256)
            with zipfile.ZipFile(tmp_path / "a" / "data" / "raw" / f"{name}.zip") as packed:
                assert [member for member in packed.namelist() if not member.endswith(".wav")] == [kept]
        server.shutdown()


def test_what_is_not_there_and_what_cannot_be_read_are_told_apart_and_no_secret_is_shown(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = CORPORA["savee"]
    with pytest.raises(CopyNotFoundError, match=r"s3://corpora has no folder or archive of SAVEE"):
        Store("s3://corpora").find(corpus)
    bucket.put("savee/DC/a01.wav", wav("a01"))
    with pytest.raises((CopyNotFoundError, InputError), match=r"s3://nobodys-bucket"):
        Store("s3://nobodys-bucket").find(corpus)
    with pytest.raises(InputError, match="expected a folder or an address") as told:
        Store(f"nothing://me:{SECRET}@host/corpora").find(corpus)
    assert SECRET not in str(told.value)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(f"the key {SECRET} may not list this")

    store = Store("s3://corpora")
    monkeypatch.setattr(store._store, "ls", denied)
    with pytest.raises(InputError, match=r"PermissionError: the key \$AWS_SECRET_ACCESS_KEY may not list this"):
        store.find(corpus)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://me:secret@example.org/c?X-Signature=abc#x", "https://example.org/c"),
        ("s3://bucket/corpora", "s3://bucket/corpora"),
    ],
)
def test_an_address_is_shown_without_credentials(address: str, told: str) -> None:
    assert is_address(address)
    assert shown(address) == told
    assert not is_address("/folder/of/corpora")
