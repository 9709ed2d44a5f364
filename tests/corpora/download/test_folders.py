"""Folders and archives of recordings: what counts as one, and which archives are refused before anything is read."""

import errno
import os
import zipfile
from pathlib import Path

import pytest

from deepemo.corpora.download import folders as places
from deepemo.corpora.download.folders import Archive, ArchiveError, Folder, is_recording
from deepemo.errors import InputError

SOUND = b"RIFF and so on"


def write_zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return path


def write_entry(path: Path, name: str, *, mode: int = 0o100644) -> Path:
    """A zip of one member, whose name the module zipfile leaves as it is."""
    entry = zipfile.ZipInfo("placeholder")
    entry.filename = name
    entry.external_attr = mode << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, SOUND)
    return path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.wav", True),
        ("deep/er/A.WAV", True),
        ("a.mp3", False),
        ("wav", False),
        ("._a.wav", False),
        ("__MACOSX/a.wav", False),
        (".cache/a.wav", False),
    ],
)
def test_recordings_are_known_by_suffix_and_not_hidden(path: str, expected: bool) -> None:
    assert is_recording(path) is expected


def test_folder_finds_recordings_at_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/10.wav", "A/x/y/z.WAV", "top.wav", "b/readme.txt", ".hidden/h.wav", "b/._2.wav"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    folder = Folder(tmp_path)
    assert folder.recordings() == ["A/x/y/z.WAV", "b/10.wav", "b/2.wav", "top.wav"]
    with folder.open("b/2.wav") as stream:
        assert stream.read() == b"b/2.wav"


def test_folder_with_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.wav").write_bytes(SOUND)
    (tmp_path / os.fsdecode(b"Gl\xfcck.wav")).write_bytes(SOUND)
    with pytest.raises(InputError, match=r"found the name 'Gl\\udcfcck\.wav', expected one in UTF-8; rename it"):
        Folder(tmp_path).recordings()


def test_folder_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.wav").write_bytes(SOUND)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "tree")
    assert Folder(tmp_path / "tree").recordings() == ["linked/a.wav"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_archive_is_read_however_it_is_compressed(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "a.zip", {"x/2.wav": SOUND, "1.WAV": b"", "x/notes.txt": b"n"}, method)
    archive = Archive(path)
    assert archive.recordings() == ["1.WAV", "x/2.wav"]
    with archive.open("x/2.wav") as stream:
        assert stream.read() == SOUND


@pytest.mark.parametrize("name", ["../out.wav", "a/../../out.wav", "/etc/out.wav", "C:/out.wav", "..\\out.wav"])
def test_member_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"a\.zip: member .*out\.wav' is refused: its path leads out of the folder"):
        Archive(write_entry(tmp_path / "a.zip", name))


@pytest.mark.parametrize("name", ["", "."])
def test_member_without_a_name_is_no_recording(tmp_path: Path, name: str) -> None:
    assert Archive(write_entry(tmp_path / "a.zip", name)).recordings() == []


def test_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"member 'a\.wav' is refused: it is a link"):
        Archive(write_entry(tmp_path / "a.zip", "a.wav", mode=0o120777))


def test_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": SOUND})
    content = bytearray(path.read_bytes())
    # The flag bits in the central directory (APPNOTE.TXT, 4.3.12).
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="it is encrypted"):
        Archive(path)


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(60), "b.wav": bytes(60)})
    assert len(Archive(path).recordings()) == 2
    monkeypatch.setattr(places, "MAX_ARCHIVE_BYTES", 119)
    with pytest.raises(ArchiveError, match="its members declare 120 bytes, expected at most 119"):
        Archive(path)
    monkeypatch.setattr(places, "MAX_MEMBER_BYTES", 59)
    with pytest.raises(ArchiveError, match=r"member 'a\.wav' is refused: it declares 60 bytes, expected at most 59"):
        Archive(path)


def test_declared_size_beyond_what_deflate_can_shrink_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(1000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    size_at = content.index(b"PK\x01\x02") + 24
    content[size_at : size_at + 4] = (500_000_000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="declares 500,000,000 bytes out of"):
        Archive(path)


def test_silence_may_be_compressed_as_well_as_deflate_can(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.wav": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    assert Archive(path).recordings() == ["a.wav"]


def test_what_is_no_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(ArchiveError, match=r"a\.zip: expected a zip archive"):
        Archive(path)


@pytest.mark.parametrize("damaged", ["version", "name"])
def test_directory_that_is_damaged_is_told(tmp_path: Path, damaged: str) -> None:
    """A version that no program has, and a name that is not in the UTF-8 that its flag announces."""
    path = write_zip(tmp_path / "a.zip", {"a.wav": SOUND})
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    if damaged == "name":
        content[entry + 9] |= 0x08
        content[content.rindex(b"a.wav")] = 0xFF
    else:
        content[entry + 6] = 0xE3
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"a\.zip: expected a zip archive: "):
        Archive(path)


def test_error_of_the_disk_in_reading_a_member_is_passed_on(tmp_path: Path) -> None:
    archive = Archive(write_zip(tmp_path / "a.zip", {"a.wav": SOUND}))
    with pytest.raises(OSError, match="No space left") as raised, archive.open("a.wav"):
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
    archive = Archive(path)
    with pytest.raises(ArchiveError, match=r"a\.zip: member 'x/bad\.wav' cannot be unpacked"):  # noqa: SIM117
        with archive.open("x/bad.wav") as stream:
            stream.read()
    with archive.open("good.wav") as stream:
        assert stream.read() == SOUND
