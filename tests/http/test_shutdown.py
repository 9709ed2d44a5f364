"""A server that is told to stop ends within its time, even if work is running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.fixtures.recorders import webm
from tests.http.test_streams import Live, s16

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

# A server whose model never answers, like one that hangs in a library.
SERVER = """
import sys, threading
from deepemo.http import server
from deepemo.http.app import create_app
from deepemo.params import VoiceDecision
from deepemo.serving.recognizer import Recognizer
from tests.fixtures.serving import ABOUT, LIMITS, LoudnessModel

server.EXIT_SECONDS = 2.0
model = LoudnessModel()
model.interrupt = (lambda: None) if sys.argv[2] == "quick" else threading.Event().wait
any_sound = VoiceDecision(voice_threshold=0.0, min_voice_share=0.0, min_voice_seconds=0.0)
settings = server.Settings(ready_decoders=2)
app = create_app(Recognizer(model, gate=any_sound, limits=LIMITS), ABOUT, settings=settings)
bound = server.bind("127.0.0.1", int(sys.argv[1]))
server.run(app, bound, settings, on_start=lambda: None, shutdown_seconds=1.0)
"""


def start(kind: str) -> tuple[subprocess.Popen, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port), kind], cwd=ROOT, env=environment)
    live = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 120
    while True:
        assert process.poll() is None
        assert time.monotonic() < until
        try:
            if httpx.get(f"{live}/readyz").status_code == 200:
                return process, live
        except httpx.TransportError:
            time.sleep(0.1)


@pytest.mark.parametrize(("kind", "status"), [("quick", 0), ("stuck", 1)])
def test_it_ends_within_its_time(kind: str, status: int, wav, speech) -> None:
    process, live = start(kind)
    address = live.removeprefix("http://").split(":")
    decoders = psutil.Process(process.pid).children()
    assert len(decoders) == 2
    idle = socket.create_connection((address[0], int(address[1])))
    half = socket.create_connection((address[0], int(address[1])))
    half.sendall(b"POST /v1/recognitions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n")
    if kind == "stuck":
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{live}/v1/recognitions", files={"file": wav(speech)}, timeout=2)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == status
    # 1 s for requests, and 2 s to exit; the rest is a margin for slow machines.
    assert time.monotonic() - began < 10
    _, alive = psutil.wait_procs(decoders, timeout=10)
    assert alive == []
    idle.close()
    half.close()


@pytest.mark.parametrize("start_message", [{"format": "s16", "rate_hz": 16_000}, {"format": "webm"}])
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "ended"])
def test_streams_do_not_keep_it(start_message: dict, is_open: bool, speech) -> None:
    process, live = start("quick")
    client = Live(live)
    client.send(json.dumps(start_message))
    sound = s16(speech) if "rate_hz" in start_message else webm(speech)
    client.send(sound if not is_open else sound[: len(sound) // 2])
    answers = []
    if is_open:
        answers.append(client.next())
    else:
        client.send("end")
        answers += client.messages()
        client.socket.close()
        assert answers[-1]["type"] == "recognition"
    children = psutil.Process(process.pid).children()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert time.monotonic() - began < 10
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    client.socket.close()
