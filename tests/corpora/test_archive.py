"""Archives of recordings: how members are named, which are refused, and which are ignored."""

import errno
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from copy import copy
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import pytest

from deepemo.corpora import members
from deepemo.corpora.archive import Archive
from deepemo.corpora.download.packing import Contents, Found, pack
from deepemo.corpora.members import named_apart
from deepemo.corpora.parts import all_parts
from deepemo.errors import InputError

SOUND = b"RIFF and so on"


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def write_entry(path: Path, name: str, *, mode: int = 0o100644) -> Path:
    """A zip of one member, whose name the module zipfile does not change."""
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name
    entry.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, SOUND)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_archive_is_read_however_it_is_compressed(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "a.zip", {"x/2.wav": SOUND, "1.WAV": b"", "x/notes.txt": b"n"}, method)
    opened = Archive(path)
    assert opened.recordings() == ["1.WAV", "x/2.wav"]
    with opened.open("x/2.wav") as stream:
        assert stream.read() == SOUND


@pytest.mark.parametrize("name", ["../out.wav", "a/../../out.wav", "/etc/out.wav", "C:/out.wav", "..\\out.wav"])
def test_member_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"a\.zip: member .*out\.wav' is refused: its path leads out of the folder"):
        Archive(write_entry(tmp_path / "a.zip", name))


@pytest.mark.parametrize("name", ["", "."])
def test_member_without_a_name_is_no_recording(tmp_path: Path, name: str) -> None:
    assert Archive(write_entry(tmp_path / "a.zip", name)).recordings() == []


