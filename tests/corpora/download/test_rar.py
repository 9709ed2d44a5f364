"""RAR archives: the same guards as for zips, which members need a program, and what is told where there is none."""

import pickle
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from deepemo.corpora.archive import Archive
from deepemo.corpora.download.rar import RarArchive, SharedRar, lacking, open_archive
from deepemo.corpora.members import MAX_RATIO
from deepemo.errors import InputError
from tests.fixtures.rars import Stored, rar4, rar5, write_program

pytestmark = pytest.mark.slow

SOUND = b"RIFF and so on"
Write = Callable[..., bytes]


@pytest.fixture(params=[rar4, rar5], ids=["rar4", "rar5"])
def rar(request: pytest.FixtureRequest) -> Write:
    return request.param


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with programs, empty at first."""
    folder = tmp_path / "programs"
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, content: bytes) -> Path:
    path = folder / "a.rar"
    path.write_bytes(content)
    return path


def wav(name: str, content: bytes = SOUND, **properties: object) -> Stored:
    return Stored(name=name, content=content, **properties)


def content(opened: Archive, member: str) -> bytes:
    with opened.open(member) as stream:
        return stream.read()


def test_stored_members_are_read_without_any_program(tmp_path: Path, rar: Write) -> None:
    members = [wav("x/2.wav"), wav("1.WAV", b""), wav("x/notes.txt", b"n"), wav("été.flac", b"summer" * 99)]
    opened = open_archive(put(tmp_path, rar(*members)))
    assert isinstance(opened, RarArchive)
    assert opened.recordings() == ["1.WAV", "x/2.wav", "été.flac"]
    assert [content(opened, name) for name in opened.recordings()] == [b"", SOUND, b"summer" * 99]
    assert opened.size_bytes("x/2.wav") == len(SOUND)
    assert opened.read_beside("notes.txt") == b"n"
    assert opened.read_beside("labels.csv") is None
    assert opened.ignored == ()


@pytest.mark.parametrize("name", ["../out.wav", "a/../../out.wav", "/etc/out.wav", "C:/out.wav", "..\\out.wav"])
def test_member_that_climbs_out_is_refused(tmp_path: Path, rar: Write, name: str) -> None:
    with pytest.raises(InputError, match=r"a\.rar: member .*out\.wav' is refused: its path leads out of the folder"):
        open_archive(put(tmp_path, rar(wav(name))))


def test_odd_names_are_those_of_a_zip(tmp_path: Path, rar: Write) -> None:
    names = ["Actor\\deep\\a.wav", "Actor\r\n01/a\tb.wav", "__MACOSX/._a.wav", "../notes.txt", ".hidden/b.wav"]
    opened = open_archive(put(tmp_path, rar(*map(wav, names))))
    assert opened.recordings() == ["Actor%0D%0A01/a%09b.wav", "Actor/deep/a.wav"]
    assert opened.ignored == ("../notes.txt",)
    assert content(opened, "Actor/deep/a.wav") == SOUND


def test_link_is_refused(tmp_path: Path, rar: Write) -> None:
    with pytest.raises(InputError, match=r"member 'a\.wav' is refused: it is a link"):
        open_archive(put(tmp_path, rar(wav("a.wav", link=True))))


def test_encrypted_member_is_refused(tmp_path: Path, rar: Write) -> None:
    with pytest.raises(InputError, match=r"member 'a\.wav' is refused: it is encrypted"):
        open_archive(put(tmp_path, rar(wav("a.wav", encrypted=True))))


def test_archive_that_hides_its_names_is_refused(tmp_path: Path, rar: Write) -> None:
    with pytest.raises(InputError, match=r"a\.rar: it is encrypted, expected a RAR archive without a password"):
        open_archive(put(tmp_path, rar(wav("a.wav"), encrypted=True)))


def test_absurd_sizes_are_refused(tmp_path: Path, rar: Write) -> None:
    path = put(tmp_path, rar(wav("a.wav", declared=2 << 30)))
    with pytest.raises(InputError, match=r"'a\.wav' is refused: it declares 2,147,483,648 bytes, expected at most 1,"):
        open_archive(path)
    path = put(tmp_path, rar(wav("a.wav", declared=MAX_RATIO * len(SOUND) + 1)))
    with pytest.raises(InputError, match=r"'a\.wav' is refused: it declares 15,401 bytes out of 14 compressed ones"):
        open_archive(path)


@pytest.mark.parametrize("declared", [0, len(SOUND) - 1, len(SOUND) + 1])
def test_member_of_another_size_than_declared_is_told(tmp_path: Path, rar: Write, declared: int) -> None:
    opened = open_archive(put(tmp_path, rar(wav("a.wav", declared=declared))))
    with pytest.raises(InputError, match=r"a\.rar: member 'a\.wav' cannot be unpacked: "):
        content(opened, "a.wav")


def test_damaged_member_is_named_and_the_others_are_read(tmp_path: Path, rar: Write) -> None:
    packed = rar(wav("a.wav"), wav("x/bad.wav", b"of another voice"), wav("z.wav", b"last"))
    opened = open_archive(put(tmp_path, packed.replace(b"another", b"an0ther")))
    with pytest.raises(InputError, match=r"a\.rar: member 'x/bad\.wav' cannot be unpacked: .*CRC"):
        content(opened, "x/bad.wav")
    assert content(opened, "a.wav") == SOUND
    assert content(opened, "z.wav") == b"last"


@pytest.mark.parametrize("change", [lambda byte: byte ^ 0x01, lambda byte: byte ^ 0x80, lambda byte: 0xFF - byte])
def test_no_damaged_byte_goes_unnoticed_or_ends_in_a_traceback(
    tmp_path: Path, rar: Write, change: Callable[[int], int]
) -> None:
    members = {"one.wav": b"the first one", "two.wav": b"the second one"}
    packed = rar(*(wav(name, sound) for name, sound in members.items()))
    told = 0
    for position, byte in enumerate(packed):
        path = put(tmp_path, packed[:position] + bytes([change(byte)]) + packed[position + 1 :])
        refusal = ""
        try:
            opened = open_archive(path)
            found = {name: content(opened, name) for name in opened.recordings()}
        except InputError as error:
            refusal = str(error)
        assert refusal.startswith(f"{path}: ") or found == members, position
        told += bool(refusal)
    assert told > 0.9 * len(packed)


def test_archive_that_is_cut_off_is_told(tmp_path: Path, rar: Write) -> None:
    packed = rar(wav("a.wav"), wav("notes.txt"), wav("b.wav"))
    assert open_archive(put(tmp_path, packed)).recordings() == ["a.wav", "b.wav"]
    for size in range(len(packed)):
        with pytest.raises(InputError, match=r"a\.rar: (expected a RAR|it is encrypted)"):
            open_archive(put(tmp_path, packed[:size]))


def test_one_volume_of_several_is_refused(tmp_path: Path, rar: Write) -> None:
    told = r"a\.rar: it is one volume of several, expected a RAR archive in one file; unpack them by hand"
    for packed in (rar(wav("a.wav"), volume=True), rar(wav("a.wav", split=True))):
        with pytest.raises(InputError, match=told):
            open_archive(put(tmp_path, packed))


def test_members_under_one_path_are_refused_when_read(tmp_path: Path, rar: Write) -> None:
    opened = open_archive(put(tmp_path, rar(wav("a.wav"), wav("a.wav", b"other"), wav("b.wav"))))
    assert opened.recordings() == ["a.wav", "b.wav", "~2/a.wav"]
    for name in ("a.wav", "~2/a.wav"):
        with pytest.raises(InputError, match=rf"'{name}' cannot be unpacked: several members have this path"):
            content(opened, name)
    assert content(opened, "b.wav") == SOUND


def test_member_without_a_checksum_is_refused_when_read(tmp_path: Path) -> None:
    opened = open_archive(put(tmp_path, rar5(wav("a.wav", checksum=None))))
    with pytest.raises(InputError, match=r"member 'a\.wav' cannot be unpacked: it has no checksum"):
        content(opened, "a.wav")


@pytest.mark.parametrize("other", [b"", b"<html>404</html>", b"PK\x03\x04" + bytes(60), b"Rar!\x1a\x07\x00"])
def test_what_is_no_rar_is_told(tmp_path: Path, other: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.rar: expected a RAR archive"):
        open_archive(put(tmp_path, other))


def test_a_missing_archive_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_archive(tmp_path / "a.rar")


def test_without_the_package_that_reads_it_a_rar_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rar: Write
) -> None:
    monkeypatch.setitem(sys.modules, "rarfile", None)
    with pytest.raises(InputError, match=r"a\.rar: the package rarfile is not installed: .* deepemo\[pipeline\]"):
        open_archive(put(tmp_path, rar(wav("a.wav"))))


def test_it_survives_pickling_threads_and_closing(tmp_path: Path, rar: Write) -> None:
    members = {f"{number}.wav": bytes([number]) * 3000 for number in range(20)}
    opened = open_archive(put(tmp_path, rar(*(wav(name, sound) for name, sound in members.items()))))
    copy = pickle.loads(pickle.dumps(opened))
    opened.close()
    with ThreadPoolExecutor(4) as pool:
        for each in (opened, copy):
            assert list(pool.map(each.read, members)) == list(members.values())


def packed(*, solid: bool = False, of: Write = rar4, count: int = 3) -> tuple[bytes, dict[str, bytes]]:
    """A RAR of compressed recordings and a compressed table, and its recordings."""
    members = {f"m/{number}.wav": f"recording {number} ".encode() * 50 for number in range(count)}
    table = wav("labels.csv", b"file,emotion\n", compressed=True)
    return of(table, *(wav(name, sound, compressed=True) for name, sound in members.items()), solid=solid), members


@pytest.mark.parametrize("solid", [False, True], ids=["", "solid"])
def test_compressed_members_without_a_program_are_told_with_what_to_install(
    tmp_path: Path, rar: Write, solid: bool
) -> None:
    path = put(tmp_path, packed(solid=solid, of=rar)[0])
    with pytest.raises(InputError) as refusal:
        open_archive(path)
    told = str(refusal.value)
    assert told.startswith(f"{path}: its recordings are compressed, and no program that unpacks RARs is installed")
    assert "expected unrar, unar, 7-Zip or bsdtar; on Debian and Ubuntu, install the package unar" in told
    assert told.endswith("or unpack it by hand, and put the folder in its place")


def test_a_compressed_table_without_a_program_is_told(tmp_path: Path, rar: Write) -> None:
    opened = open_archive(put(tmp_path, rar(wav("a.wav"), wav("labels.csv", b"file\n", compressed=True))))
    assert content(opened, "a.wav") == SOUND
    with pytest.raises(InputError, match=r"member 'labels\.csv' cannot be unpacked: no program that unpacks RARs"):
        opened.read_beside("labels.csv")


@pytest.mark.parametrize("command", ["unrar", "unar", "7z", "7zz", "bsdtar"])
@pytest.mark.parametrize("solid", [False, True], ids=["", "solid"])
def test_a_program_unpacks_compressed_members_and_gets_no_names(
    tmp_path: Path, programs: Path, rar: Write, command: str, solid: bool
) -> None:
    log = write_program(programs / command)
    archived, members = packed(solid=solid, of=rar)
    path = put(tmp_path, archived)
    opened = open_archive(path)
    assert {name: content(opened, name) for name in opened.recordings()} == members
    assert opened.read_beside("labels.csv") == b"file,emotion\n"
    # One run for all members, under a name that is not out of the archive and not that of a volume.
    (call,) = log.read_text().splitlines()
    assert call.endswith(" archive.rar")
    assert not {"wav", "csv"} & set(call.replace(".", " ").split())


@pytest.mark.parametrize("solid", [False, True], ids=["", "solid"])
@pytest.mark.parametrize("change", ["[:-1]", "[::-1]", "[:0]", "[:40] + b'an error message of the program'"])
def test_wrong_output_of_a_program_is_told(
    tmp_path: Path, programs: Path, rar: Write, solid: bool, change: str
) -> None:
    write_program(programs / "bsdtar", change=change)
    opened = open_archive(put(tmp_path, packed(solid=solid, of=rar, count=1)[0]))
    told = (
        r"a\.rar: member 'm/0\.wav' cannot be unpacked: bsdtar does not give the bytes that were packed as "
        r"'(labels\.csv|m/0\.wav)': the archive is damaged, or of a kind that bsdtar does not unpack \(no such kind\)"
    )
    with pytest.raises(InputError, match=told):
        content(opened, "m/0.wav")


def test_a_program_that_prints_nothing_more_is_ended(
    tmp_path: Path, programs: Path, rar: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepemo.corpora.download.rar._SILENCE_SECONDS", 0.5)
    write_program(programs / "unar", change="[:-1]); sys.stdout.flush(); import time; time.sleep(60")
    opened = open_archive(put(tmp_path, packed(of=rar, count=1)[0]))
    with pytest.raises(InputError, match=r"unar does not give the bytes that were packed as 'm/0\.wav'"):
        content(opened, "m/0.wav")


def test_temporary_files_go_with_the_archive(
    tmp_path: Path, programs: Path, rar: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    write_program(programs / "unar")
    archived, members = packed(of=rar)
    opened = open_archive(put(tmp_path, archived))
    assert not list((tmp_path / "temporary").iterdir())
    for _ in range(2):
        assert content(opened, "m/1.wav") == members["m/1.wav"]
        assert len(list((tmp_path / "temporary").iterdir())) == 1
        opened.close()
        assert not list((tmp_path / "temporary").iterdir())
    assert opened.read("m/0.wav") == members["m/0.wav"]
    del opened
    assert not list((tmp_path / "temporary").iterdir())


def test_a_full_disk_is_told_before_anything_is_unpacked(
    tmp_path: Path, programs: Path, rar: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_program(programs / "unar")
    opened = open_archive(put(tmp_path, packed(of=rar)[0]))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(InputError, match=r"a\.rar: the disk has 10 bytes free, 1,813 are needed"):
        content(opened, "m/1.wav")
    assert not log.exists()


def test_nothing_is_unpacked_where_other_members_declare_absurd_sizes(
    tmp_path: Path, programs: Path, rar: Write
) -> None:
    log = write_program(programs / "unar")
    members = [wav("a.wav", compressed=True), wav("notes.txt", declared=1 << 20, compressed=True)]
    opened = open_archive(put(tmp_path, rar(*members)))
    with pytest.raises(InputError, match=r"'a\.wav' cannot be unpacked: all members declare 1,048,590 bytes out of 36"):
        content(opened, "a.wav")
    assert not log.exists()


def test_no_more_is_read_than_a_member_declares(tmp_path: Path, programs: Path, rar: Write) -> None:
    write_program(programs / "unar", change=" + bytes(1 << 24)")
    archived, members = packed(of=rar, count=1)
    assert content(open_archive(put(tmp_path, archived)), "m/0.wav") == members["m/0.wav"]


def test_copies_in_a_solid_archive_may_have_almost_no_bytes_of_their_own(
    tmp_path: Path, programs: Path, rar: Write
) -> None:
    write_program(programs / "unrar")
    members = [wav("a.wav", b"speech" * 1000, compressed=True), wav("b.wav", b"", declared=6000, compressed=True)]
    assert open_archive(put(tmp_path, rar(*members, solid=True))).recordings() == ["a.wav", "b.wav"]
    with pytest.raises(InputError, match=r"'b\.wav' is refused: it declares 6,000 bytes out of 4 compressed ones"):
        open_archive(put(tmp_path, rar(*members)))


def test_a_seven_zip_that_cannot_unpack_rars_is_passed_over(tmp_path: Path, programs: Path) -> None:
    write_program(programs / "7z", listing="7z zip tar")
    assert str(lacking()).startswith("no program that unpacks RARs is installed")
    write_program(programs / "bsdtar")
    assert lacking() is None
    archived, members = packed(count=1)
    assert content(open_archive(put(tmp_path, archived)), "m/0.wav") == members["m/0.wav"]
    assert (programs / "bsdtar.log").is_file()
    assert not (programs / "7z.log").exists()


@pytest.mark.parametrize("command", ["unrar", "unar", "7z", "7zz", "bsdtar"])
def test_the_programs_of_this_machine_print_all_members(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch, rar: Write, command: str
) -> None:
    """Stored members, as if they were compressed: no free program makes compressed ones."""
    monkeypatch.undo()
    real = shutil.which(command)
    if real is None:
        pytest.skip(f"{command} is not installed")
    programs.mkdir()
    (programs / command).symlink_to(real)
    monkeypatch.setenv("PATH", str(programs))
    if lacking():
        pytest.skip(f"{command} cannot unpack RARs here")
    monkeypatch.setattr(SharedRar, "_is_compressed", lambda rar, info: True)
    members = {"x/a.wav": bytes(range(256)) * 4096, "@b*.wav": SOUND, "-c.wav": b"last"}
    path = put(tmp_path, rar(*(wav(name, sound) for name, sound in members.items())))
    # Named like other volumes of it.
    for name in ("a.r00", "a.part2.rar", "a-b.rar"):
        shutil.copy(path, tmp_path / name)
    opened = open_archive(path)
    assert {name: content(opened, name) for name in opened.recordings()} == members
    assert path.read_bytes() == (tmp_path / "a.r00").read_bytes()
