"""Folders of recordings with any file names, and Git LFS pointers among recordings."""

import os
import zipfile
from pathlib import Path

import pytest

from deepemo.corpora.archive import Archive
from deepemo.corpora.download.folders import Folder, Selection, is_pointer

SOUND = b"RIFF and so on"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0a" * 32 + b"\nsize 98254\n"


def test_folder_finds_recordings_at_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/10.wav", "A/x/y/z.WAV", "top.wav", "b/readme.txt", ".hidden/h.wav", "b/._2.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    folder = Folder(tmp_path)
    assert folder.recordings() == ["A/x/y/z.WAV", "b/10.wav", "b/2.wav", "top.wav"]
    with folder.open("b/2.wav") as stream:
        assert stream.read() == b"b/2.wav"


ODD = {
    b"Gl\xfcck.wav": "Gl%FCck.wav",
    b"Actor\r01/a.wav": "Actor%0D01/a.wav",
    b"a\nb\x1b[31m.wav": "a%0Ab%1B[31m.wav",
    b"c.wav\r": "c.wav",
    "\u2028line\u0085.wav".encode(): "%E2%80%A8line%C2%85.wav",
    b"win\\Actor_01\\d.wav": "win/Actor_01/d.wav",
    b"x\\..\\..\\e.wav": "x%5C..%5C..%5Ce.wav",
    b"C:\\f.wav": "C%3A%5Cf.wav",
    b"12:30 g.wav": "12:30 g.wav",
    b"a" * 200 + b"/" + b"b" * 250 + b".wav": "a" * 200 + "/" + "b" * 250 + ".wav",
    "\u00e9t\u00e9 \U0001f600.wav".encode(): "\u00e9t\u00e9 \U0001f600.wav",
}


@pytest.mark.parametrize(("stored", "plain"), ODD.items(), ids=map(repr, ODD.values()))
def test_a_name_of_a_folder_is_one_that_any_table_and_archive_may_hold(
    tmp_path: Path, stored: bytes, plain: str
) -> None:
    path = tmp_path / os.fsdecode(stored)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(SOUND)
    folder = Folder(tmp_path)
    assert folder.recordings() == [plain]
    assert folder.size_bytes(plain) == len(SOUND)
    with folder.open(plain) as stream, zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr(plain, stream.read())
    packed_again = Archive(tmp_path / "packed.zip")
    assert packed_again.recordings() == [plain], "the name that validation sees is that of the folder"


def test_names_that_become_one_are_held_apart(tmp_path: Path) -> None:
    for number, name in enumerate(("x%0D.wav", "x\r.wav", "d/a.wav", "d\\a.wav")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes([number]))
    folder = Folder(tmp_path)
    assert folder.recordings() == ["d/a.wav", "x%0D.wav", "~2/d/a.wav", "~2/x%0D.wav"]
    contents = []
    for member in folder.recordings():
        with folder.open(member) as stream:
            contents.append(stream.read())
    assert sorted(contents) == [bytes([number]) for number in range(4)]


def test_folder_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.wav").write_bytes(SOUND)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "tree")
    assert Folder(tmp_path / "tree").recordings() == ["linked/a.wav"]


def test_a_folder_that_cannot_be_listed_is_an_error_unless_it_may_be_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a.wav").write_bytes(SOUND)
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="closed"):
        Folder(tmp_path)
    passed: list[OSError] = []
    assert Folder(tmp_path, passed.append).recordings() == ["open/a.wav"]
    assert [error.filename for error in passed] == [str(tmp_path / "closed")]


def test_selection_is_the_place_without_the_others(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(name.encode())
    chosen = Selection(Folder(tmp_path), lambda member: member != "a.wav")
    assert chosen.recordings() == ["b.wav"]
    assert chosen.size_bytes("b.wav") == 5
    with chosen.open("b.wav") as stream:
        assert stream.read() == b"b.wav"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (POINTER, True),
        (POINTER.rstrip(b"\n"), True),
        (POINTER.replace(b"\n", b"\r\n"), True),
        (POINTER.replace(b"oid", b"ext-0-foo sha256:" + b"1" * 64 + b"\noid"), True),
        (POINTER.replace(b"sha256:", b"md5:"), False),
        (b"version 1\n", False),
        (b"", False),
        (POINTER + bytes(1024), False),
        (b"RIFF" + bytes(40), False),
    ],
)
def test_pointers_are_known_wherever_they_lie(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.wav", content)
    for place in (Folder(tmp_path), Archive(tmp_path / "a.zip")):
        assert is_pointer(place, "a.wav") is expected
