"""The map over clips on this machine: equal results in threads and processes, and its end when a process dies."""

import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from deepemo.cluster import ADDRESS
from deepemo.corpora.archive import Archive
from deepemo.errors import InputError
from deepemo.parallel import map_clips, on_cluster
from tests.fixtures.meeting import meet
from tests.test_threads import endless

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests may name a cluster."""
    monkeypatch.delenv(ADDRESS, raising=False)


def square(number: int) -> int:
    return number**2


def process_and_mark(_: int) -> tuple[int, str]:
    return os.getpid(), os.environ.get("DEEPEMO_TEST_MARK", "")


def mark() -> None:
    os.environ["DEEPEMO_TEST_MARK"] = "started"


def die_at_five(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class UnpicklableError(Exception):
    """Like those of libraries whose arguments are not those of `Exception`."""

    def __init__(self, clip: str, library: str) -> None:
        super().__init__(f"{clip}: of {library}")


def raise_unpicklable(number: int) -> int:
    if number == 5:
        raise UnpicklableError("clip 5", "a library")
    return number


@pytest.mark.parametrize(("workers", "in_processes"), [(1, False), (3, False), (1, True), (2, True)])
def test_results_come_in_order_whichever_way(workers: int, in_processes: bool) -> None:
    found = map_clips(square, range(10), name="squares", total=10, workers=workers, in_processes=in_processes, chunk=3)
    assert list(found) == [number**2 for number in range(10)]
    assert not on_cluster()


class Unopened:
    """Can be pickled, but not read again, like an archive that has gone."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open_missing, ("recordings.zip",)


def open_missing(name: str) -> Unopened:
    raise InputError(f"{name}: it was changed")


def test_an_item_that_cannot_be_read_is_told_by_its_own_error() -> None:
    items = iter([Unopened()])
    with pytest.raises(InputError, match=r"recordings\.zip: it was changed"):
        list(map_clips(id, items, name="unopened", total=1, workers=2, in_processes=True))


def test_each_process_is_started_and_is_not_this_one() -> None:
    found = list(
        map_clips(process_and_mark, range(8), name="marks", total=8, workers=2, in_processes=True, chunk=1, start=mark)
    )
    assert {marked for _, marked in found} == {"started"}
    assert os.getpid() not in {process for process, _ in found}
    assert "DEEPEMO_TEST_MARK" not in os.environ


def cores_of_a_process(item: tuple[int, Path, int]) -> tuple[int, ...]:
    """The cores of this process after it has met others; items are numbered, as a cluster does equal ones once."""
    _, folder, processes = item
    meet(folder, processes)
    return tuple(sorted(os.sched_getaffinity(0)))


@pytest.mark.skipif(sys.platform != "linux", reason="cores are shared out on Linux only")
def test_processes_share_the_cores_evenly(tmp_path: Path) -> None:
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        pytest.skip("this machine has one core")
    items = [(number, tmp_path, 2) for number in range(2)]
    found = map_clips(cores_of_a_process, items, name="cores", total=2, workers=2, in_processes=True, chunk=1)
    assert set(found) == {tuple(mine[0::2]), tuple(mine[1::2])}
    more = len(mine) + 1  # more processes than cores: each may use all
    items = [(number, tmp_path, 1) for number in range(2)]
    found = map_clips(cores_of_a_process, items, name="cores", total=2, workers=more, in_processes=True, chunk=1)
    assert set(found) == {tuple(mine)}
    assert sorted(os.sched_getaffinity(0)) == mine


def test_items_are_taken_as_room_becomes_free_in_processes_too() -> None:
    taken: list[int] = []
    found = map_clips(
        square, endless(taken), name="squares", total=None, workers=2, in_processes=True, chunk=5, ahead=2
    )
    assert next(found) == 0
    assert len(taken) <= 2 * 2 * 5 + 5
    found.close()  # type: ignore[attr-defined]


def test_a_killed_process_is_one_error_that_says_so() -> None:
    with pytest.raises(InputError, match="one of 2 processes was killed"):
        list(map_clips(die_at_five, range(9), name="die", total=9, workers=2, in_processes=True, chunk=2))


def test_an_error_that_cannot_be_pickled_is_told_by_its_words() -> None:
    with pytest.raises(RuntimeError, match="UnpicklableError: clip 5: of a library"):
        list(map_clips(raise_unpicklable, range(9), name="u", total=9, workers=2, in_processes=True, chunk=2))


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0, 600])
def test_processes_end_with_the_one_that_started_them_if_it_is_killed(seconds: int) -> None:
    """At work or, after the last item, without any."""
    script = (
        "import sys, time\n"
        "from functools import partial\n"
        "from deepemo.parallel import map_clips\n"
        "from tests.test_parallel import sleep_and_tell\n"
        "work = partial(sleep_and_tell, int(sys.argv[1]))\n"
        "for _ in map_clips(work, range(2), name='sleep', total=2, workers=2, in_processes=True, chunk=1):\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    started = [psutil.Process(int(parent.stdout.readline())) for _ in range(2)]
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert alive == []


def sleep_and_tell(seconds: int, _: int) -> None:
    print(os.getpid(), flush=True)
    time.sleep(seconds or 0.5)


def test_an_archive_that_travels_among_processes_is_opened_once_in_each(tmp_path: Path) -> None:
    path = tmp_path / "toy.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.wav", b"one")
    packed = pickle.dumps(Archive(path))
    assert pickle.loads(packed) is pickle.loads(packed)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.wav", b"another")
    with pytest.raises(InputError, match="it was changed"):
        pickle.loads(packed)
    assert pickle.loads(pickle.dumps(Archive(path))).read("a.wav") == b"another"


def test_what_is_carried_answers_as_the_archive_does(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "toy.zip", "w") as file:
        file.writestr("a.wav", b"sound")
        file.writestr("b.wav", "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0a" * 32 + "\nsize 9\n")
    archive = Archive(tmp_path / "toy.zip")
    carried = archive.carried("a.wav")
    assert (carried.name, carried.size_bytes("a.wav"), carried.read("a.wav")) == ("toy", 5, b"sound")
    large = archive.carried("a.wav", most_bytes=4)
    assert (large.size_bytes("a.wav"), large.read("a.wav")) == (5, b"")
    with pytest.raises(InputError, match="is a Git LFS pointer"):
        archive.carried("b.wav").read("b.wav")
