import pickle
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from deepemo.corpora.raw import RawCorpus, RawCorpusError

CONTENTS = {f"b/{number:03d}.wav": bytes([number]) * (5000 + number) for number in range(40)}


@pytest.fixture(params=[zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "some_corpus.zip"
    with zipfile.ZipFile(path, "w", request.param) as file:
        for name in sorted(CONTENTS, reverse=True):
            file.writestr(name, CONTENTS[name])
    return path


def test_members_are_sorted_and_the_corpus_is_named_after_its_archive(archive: Path) -> None:
    with RawCorpus(archive) as corpus:
        assert corpus.members() == sorted(CONTENTS)
        assert corpus.name == "some_corpus"


def test_a_member_gives_its_bytes_and_its_size(archive: Path) -> None:
    with RawCorpus(archive) as corpus:
        assert corpus.read("b/007.wav") == CONTENTS["b/007.wav"]
        assert corpus.size_bytes("b/007.wav") == 5007


def test_what_is_no_recording_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for name in ("README.txt", "a/b.WAV", "a/.DS_Store", "__MACOSX/a/._b.WAV", "c.flac", "d.aif", "folder.wav/"):
            file.writestr(name, b"")
    assert RawCorpus(tmp_path / "x.zip").members() == ["a/b.WAV", "c.flac", "d.aif"]


def test_threads_share_one_archive(archive: Path) -> None:
    with RawCorpus(archive) as corpus, ThreadPoolExecutor(8) as pool:
        names = sorted(CONTENTS) * 20
        assert list(pool.map(corpus.read, names)) == [CONTENTS[name] for name in names]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_open_it_for_themselves(archive: Path, start: str) -> None:
    corpus = RawCorpus(archive)
    names = corpus.members() * 5
    with ProcessPoolExecutor(2, get_context(start)) as pool:
        contents = list(pool.map(RawCorpus.read, [corpus] * len(names), names))
    assert contents == [CONTENTS[name] for name in names]


def test_a_fork_does_not_move_the_place_at_which_its_parent_reads(archive: Path) -> None:
    corpus = RawCorpus(archive)
    names = corpus.members() * 20

    def read_all() -> None:
        sys.exit(any(corpus.read(name) != CONTENTS[name] for name in names))

    children = [get_context("fork").Process(target=read_all) for _ in range(4)]
    for child in children:
        child.start()
    assert [corpus.read(name) for name in names] == [CONTENTS[name] for name in names]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]


def test_it_survives_pickling_and_closing(archive: Path) -> None:
    corpus = RawCorpus(archive)
    corpus.read("b/001.wav")
    copy = pickle.loads(pickle.dumps(corpus))
    corpus.close()
    assert copy.read("b/001.wav") == corpus.read("b/001.wav") == CONTENTS["b/001.wav"]


def test_what_is_no_zip_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"<html>404</html>")
    with pytest.raises(RawCorpusError, match=r"x\.zip: expected a zip archive"):
        RawCorpus(tmp_path / "x.zip").members()


@pytest.mark.parametrize("damaged", ["version", "name"])
def test_a_damaged_directory_is_named(archive: Path, damaged: str) -> None:
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\x01\x02")
    if damaged == "name":
        content[entry + 9] |= 0x08
        content[content.index(b"b/039.wav", entry)] = 0xFF
    else:
        content[entry + 6] = 0xE3
    archive.write_bytes(content)
    with pytest.raises(RawCorpusError, match=r"some_corpus\.zip: expected a zip archive of recordings: "):
        RawCorpus(archive).members()


def test_a_member_said_to_lie_outside_the_archive_is_named(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    entry = content.index(b"PK\x01\x02")
    # Where the directory begins, by the archive's last record: all offsets are moved before the file by it.
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (int.from_bytes(content[end + 16 : end + 20], "little") + 1000).to_bytes(4, "little")
    assert content[entry + 42 : entry + 46] == bytes(4)
    archive.write_bytes(content)
    corpus = RawCorpus(archive)
    with pytest.raises(RawCorpusError, match=r"some_corpus\.zip: member 'b/039\.wav' cannot be unpacked"):
        corpus.read("b/039.wav")


def test_a_missing_archive_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RawCorpus(tmp_path / "x.zip").members()


@pytest.mark.parametrize("ask", [RawCorpus.read, RawCorpus.size_bytes])
def test_a_missing_member_is_named(archive: Path, ask: Callable[[RawCorpus, str], object]) -> None:
    with pytest.raises(RawCorpusError, match=r"some_corpus\.zip: holds no member 'b/999\.wav'"):
        ask(RawCorpus(archive), "b/999.wav")


def test_a_damaged_member_is_named_and_the_others_are_read(archive: Path) -> None:
    corpus = RawCorpus(archive)
    with zipfile.ZipFile(archive) as file:
        at = file.getinfo("b/003.wav").header_offset + 30 + len("b/003.wav")
    damaged = bytearray(archive.read_bytes())
    damaged[at + 2 : at + 8] = b"\xff" * 6
    archive.write_bytes(damaged)
    with pytest.raises(RawCorpusError, match=r"some_corpus\.zip: member 'b/003\.wav' cannot be unpacked"):
        corpus.read("b/003.wav")
    assert corpus.read("b/004.wav") == CONTENTS["b/004.wav"]


def test_a_git_lfs_pointer_is_called_one(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a.wav", pointer)
    told = r"x\.zip: member 'a\.wav' is a Git LFS pointer \(to 98,254 bytes\), no recording\. GitHub's"
    with pytest.raises(RawCorpusError, match=told):
        RawCorpus(tmp_path / "x.zip").read("a.wav")
