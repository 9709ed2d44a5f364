"""Which files are recordings: suffixes, hidden names, what is found in folders, and how names are written."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepemo.recordings import SUFFIXES, find_recordings, format_rank, is_hidden, is_recording, printable


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_counts_in_either_case(suffix: str) -> None:
    assert is_recording(f"deep/er/a{suffix}")
    assert is_recording(f"A{suffix.upper()}")
    assert not is_recording(suffix)
    assert not is_recording(f"a{suffix}.txt")


@pytest.mark.parametrize("path", ["", ".", "/", "wav", "a.txt", "a.wavx"])
def test_what_has_no_such_suffix_is_none(path: str) -> None:
    assert not is_recording(path)


HIDDEN = ["._a.wav", ".a.wav", "__MACOSX", "__macosx", ".DS_Store", "Thumbs.db", "desktop.ini", "@eaDir", ".Trash-1000"]


@pytest.mark.parametrize("name", HIDDEN)
def test_nothing_hidden_is_a_recording_nor_what_lies_in_it(name: str) -> None:
    assert is_hidden(name)
    assert not is_recording(f"a/{name}/b.wav")
    assert not is_recording(f"a/{name}")


def test_the_way_up_is_not_taken_for_a_hidden_folder() -> None:
    assert is_recording("../a.wav"), "or an archive that climbs out of its folder would not be refused"


def test_uncompressed_formats_come_before_compressed_ones_and_sound_before_video() -> None:
    ranks = [format_rank(f"a{suffix}") for suffix in (".WAV", ".flac", ".mp3", ".mp4")]
    assert ranks == sorted(ranks)


@given(st.text())
def test_a_printed_name_holds_on_one_line_of_utf8(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in shown)
    assert printable(shown) == shown


@pytest.mark.parametrize("name", ["a.wav", "été 元気 😀.wav", "100%.wav", "a b\u00a0c.wav"])
def test_a_name_that_is_harmless_stays(name: str) -> None:
    assert printable(name) == name


def test_folders_are_searched_by_name_and_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/10.FLAC", "a.m4a", ".git/x.wav", "__MACOSX/b/._2.wav", "b/.x.wav", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "broken.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    failed: list[OSError] = []
    found = [path.relative_to(tmp_path).as_posix() for path in find_recordings(tmp_path, failed.append)]
    assert found == ["a.m4a", "broken.wav", "b/10.FLAC", "b/2.wav"]
    assert failed == []


def test_a_hidden_folder_that_is_asked_for_is_searched(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.wav").write_bytes(b"")
    assert list(find_recordings(tmp_path / ".cache", print)) == [tmp_path / ".cache" / "a.wav"]
