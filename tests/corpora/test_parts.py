"""Archives in parts: read as one archive of one part is, and never only a half of it."""

import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deepemo.corpora.archive import Archive
from deepemo.corpora.download.folders import Folder
from deepemo.corpora.download.packing import Contents, pack, take_stock
from deepemo.corpora.manifest import read_manifest
from deepemo.corpora.parts import Mark, all_parts, belongs_to_another, first_path, later_parts, part_path, read_mark
from deepemo.corpora.registry import CORPORA, corpus_in
from deepemo.dataset.validate import find_archives
from deepemo.errors import InputError

MANIFEST = """
title: Calls
licence: own
language: en
names: "{speaker}_{emotion}_{sentence}"
"""
SIZE = 1000
CONTENTS = {f"{n % 4}/s{n % 4}_sad_{n:02d}.wav": bytes([n]) * SIZE for n in range(20)}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    folder = tmp_path_factory.mktemp("source") / "calls"
    for member, content in CONTENTS.items():
        (folder / member).parent.mkdir(parents=True, exist_ok=True)
        (folder / member).write_bytes(content)
    (folder / "corpus.yaml").write_text(MANIFEST)
    place = Folder(folder)
    corpus = read_manifest("calls", place.read_beside, source=None, where="calls")  # type: ignore[arg-type]
    return take_stock(corpus, [place])


@pytest.fixture
def archive(contents: Contents, tmp_path: Path) -> Path:
    """Of 5 parts, 4 recordings in each."""
    path = tmp_path / "calls.zip"
    pack(contents, path, part_bytes=4 * SIZE)
    return path


def parts_of(archive: Path) -> list[Path]:
    return sorted(archive.parent.glob("*.zip"), key=lambda path: (len(path.name), path.name))


