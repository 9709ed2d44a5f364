"""`deepemo serve` as a process: killed amid a request, started again at once, and told to stop amid others."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# TensorFlow's files, which hold only code. A killed process cannot remove them.
GENERATED = "__autograph_generated_file"
START_SECONDS = 180
BOUNDARY = "voice"
GAUGES = ("deepemo_in_flight", "deepemo_held_bytes")


@pytest.fixture(scope="module")
def models(made_models: Path) -> Path:
    """Folder of models as a pipeline run leaves it, with small untrained networks."""
    return made_models


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def scratch(tmp_path) -> Path:
    """The servers' working folder, and the only one for temporary files."""
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def start(models, port, scratch) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts servers, always on the same port, and waits until they are ready."""
    processes = []

    def begin() -> subprocess.Popen:
        serve = "from deepemo.serving.cli import app; app()"
        command = [sys.executable, "-c", serve, "serve", "--models", models, "--model", "shallow", "--port", str(port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
        log = (scratch.parent / "log").open("ab")
        process = subprocess.Popen(list(map(str, command)), cwd=scratch, env=environment, stdout=log, stderr=log)
        processes.append(process)
        until = time.monotonic() + START_SECONDS
        while not ready(port):
            assert process.poll() is None, (scratch.parent / "log").read_text()
            assert time.monotonic() < until, "the server does not get ready"
            time.sleep(0.1)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse()


def ready(port: int) -> bool:
    try:
        return get(port, "/readyz").status == 200
    except OSError:
        return False


def wait_for(port: int, *, in_flight: int, held: int) -> None:
    """Wait until this many requests are in work and this many bytes of uploads have arrived."""
    while True:
        said = get(port, "/metrics").read().decode()
        found = [float(re.search(rf"^{name} (\S+)$", said, re.MULTILINE)[1]) for name in GAUGES]
        if found[0] == in_flight and found[1] >= held:
            return
        time.sleep(0.02)


class Upload:
    """A recording on its way to the server."""

    def __init__(self, port: int, content: bytes) -> None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"\r\n\r\n'.encode()
        self._body = head + content + f"\r\n--{BOUNDARY}--\r\n".encode()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.putrequest("POST", "/v1/recognitions")
        self._connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
        self._connection.putheader("Content-Length", str(len(self._body)))
        self._connection.endheaders()

    def send_half(self) -> None:
        middle = len(self._body) // 2
        self._connection.send(self._body[:middle])
        self._body = self._body[middle:]

    def answer(self) -> dict:
        self._connection.send(self._body)
        response = self._connection.getresponse()
        assert response.status == 200
        return json.loads(response.read())


def test_a_kill_loses_nothing_but_the_request_in_flight(start, port, scratch, speech, wav):
    content = wav(speech)
    server = start()
    assert f"http://127.0.0.1:{port} " in (scratch.parent / "log").read_text()
    before = Upload(port, content).answer()
    assert before["probabilities"] is not None

    lost = Upload(port, content)
    lost.send_half()
    wait_for(port, in_flight=1, held=1)
    server.send_signal(signal.SIGKILL)
    assert server.wait(30) == -signal.SIGKILL
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        lost.answer()
    assert [path for path in scratch.rglob("*") if not path.name.startswith(GENERATED)] == []

    killed_with = set(scratch.rglob("*"))
    server = start()  # on the same port, at once
    assert Upload(port, content).answer() == before

    # Told to stop while one upload arrives and one recording is worked on, it answers both.
    arriving = Upload(port, content)
    arriving.send_half()
    long = wav(np.tile(speech, 60))
    with ThreadPoolExecutor(1) as threads:
        worked_on = threads.submit(Upload(port, long).answer)
        wait_for(port, in_flight=2, held=len(long))
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.poll() is None
        assert not worked_on.done(), "it was answered before it was told to stop"
        assert arriving.answer() == before
        assert len(worked_on.result()["timeline"]["windows"]) > 100
    assert server.wait(60) == 0
    assert not ready(port)
    assert set(scratch.rglob("*")) <= killed_with, "what stops in order tidies up"
