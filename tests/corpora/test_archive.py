"""Archives of recordings: how members are named, which are refused, and what is nobody's recording and ignored."""

import errno
import zipfile
from pathlib import Path

import pytest

from deepemo.corpora import archive
from deepemo.corpora.archive import Archive, ArchiveError
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


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_archive_is_read_however_it_is_compressed(tmp_path: Path, method: int) -> None:
    path = write_zip(tmp_path / "a.zip", {"x/2.wav": SOUND, "1.WAV": b"", "x/notes.txt": b"n"}, method)
    opened = Archive(path)
    assert opened.recordings() == ["1.WAV", "x/2.wav"]
    with opened.open("x/2.wav") as stream:
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
    monkeypatch.setattr(archive, "MAX_ARCHIVE_BYTES", 119)
    with pytest.raises(ArchiveError, match="its recordings declare 120 bytes, expected 119 or less"):
        Archive(path)
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", 59)
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
    with pytest.raises(ArchiveError, match=r"a\.zip: expected a zip archive of recordings: "):
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
    with pytest.raises(ArchiveError, match=r"a\.zip: member 'x/bad\.wav' cannot be unpacked"):  # noqa: SIM117
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


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    opened = Archive(write_entry(tmp_path / "a.zip", "Actor\r\n01/a\tb.wav"))
    assert opened.recordings() == ["Actor%0D%0A01/a%09b.wav"]
    with opened.open("Actor%0D%0A01/a%09b.wav") as stream:
        assert stream.read() == SOUND


def test_missing_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"a\.zip: holds no member 'b\.wav'"):
        Archive(write_zip(tmp_path / "a.zip", {"a.wav": SOUND})).size_bytes("b.wav")
