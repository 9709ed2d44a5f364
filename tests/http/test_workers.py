"""Several processes behind one port: they share clients and add up metrics; one that dies is replaced; all end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from deepemo.http.workers import MOST_DEATHS, TurnTakingSocket
from tests.fixtures.serving import tone

ROOT = Path(__file__).parents[2]
START_SECONDS = 120

SERVER = """
import sys
from functools import partial
from deepemo.errors import InputError
from deepemo.http import server, workers
from tests.fixtures.serving import load_loudness

workers.EXIT_SECONDS = 2.0
bound = server.bind("127.0.0.1", int(sys.argv[1]))
try:
    workers.serve_by_workers(
        partial(load_loudness, sys.argv[2]), bound, server.Settings(), count=2, shutdown_seconds=1.0,
        on_ready=lambda: print("all are ready", file=sys.stderr, flush=True),
    )
except InputError as error:
    sys.exit(f"error: {error}")
"""


class Running:
    """A server of two workers in a separate process, and its log."""

    def __init__(self, kind: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self._log = folder / "log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.scratch)}
        command = [sys.executable, "-c", SERVER, str(self.port), kind]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.05)

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes that serve, in the order in which they were started."""
        found = psutil.Process(self.process.pid).children()
        return [one for one in found if "spawn_main" in " ".join(one.cmdline())]

    def get(self, path: str) -> str:
        """Send a request over a new connection, which any worker may take."""
        return httpx.get(self.address + path).text

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics"), re.MULTILINE)
        assert found is not None, name
        return float(found[1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    servers: list[Running] = []

    def begin(kind: str) -> Running:
        servers.append(Running(kind, tmp_path))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            family = psutil.Process(server.process.pid).children(recursive=True)
            server.process.kill()
            server.process.wait()
            for one in family:
                one.kill() if one.is_running() else None


MOST_CLIENTS = 60


def connections_of(process: psutil.Process, port: int) -> int:
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in process.net_connections("tcp")
    )


@pytest.mark.slow
def test_workers_share_clients_and_add_up_metrics_and_one_that_is_killed_is_replaced(start, wav) -> None:
    server = start("quick")
    server.wait_for(lambda: "all are ready" in server.said)
    first, second = server.workers

    # On a busy machine, the process that is awake takes most clients that connect at the same time.
    clients: list[socket.socket] = []

    def shares() -> list[int]:
        return [connections_of(one, server.port) for one in (first, second)]

    def all_are_taken() -> bool:
        return sum(shares()) >= len(clients)

    while min(shares()) < 3 and len(clients) < MOST_CLIENTS:
        clients += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
        server.wait_for(all_are_taken)
    assert min(shares()) >= 3, shares()
    for client in clients:
        client.close()

    # Every process reports the sum.
    content = wav(tone(1))
    for _ in range(8):
        assert httpx.post(f"{server.address}/v1/recognitions", files={"file": content}).status_code == 200
    angry = 'deepemo_recognitions_total{answer="angry",reason=""}'
    assert [server.metric(angry) for _ in range(6)] == [8.0] * 6
    assert server.metric("deepemo_recognition_seconds_count") == 8
    assert server.metric("deepemo_workers") == 2
    assert server.metric("deepemo_in_flight") == 0

    # The other process continues to answer, and the counts stay.
    first.kill()
    server.wait_for(lambda: f"worker 1 (process {first.pid}) was killed by SIGKILL; it is started again" in server.said)
    assert server.get("/readyz") == '{"status":"ok"}'
    server.wait_for(lambda: server.metric("deepemo_workers") == 2)
    assert server.metric(angry) == 8
    assert {one.pid for one in server.workers} > {second.pid}
    assert first.pid not in {one.pid for one in server.workers}

    family = psutil.Process(server.process.pid).children(recursive=True)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0, server.said
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert list(server.scratch.iterdir()) == []
    assert server.said.count("all are ready") == 1


@pytest.mark.slow
def test_all_end_within_their_time_also_those_that_are_stuck(start, wav) -> None:
    server = start("stuck")
    server.wait_for(lambda: "all are ready" in server.said)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.address}/v1/recognitions", files={"file": wav(tone(1))}, timeout=2)
    family = psutil.Process(server.process.pid).children(recursive=True)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    # 1 s for requests, 2 s to exit, 2 s until it would be killed; the rest is a margin for slow machines.
    assert server.process.wait(30) == 1
    assert time.monotonic() - began < 12
    assert psutil.wait_procs(family, timeout=10)[1] == []


@pytest.mark.slow
def test_a_worker_that_can_answer_no_recording_any_more_is_replaced(start, wav) -> None:
    server = start("fails")
    server.wait_for(lambda: "all are ready" in server.said)
    assert httpx.post(f"{server.address}/v1/recognitions", files={"file": wav(tone(1))}).status_code == 500
    server.wait_for(lambda: "the thread that runs the model has died; this worker ends" in server.said)
    server.wait_for(lambda: "ended with status 0; it is started again" in server.said)


@pytest.mark.slow
def test_workers_do_not_outlive_the_process_that_watches_them(start) -> None:
    server = start("quick")
    server.wait_for(lambda: "all are ready" in server.said)
    workers = server.workers
    server.process.kill()
    assert psutil.wait_procs(workers, timeout=20)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (
            "dies",
            rf"^error: worker [12] \(process \d+\) was killed by SIGKILL, and so died {MOST_DEATHS} times in a row ",
        ),
        ("unusable", r"^error: bundle\.json: found nothing$"),
    ],
)
def test_a_server_that_cannot_work_ends_with_one_error(start, kind: str, error: str) -> None:
    server = start(kind)
    assert server.process.wait(START_SECONDS) == 1
    assert len(re.findall(error, server.said, re.MULTILINE)) == 1
    assert "Traceback" not in server.said
    assert "all are ready" not in server.said


def test_a_process_takes_one_connection_a_turn() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        shared = TurnTakingSocket(fileno=os.dup(bound.fileno()))
    with shared:
        shared.setblocking(False)
        clients = [socket.create_connection(shared.getsockname()) for _ in range(3)]
        for _ in clients:
            taken, _ = shared.accept()
            taken.close()
            with pytest.raises(BlockingIOError):
                shared.accept()
        with pytest.raises(BlockingIOError):
            shared.accept()
        for client in clients:
            client.close()
