"""Clips on a local Dask cluster: the bytes of one machine, even if a worker is killed; one error if it goes away."""

import dataclasses
import hashlib
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from deepemo import cluster, cluster_worker
from deepemo.cluster import ADDRESS, map_on_cluster
from deepemo.cluster_worker import Packed, Place
from deepemo.corpora.archive import Archive, Recordings
from deepemo.errors import DecodeError, InputError
from deepemo.parallel import map_clips
from deepemo.reproducible import FAST, pins
from deepemo.yaml12 import read_yaml, write_yaml
from tests.test_parallel import cores_of_a_process, die_at_five, raise_unpicklable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

# `split` gives the views their training clips; the clips of all others go through the map.
STAGES = ("validate", "split", "featurize", "embed transfer", "embed speech", "embed_views speech")
TINY = {
    "featurize": {"clip_seconds": 1.0, "mel_bands": 16, "clips_per_shard": 40},
    "embed_speech": {"taps": ["layer1"], "clip_seconds": 1.0, "clips_per_shard": 40},
}


def make_recordings(folder: Path) -> None:
    """The output of `download`: 70 tones named as in CREMA-D, one of them not a sound; and params for short runs."""
    random = np.random.default_rng(3)
    (folder / "data" / "raw").mkdir(parents=True)
    with zipfile.ZipFile(folder / "data" / "raw" / "crema_d.zip", "w") as archive:
        for number in range(70):
            sound = io.BytesIO()
            seconds = np.arange(9000 + 100 * number) / 16000
            tone = 0.2 * np.sin(2 * np.pi * (150 + 5 * number) * seconds) + 0.01 * random.normal(size=len(seconds))
            soundfile.write(sound, tone, 16000, format="WAV")
            sentence, emotion = (
                ["IEO", "ITH", "DFA", "TIE", "IWW"][number // 14],
                ["ANG", "DIS", "FEA", "HAP", "NEU"][number % 5],
            )
            name = f"AudioWAV/{1001 + number % 14}_{sentence}_{emotion}_XX.wav"
            archive.writestr(name, sound.getvalue() if number else b"RIFF")
    params = read_yaml(ROOT / "params.yaml")
    for section, values in TINY.items():
        params[section].update(values)
    (folder / "params.yaml").write_text(write_yaml(params))


class Cluster:
    """A scheduler and two workers of one thread each, as processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {*pins(()), FAST, ADDRESS}
        self.environment = {name: value for name, value in os.environ.items() if name not in names}
        self.environment |= {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("distributed.cli.dask_scheduler", *options)
        while not file.exists():
            time.sleep(0.1)
        self.address = json.loads(file.read_text())["address"]
        self.workers = [self.start_worker() for _ in range(2)]

    def _start(self, module: str, *options: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", module, *options]
        log = (self.folder / f"{module}.log").open("ab")
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)

    def start_worker(self, *options: str) -> "subprocess.Popen[bytes]":
        # Without a nanny, because a nanny would start a killed worker again.
        own = ["--nthreads", "1", "--no-nanny", "--no-dashboard", *options]
        return self._start("distributed.cli.dask_worker", self.address, *own)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


# Code for a worker: it dies as soon as it begins a chunk while a certain file exists.
DIES = """
import os, signal
from distributed.diagnostics.plugin import WorkerPlugin

class Dies(WorkerPlugin):
    def transition(self, key, start, finish, **_):
        if finish == "executing" and key.startswith("deepemo-clips") and os.path.exists({path!r}):
            os.kill(os.getpid(), signal.SIGKILL)

async def dask_setup(worker):
    await worker.plugin_add(Dies())
"""


@pytest.fixture
def dask_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    started = Cluster(folder)
    monkeypatch.setenv(ADDRESS, started.address)
    monkeypatch.chdir(folder)
    yield started
    started.close()


# Runs a stage: for workers that see its folder, in which case no recording may be sent, or for workers that find
# another mark there than the one that was made for them.
TOGETHER = """
from deepemo import cluster
from deepemo.corpora.archive import Archive

Archive.carried = None
cluster._LOOK_SECONDS = 120  # a busy machine is not taken for workers apart
"""
APART = """
import dataclasses
from deepemo import cluster, cluster_worker

marked = cluster._marked
cluster._marked = lambda kept: dataclasses.replace(marked(kept), content=b"of another folder")
"""
RUN = "import runpy, sys, stages\n{}\nsys.argv = sys.argv[1:]\nrunpy.run_module(sys.argv[0], run_name='__main__')"


def run_stages(
    folder: Path, environment: dict[str, str], changed: str = "", stages: Sequence[str] = STAGES
) -> dict[str, str]:
    """Run each stage in a separate process; digests of all outputs except the recordings.

    Args:
        folder: to make and to run in.
        environment: of the processes.
        changed: code that runs before each stage.
        stages: to run.
    """
    make_recordings(folder)
    for stage in stages:
        command = [sys.executable, "-c", RUN.format(changed), *f"stages.{stage}".split()]
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    written = [path for name in ("data", "metrics", "reports") for path in sorted((folder / name).rglob("*"))]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in written
        if path.is_file() and path.suffix != ".zip"
    }


def when(condition: Callable[[], object], act: Callable[[], None]) -> threading.Thread:
    """Act in a thread as soon as a condition holds."""

    def watch() -> None:
        while not condition():
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.timeout(1800)
def test_a_cluster_gives_the_bytes_of_one_machine_also_with_a_worker_killed(
    tmp_path: Path, dask_cluster: Cluster
) -> None:
    environment = dask_cluster.environment
    here = run_stages(tmp_path / "here", environment)
    assert {
        "data/clips.csv",
        "data/features/0000.tfrecord",
        "data/embeddings/speech/0001.tfrecord",
        "data/embeddings/speech_views/0/0001.tfrecord",
    } < set(here)
    there = {**environment, ADDRESS: dask_cluster.address}
    dies = tmp_path / "dies.py"
    dies.write_text(DIES.format(path=str(tmp_path / "there" / "data" / "clips.csv")))
    dask_cluster.workers.append(dask_cluster.start_worker("--preload", str(dies)))
    assert run_stages(tmp_path / "there", there, TOGETHER) == here
    assert dask_cluster.workers[-1].wait(60) == -signal.SIGKILL
    kept = tmp_path / "there" / ".resume" / "clips"
    assert not list(kept.iterdir()), "what was kept is removed once it is all there"
    apart = run_stages(tmp_path / "apart", there, APART, ("validate", "featurize", "embed speech"))
    assert {"data/clips.csv", "data/features/0000.tfrecord", "data/embeddings/speech/0001.tfrecord"} < set(apart)
    assert apart.items() < here.items()


def square_slowly(number: int) -> int:
    time.sleep(0.05)
    return number**2


def refuse_five(number: int) -> int:
    if number == 5:
        raise DecodeError("clip 5: no sound")
    return number


def numbered(taken: list[int]) -> Iterator[int]:
    for number in range(1000):
        taken.append(number)
        yield number


def test_results_come_in_order_and_items_are_taken_as_room_becomes_free(dask_cluster: Cluster) -> None:
    results = map_clips(square_slowly, range(9), name="squares", total=9, workers=1, chunk=2)
    assert list(results) == [number**2 for number in range(9)]
    taken: list[int] = []
    results = map_on_cluster(square_slowly, numbered(taken), name="bound", chunk=1)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    assert len(taken) <= cluster.AHEAD * len(dask_cluster.workers) + 4
    results.close()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="cores are shared out on Linux only")
def test_the_processes_of_a_worker_share_its_cores_evenly(dask_cluster: Cluster, tmp_path: Path) -> None:
    mine = sorted(os.sched_getaffinity(0))
    if len(mine) < 2:
        pytest.skip("this machine has one core")
    for process in dask_cluster.workers:
        process.kill()
        process.wait()
    dask_cluster.workers = [dask_cluster.start_worker("--nthreads", "2")]
    (tmp_path / "meeting").mkdir()
    items = [(number, tmp_path / "meeting", 2) for number in range(2)]
    found = set(map_on_cluster(cores_of_a_process, items, name="cores", chunk=1))
    assert found == {tuple(mine[0::2]), tuple(mine[1::2])}


@pytest.mark.usefixtures("dask_cluster")
def test_an_error_of_the_work_is_raised_as_it_is_and_a_process_that_dies_is_named() -> None:
    with pytest.raises(DecodeError, match="clip 5: no sound"):
        list(map_on_cluster(refuse_five, range(9), name="refuse", chunk=2))
    with pytest.raises(RuntimeError, match="UnpicklableError: clip 5: of a library"):
        list(map_on_cluster(raise_unpicklable, range(9), name="unpicklable", chunk=2))
    with pytest.raises(InputError, match=r"3 processes died over one chunk, the last with status -9"):
        list(map_on_cluster(die_at_five, range(9), name="die", chunk=2))


def read_recording(item: tuple[Recordings, str]) -> tuple[str, bytes]:
    recordings, member = item
    return type(recordings).__name__, recordings.read(member)


@pytest.mark.usefixtures("dask_cluster")
@pytest.mark.parametrize("found", ["the archive", "another folder", "another archive"])
def test_recordings_are_named_to_workers_that_see_them_and_sent_to_others(
    monkeypatch: pytest.MonkeyPatch, found: str
) -> None:
    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 120)  # a busy machine is not taken for workers apart
    with zipfile.ZipFile("toy.zip", "w") as file:
        for number in range(9):
            file.writestr(f"{number}.wav", f"sound {number}")
    archive = Archive(Path("toy.zip"))
    if found == "another folder":
        marked = cluster._marked
        monkeypatch.setattr(cluster, "_marked", lambda kept: dataclasses.replace(marked(kept), content=b"of another"))
    if found == "another archive":
        later = Path("toy.zip").stat().st_mtime_ns + 10**9
        os.utime("toy.zip", ns=(later, later))
    sent = []

    def carry(item: tuple[Archive, str]) -> tuple[Recordings, str]:
        sent.append(item[1])
        return item[0].carried(item[1]), item[1]

    members = archive.recordings()
    items = [(archive, member) for member in members]
    results = list(map_on_cluster(read_recording, items, name="recordings", chunk=2, carry=carry))
    assert [content for _, content in results] == [f"sound {number}".encode() for number in range(9)]
    named = found == "the archive"
    assert {kind for kind, _ in results} == {"Archive" if named else "Carried"}
    assert sorted(sent) == ([] if named else members)


@pytest.mark.usefixtures("dask_cluster")
def test_workers_apart_from_the_folder_work_at_the_same_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    marked = cluster._marked
    monkeypatch.setattr(cluster, "_marked", lambda kept: dataclasses.replace(marked(kept), content=b"of another"))
    (tmp_path / "meeting").mkdir()
    items = [(number, tmp_path / "meeting", 2) for number in range(2)]
    assert len(list(map_on_cluster(cores_of_a_process, items, name="apart", chunk=1, carry=tuple))) == 2


def time_out(number: int) -> int:
    raise TimeoutError(f"recording {number}: the file server does not answer")


@pytest.mark.usefixtures("dask_cluster")
def test_a_timeout_of_the_work_is_no_reason_to_wait() -> None:
    with pytest.raises(TimeoutError, match="recording 0: the file server does not answer"):
        list(map_on_cluster(time_out, range(3), name="timeout", chunk=1))


def test_a_process_that_dies_while_it_answers_is_asked_again_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying:
        def ask(self, items: Packed) -> tuple[bool, object]:
            raise pickle.UnpicklingError("pickle data was truncated")

        def close(self) -> int:
            return -signal.SIGKILL

    processes = []
    monkeypatch.setattr(cluster_worker, "_process_for", lambda *of: processes.append(Dying()) or processes[-1])
    place = Place(Path(), Path("mark"), b"")
    with pytest.raises(InputError, match="3 processes died over one chunk, the last with status -9"):
        cluster_worker.work_on(b"task", Packed([]), place=place, fast=True)
    assert len(processes) == 3


def test_the_items_of_a_chunk_are_sent_without_a_copy_of_their_bytes() -> None:
    items = [bytes([number]) * 50_000 for number in range(3)]
    apart: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(Packed(items), protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=apart.append)
    assert len(pickled) < 200
    passed_on = pickle.loads(pickled, buffers=apart)
    again = pickle.loads(pickle.dumps(passed_on, protocol=pickle.HIGHEST_PROTOCOL))
    assert [bytes(item) for item in again.items] == items


@pytest.mark.usefixtures("dask_cluster")
def test_workers_with_other_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "code_digest", lambda: "another")
    with pytest.raises(InputError, match="runs another version of deepemo, or other packages"):
        list(map_on_cluster(refuse_five, range(3), name="other", chunk=2))


def test_a_cluster_that_goes_away_is_one_error_and_the_next_run_goes_on(
    dask_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 3)
    kept = Path(".resume/clips/squares")
    when(lambda: len(list(kept.glob("*.pickle"))) >= 3, dask_cluster.scheduler.kill)
    with pytest.raises(InputError, match=r"the Dask cluster at tcp://.* went away .* finished chunks are kept in "):
        list(map_on_cluster(square_slowly, range(200), name="squares", chunk=2))
    finished = len(list(kept.glob("*.pickle")))
    assert 3 <= finished < 100
    with pytest.raises(InputError, match=f"{ADDRESS}: no Dask scheduler answers at tcp://"):
        list(map_on_cluster(square_slowly, range(200), name="squares", chunk=2))
    (tmp_path / "another").mkdir()
    another = Cluster(tmp_path / "another")
    try:
        monkeypatch.setenv(ADDRESS, another.address)
        began = time.monotonic()
        assert list(map_on_cluster(square_slowly, range(2 * finished), name="squares", chunk=2)) == [
            number**2 for number in range(2 * finished)
        ]
        assert time.monotonic() - began < 2 * finished * 0.05 + 30
    finally:
        another.close()


@pytest.mark.usefixtures("dask_cluster")
@pytest.mark.parametrize(
    ("error", "words"), [(TimeoutError(), "had no worker for"), (OSError("gone"), "went away (gone)")]
)
def test_a_cluster_that_is_lost_while_a_worker_is_waited_for_is_one_error(
    error: OSError, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("distributed.Client.wait_for_workers", wait)
    with pytest.raises(InputError, match=f"the Dask cluster at tcp://.* {re.escape(words)}"):
        list(map_on_cluster(str, range(3), name="lost", chunk=2, carry=str))


def test_without_an_address_nothing_of_dask_is_imported() -> None:
    code = "import sys, deepemo.parallel; print(sorted({'dask', 'distributed'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
