import io

import pytest

from deepemo.audio.io.file_slice import FileSlice

CONTENT = bytes(range(256)) * 80


def test_a_stretch_is_a_file_of_its_own() -> None:
    part = FileSlice(io.BytesIO(CONTENT), 10, 30)
    assert part.size == 20
    assert part.read() == CONTENT[10:30]
    assert part.read(1) == b""
    part.seek(-5, io.SEEK_END)
    assert (part.tell(), part.read(3)) == (15, CONTENT[25:28])


def test_a_stretch_of_a_stretch_is_counted_from_its_start_and_ends_with_it() -> None:
    part = FileSlice(io.BytesIO(CONTENT), 10, 30).part(5, 100)
    assert part.read() == CONTENT[15:30]
    assert part.part(12).read() == CONTENT[27:30]


@pytest.mark.parametrize("step", [1, 3, 7, 100])
def test_replaced_bytes_are_read_in_place_of_those_of_the_file(step: int) -> None:
    part = FileSlice(io.BytesIO(CONTENT[:40]), replaced={0: b"ab", 5: b"cdef", 38: b"xyz"})
    read = b""
    while piece := part.read(step):
        read += piece
    assert read == b"ab" + CONTENT[2:5] + b"cdef" + CONTENT[9:38] + b"xy"
    assert part.part(6, 8).read() == b"de"


def test_looking_at_bytes_moves_nothing() -> None:
    part = FileSlice(io.BytesIO(CONTENT), 100)
    part.seek(7)
    assert part.at(3, 4) == CONTENT[103:107]
    assert part.at(part.size - 2, 10) == CONTENT[-2:]
    assert part.at(part.size + 5, 10) == b""
    assert (part.tell(), part.read(2)) == (7, CONTENT[107:109])


def test_bytes_are_found_across_the_pieces_that_it_reads() -> None:
    content = bytes((1 << 20) - 2) + b"here" + bytes(100)
    part = FileSlice(io.BytesIO(content))
    assert part.find(b"here", 0) == (1 << 20) - 2
    assert part.find(b"here", (1 << 20) - 1) == -1
    assert part.find(b"here", 0, 1000) == -1


def test_a_seek_before_the_start_is_one_to_the_start() -> None:
    part = FileSlice(io.BytesIO(CONTENT))
    assert part.seek(-5) == 0
    assert part.seek(-5, io.SEEK_CUR) == 0


def test_an_error_of_the_disk_ends_the_file_and_is_kept() -> None:
    class Failing(io.BytesIO):
        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    whole = FileSlice(Failing(CONTENT))
    part = whole.part(5)
    assert part.read(10) == b""
    assert whole.error is not None
    assert whole.error.errno == 5