def test_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"member 'a\.wav' is refused: it is a link"):
        Archive(write_entry(tmp_path / "a.zip", "a.wav", mode=0o120777))


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": SOUND})
    content = bytearray(path.read_bytes())
    # The flag bits in the central directory (APPNOTE.TXT, 4.3.12).
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="it is encrypted"):
        Archive(path)


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(60), "b.wav": bytes(60)})
    assert len(Archive(path).recordings()) == 2
    monkeypatch.setattr(members, "MAX_MEMBER_BYTES", 59)
    with pytest.raises(InputError, match=r"member 'a\.wav' is refused: it declares 60 bytes, expected at most 59"):
        Archive(path)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    """A bomb that stays within the limits of each member: many entries of the directory lead to the same bytes."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("0.wav", bytes(range(256)) * 40)
        for number in range(1, 9):
            entry = copy(file.filelist[0])
            entry.filename = entry.orig_filename = f"{number}.wav"
            file.filelist.append(entry)
    told = rf"a\.zip: its recordings declare 92,160 compressed bytes, expected at most the {path.stat().st_size:,} of"
    with pytest.raises(InputError, match=told):
        Archive(path)


def test_declared_size_beyond_what_deflate_can_shrink_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(1000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    size_at = content.index(b"PK\x01\x02") + 24
    content[size_at : size_at + 4] = (500_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="declares 500,000,000 bytes out of"):
        Archive(path)


def test_silence_may_be_compressed_as_well_as_deflate_can(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    assert Archive(path).recordings() == ["a.wav"]


def test_what_is_no_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(InputError, match=r"a\.zip: expected a zip archive"):
        Archive(path)


@pytest.mark.parametrize("damaged", ["version", "name"])
def test_directory_that_is_damaged_is_told(tmp_path: Path, damaged: str) -> None:
    """A version that no program supports, and a name that is flagged as UTF-8 but is not."""
    path = write_zip(tmp_path / "a.zip", {"a.wav": SOUND})
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    if damaged == "name":
        content[entry + 9] |= 0x08
        content[content.rindex(b"a.wav")] = 0xFF
    else:
        content[entry + 6] = 0xE3
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip: expected a zip archive of recordings: "):
        Archive(path)


def test_error_of_the_disk_in_reading_a_member_is_passed_on(tmp_path: Path) -> None:
    opened = Archive(write_zip(tmp_path / "a.zip", {"a.wav": SOUND}))
    with pytest.raises(OSError, match="No space left") as raised, opened.open("a.wav"):
        raise OSError(errno.ENOSPC, "No space left")
    assert not isinstance(raised.value, InputError)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_damaged_member_is_named(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "a.zip", {"good.wav": SOUND, "x/bad.wav": bytes(range(256)) * 40}, method)
    content = bytearray(path.read_bytes())
    begin = content.index(b"x/bad.wav") + len("x/bad.wav")
    for position in range(begin + 20, begin + 60):
        content[position] ^= 0xFF
    path.write_bytes(content)
    opened = Archive(path)
    with pytest.raises(InputError, match=r"a\.zip: member 'x/bad\.wav' cannot be unpacked"):  # noqa: SIM117
        with opened.open("x/bad.wav") as stream:
            stream.read()
    with opened.open("good.wav") as stream:
        assert stream.read() == SOUND


ODD_STRANGERS = [
    "12:30 notes.txt",
    "../notes.txt",
    "/etc/notes.txt",
    "C:\\notes.txt",
    "__MACOSX/../._a.wav",
    "..\\.DS_Store",
]


@pytest.mark.parametrize("name", ODD_STRANGERS)
def test_what_is_no_recording_refuses_nothing_however_odd(tmp_path: Path, name: str) -> None:
    path = write_entry(tmp_path / "a.zip", name)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("good.wav", SOUND)
    opened = Archive(path)
    assert opened.recordings() == ["good.wav"]
    assert opened.ignored == (() if name.startswith("12:30") else (name,))


@pytest.mark.parametrize("name", ["12:30 take.wav", "a/b:c.wav", "..a.wav/b..wav"])
def test_recordings_with_harmless_odd_names_are_read(tmp_path: Path, name: str) -> None:
    hidden = name.startswith("..a")
    assert Archive(write_entry(tmp_path / "a.zip", name)).recordings() == ([] if hidden else [name])


def test_backslashes_are_separators_and_folders_are_no_recordings(tmp_path: Path) -> None:
    path = write_entry(tmp_path / "a.zip", "Actor_01\\deep.wav\\a.wav")
    for name in ("Actor_01\\deep.wav\\", "__MACOSX\\Actor_01\\._a.wav", "Actor_01\\Thumbs.db"):
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(entry, b"")
    opened = Archive(path)
    assert opened.recordings() == ["Actor_01/deep.wav/a.wav"]
    with opened.open("Actor_01/deep.wav/a.wav") as stream:
        assert stream.read() == SOUND


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_stored_under_one_path_is_seen_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    stored = ["x/a.wav", "x/a.wav", "x\\a.wav", "./x//a.wav", "b.wav"]
    with zipfile.ZipFile(path, "w") as file:
        for number, name in enumerate(stored):
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            file.writestr(entry, bytes([number]))
    opened = Archive(path)
    assert opened.recordings() == ["b.wav", "x/a.wav", "~2/x/a.wav", "~3/x/a.wav", "~4/x/a.wav"]
    contents = []
    for member in opened.recordings():
        with opened.open(member) as stream:
            contents.append(stream.read()[0])
    assert contents == [4, 0, 1, 2, 3]


def test_a_folder_that_is_named_like_a_number_keeps_its_name() -> None:
    stored = ["a.wav", "~2/a.wav", "a.wav", "~2/a.wav", "a.wav"]
    members = named_apart((name, number) for number, name in enumerate(stored))
    assert list(members) == ["a.wav", "~2/a.wav", "~3/a.wav", "~2/~2/a.wav", "~4/a.wav"]


@pytest.mark.timeout(20)  # 0.3 s where the time follows the clips, minutes where it follows their square
def test_many_recordings_under_one_path_take_no_longer_than_under_many() -> None:
    members = named_apart(("a.wav", number) for number in range(50_000))
    assert list(members.items())[-1] == ("~50000/a.wav", 49_999)


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    opened = Archive(write_entry(tmp_path / "a.zip", "Actor\r\n01/a\tb.wav"))
    assert opened.recordings() == ["Actor%0D%0A01/a%09b.wav"]
    with opened.open("Actor%0D%0A01/a%09b.wav") as stream:
        assert stream.read() == SOUND


def test_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.zip: holds no member 'b\.wav'"):
        Archive(write_zip(tmp_path / "a.zip", {"a.wav": SOUND})).size_bytes("b.wav")


CONTENTS = {f"b/{number:03d}.wav": bytes([number]) * (5000 + number) for number in range(40)}


METHODS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}


@pytest.fixture(params=METHODS)
def corpus_zip(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    members = {name: CONTENTS[name] for name in sorted(CONTENTS, reverse=True)}
    return write_zip(tmp_path / "some_corpus.zip", members, METHODS[request.param])


@pytest.fixture(params=[*METHODS, "in parts"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    """One zip of either method, or as `download` packs it into parts of seven recordings."""
    path = tmp_path / "some_corpus.zip"
    if request.param in METHODS:
        return Archive(write_zip(path, CONTENTS, METHODS[request.param]))
    source = Archive(write_zip(tmp_path / "source.zip", CONTENTS))
    found = [Found(name, source, len(content), sha256(content).hexdigest()) for name, content in CONTENTS.items()]
    pack(Contents(recordings=tuple(found), repeated=0), path, part_bytes=7 * 5040)
    assert len(all_parts(path)) == 6
    return Archive(path)


def test_members_are_sorted_and_the_corpus_is_named_after_its_archive(corpus: Archive) -> None:
    with corpus:
        assert corpus.recordings() == sorted(CONTENTS)
        assert corpus.name == "some_corpus"


def test_a_member_gives_its_bytes_and_its_size(corpus: Archive) -> None:
    with corpus:
        assert corpus.read("b/007.wav") == CONTENTS["b/007.wav"]
        assert corpus.size_bytes("b/007.wav") == 5007


def test_what_is_no_recording_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for name in ("README.txt", "a/b.WAV", "a/.DS_Store", "__MACOSX/a/._b.WAV", "c.flac", "d.aif", "folder.wav/"):
            file.writestr(name, b"")
    assert Archive(tmp_path / "x.zip").recordings() == ["a/b.WAV", "c.flac", "d.aif"]


@pytest.mark.slow
def test_threads_share_one_archive(corpus: Archive) -> None:
    with corpus, ThreadPoolExecutor(8) as pool:
        names = sorted(CONTENTS) * 20
        assert list(pool.map(corpus.read, names)) == [CONTENTS[name] for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_open_it_for_themselves(corpus: Archive, start: str) -> None:
    names = corpus.recordings() * 5
    with ProcessPoolExecutor(2, get_context(start)) as pool:
        contents = list(pool.map(Archive.read, [corpus] * len(names), names))
    assert contents == [CONTENTS[name] for name in names]


@pytest.mark.slow
def test_a_fork_does_not_move_the_place_at_which_its_parent_reads(corpus: Archive) -> None:
    names = corpus.recordings() * 20

    def read_all() -> None:
        sys.exit(any(corpus.read(name) != CONTENTS[name] for name in names))

    children = [get_context("fork").Process(target=read_all) for _ in range(4)]
    for child in children:
        child.start()
    assert [corpus.read(name) for name in names] == [CONTENTS[name] for name in names]
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]


def test_it_survives_pickling_and_closing(corpus: Archive) -> None:
    corpus.read("b/001.wav")
    same = pickle.loads(pickle.dumps(corpus))
    corpus.close()
    assert same.read("b/001.wav") == corpus.read("b/001.wav") == CONTENTS["b/001.wav"]


def test_a_pickled_archive_that_was_changed_is_refused(corpus_zip: Path) -> None:
    pickled = pickle.dumps(Archive(corpus_zip))
    time = corpus_zip.stat().st_mtime_ns + 10**9
    os.utime(corpus_zip, ns=(time, time))
    with pytest.raises(InputError, match=r"some_corpus\.zip: found files of sizes and times .* it was changed"):
        pickle.loads(pickled)


def test_a_member_said_to_lie_outside_the_archive_is_named(corpus_zip: Path) -> None:
    content = bytearray(corpus_zip.read_bytes())
    entry = content.index(b"PK\x01\x02")
    # Position of the directory in the archive's last record. The change moves all offsets to before the file.
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = (int.from_bytes(content[end + 16 : end + 20], "little") + 1000).to_bytes(4, "little")
    assert content[entry + 42 : entry + 46] == bytes(4)
    corpus_zip.write_bytes(content)
    corpus = Archive(corpus_zip)
    with pytest.raises(InputError, match=r"some_corpus\.zip: member 'b/039\.wav' cannot be unpacked"):
        corpus.read("b/039.wav")


def test_a_missing_archive_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Archive(tmp_path / "x.zip").recordings()


@pytest.mark.parametrize("ask", [Archive.read, Archive.size_bytes])
def test_a_missing_member_is_named(corpus_zip: Path, ask: Callable[[Archive, str], object]) -> None:
    with pytest.raises(InputError, match=r"some_corpus\.zip: holds no member 'b/999\.wav'"):
        ask(Archive(corpus_zip), "b/999.wav")


def test_a_damaged_member_is_named_and_the_others_are_read(corpus_zip: Path) -> None:
    corpus = Archive(corpus_zip)
    with zipfile.ZipFile(corpus_zip) as file:
        at = file.getinfo("b/003.wav").header_offset + 30 + len("b/003.wav")
    damaged = bytearray(corpus_zip.read_bytes())
    damaged[at + 2 : at + 8] = b"\xff" * 6
    corpus_zip.write_bytes(damaged)
    with pytest.raises(InputError, match=r"some_corpus\.zip: member 'b/003\.wav' cannot be unpacked"):
        corpus.read("b/003.wav")
    assert corpus.read("b/004.wav") == CONTENTS["b/004.wav"]


def test_a_git_lfs_pointer_is_called_one(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 98254\n"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a.wav", pointer)
    told = r"x\.zip: member 'a\.wav' is a Git LFS pointer \(to 98,254 bytes\), no recording\. GitHub's"
    with pytest.raises(InputError, match=told):
        Archive(tmp_path / "x.zip").read("a.wav")