def test_many_parts_are_read_as_one_part_is(contents: Contents, archive: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / "calls.zip"
    whole.parent.mkdir()
    pack(contents, whole)
    assert [path.name for path in whole.parent.iterdir()] == ["calls.zip"]
    assert [path.name for path in parts_of(archive)] == ["calls.zip", *(f"calls.part00{n}.zip" for n in range(2, 6))]
    with Archive(whole) as one, Archive(archive) as many:
        assert many.name == one.name == "calls"
        assert many.recordings() == one.recordings() == sorted(CONTENTS)
        for member, content in CONTENTS.items():
            assert many.read(member) == one.read(member) == content
            assert many.size_bytes(member) == one.size_bytes(member) == SIZE
            assert many.carried(member).read(member) == content
        assert many.read_beside("corpus.yaml") == one.read_beside("corpus.yaml") == MANIFEST.encode()
        assert corpus_in(many).title == "Calls"
    assert [found.path for found in find_archives(tmp_path)] == [archive]


def test_an_archive_of_one_part_is_a_plain_zip(contents: Contents, tmp_path: Path) -> None:
    pack(contents, tmp_path / "a.zip", part_bytes=20 * SIZE)
    pack(contents, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.comment == b""
        assert file.namelist() == [*sorted(CONTENTS), "corpus.yaml"]


def test_every_part_is_a_zip_of_its_own_and_no_larger_than_asked_for(archive: Path) -> None:
    names, sizes = list[str](), list[int]()
    for path in all_parts(archive):
        with zipfile.ZipFile(path) as file:
            wavs = [entry for entry in file.infolist() if entry.filename.endswith(".wav")]
            names += [entry.filename for entry in wavs]
            sizes.append(sum(entry.file_size for entry in wavs))
    assert names == sorted(CONTENTS)
    assert sizes == [4 * SIZE] * 5


def test_a_recording_larger_than_a_part_has_a_part_of_its_own(contents: Contents, tmp_path: Path) -> None:
    pack(contents, tmp_path / "calls.zip", part_bytes=1)
    assert len(all_parts(tmp_path / "calls.zip")) == len(CONTENTS)
    assert Archive(tmp_path / "calls.zip").recordings() == sorted(CONTENTS)


def test_a_missing_part_is_told(archive: Path) -> None:
    part_path(archive, 3).unlink()
    told = r"calls\.part003\.zip: no such file, expected part 3 of 5 of packing [0-9a-f]{12}; expected all 5 parts"
    with pytest.raises(InputError, match=told):
        Archive(archive)


def test_parts_without_their_first_are_told(archive: Path) -> None:
    archive.unlink()
    with pytest.raises(InputError, match=r"calls\.part002\.zip: found part 2 of 5 of packing .*, expected part 1"):
        find_archives(archive.parent)


@pytest.mark.parametrize("part_bytes", [3 * SIZE, 20 * SIZE], ids=["other parts", "one part"])
def test_a_part_of_another_packing_is_told(contents: Contents, archive: Path, tmp_path: Path, part_bytes: int) -> None:
    other = tmp_path / "other" / "calls.zip"
    other.parent.mkdir()
    pack(contents, other, part_bytes=part_bytes)
    shutil.copy(all_parts(other)[-1], part_path(archive, 2))
    found = r"part 7 of 7 of packing [0-9a-f]{12}" if part_bytes < 20 * SIZE else "a zip that is no part"
    with pytest.raises(InputError, match=rf"calls\.part002\.zip: found {found}, expected part 2 of 5 of"):
        Archive(archive)


@pytest.mark.parametrize("part_bytes", [7 * SIZE, 20 * SIZE], ids=["fewer parts", "one part"])
def test_a_part_left_over_is_told(contents: Contents, archive: Path, tmp_path: Path, part_bytes: int) -> None:
    left = part_path(archive, 5).read_bytes()
    pack(contents, archive, part_bytes=part_bytes)
    assert len(later_parts(archive)) == (2 if part_bytes < 20 * SIZE else 0), "packing removes what is left over"
    part_path(archive, 5).write_bytes(left)
    told = (
        r"calls\.part005\.zip: found part 5 of 5 of packing [0-9a-f]{12}, which calls\.zip does not belong to: it has"
    )
    with pytest.raises(InputError, match=told):
        Archive(archive)


def test_a_zip_that_is_only_named_as_a_part_is_somebodys_own(contents: Contents, tmp_path: Path) -> None:
    pack(contents, tmp_path / "calls.zip")
    shutil.copy(tmp_path / "calls.zip", tmp_path / "calls.part002.zip")
    assert Archive(tmp_path / "calls.zip").recordings() == sorted(CONTENTS)
    assert not belongs_to_another(tmp_path / "calls.part002.zip")
    assert Archive(tmp_path / "calls.part002.zip").recordings() == sorted(CONTENTS)


def test_a_damaged_member_names_its_part(archive: Path) -> None:
    path = part_path(archive, 4)
    member = sorted(CONTENTS)[13]
    content = bytearray(path.read_bytes())
    at = content.index(CONTENTS[member])
    content[at : at + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"calls\.part004\.zip: member '{member}' cannot be unpacked"):
        Archive(archive).read(member)
    assert Archive(archive).read(sorted(CONTENTS)[12]) == CONTENTS[sorted(CONTENTS)[12]]


def test_a_pickled_archive_whose_part_has_gone_is_told(archive: Path) -> None:
    pickled = pickle.dumps(Archive(archive))
    pickle.loads(pickled)
    part_path(archive, 5).unlink()
    with pytest.raises(InputError, match=r"calls\.part005\.zip: no such file"):
        pickle.loads(pickled)


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_no_corpus_of_the_catalogue_is_named_as_a_part(name: str) -> None:
    path = Path(f"{name}.zip")
    assert first_path(path) == path


def test_a_corpus_of_ones_own_cannot_be_named_as_a_part() -> None:
    read_beside: Callable[[str], bytes] = {"corpus.yaml": MANIFEST.encode()}.__getitem__
    with pytest.raises(InputError, match=r"found the folder name 'calls\.part002', expected lower-case letters"):
        read_manifest("calls.part002", read_beside, source=None, where="calls")  # type: ignore[arg-type]


def test_a_mark_is_read_as_it_was_written_and_nowhere_else(tmp_path: Path) -> None:
    mark = Mark(12, 345, "0a" * 32)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.wav", mark.comment())
    assert read_mark(tmp_path / "a.zip") is None
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as file:
        file.comment = mark.comment()
    assert read_mark(tmp_path / "a.zip") == mark
    (tmp_path / "empty.zip").touch()
    assert read_mark(tmp_path / "empty.zip") is None
