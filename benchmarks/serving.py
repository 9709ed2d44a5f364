"""How fast the server answers, and whether it stays alive: `python -m benchmarks.serving clip.wav`.

Latency of a clip for one client and for sixteen, with windows gathered into batches (as `deepemo serve` does) and with
Keras's `predict` called for each request. Then 200 clients at once for a minute, a tenth of them going away in the
middle of their requests, while the server's memory is watched; at the end it is asked to stop with requests under way.
"""

import asyncio
import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import psutil  # type: ignore[import-untyped]
import soundfile
import typer

from benchmarks._measure import machine, write_section
from deepemo.reporting.markdown import table
from deepemo.serving.models_folder import read_bundle

if TYPE_CHECKING:
    import keras

    from deepemo.models.family import TrainedModel
    from deepemo.serving.batching import Inputs
    from deepemo.serving.predictor import Predictor

PREDICT = "Keras's `predict` for each request"
OURS = "ours, batched"
LEFT = ("deepemo_in_flight", "deepemo_held_bytes")
BOUNDARY = "benchmark"
MIB = 1 << 20


class Server:
    """A server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def memory_mib(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / MIB

    def cpu_seconds(self) -> float:
        """Processor time so far; a busy machine changes it little."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(models: Path, model: str | None, *, one_by_one: bool = False) -> Iterator[Server]:
    """Start a server and stop it at the end."""
    command = [sys.executable, "-m", "benchmarks.serving", "--models", str(models), "--child"]
    if model is not None:
        command += ["--model", model]
    if one_by_one:
        command.append("--one-by-one")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("port "))
    threading.Thread(target=process.stdout.read, daemon=True).start()
    try:
        yield Server(process, int(line.split()[1]))
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


class OneByOne:
    """A predictor that runs Keras's `predict` for every window, as a service is often written at first."""

    def __init__(self, predictor: "Predictor") -> None:
        """Wrap the networks of a predictor."""
        self.name, self.front_end, self.threshold = predictor.name, predictor.front_end, predictor.threshold
        self.emotions, self.prepare = predictor.emotions, predictor.prepare
        self._weights, self._input_of = predictor.weights, predictor.input_of
        self._networks = [_network(model) for model in predictor.models]

    def probabilities(self, inputs: "Inputs") -> npt.NDArray[np.float64]:
        """Probabilities [n, classes] of the inputs of n clips, without a temperature."""
        from deepemo.evaluation.calibration import softmax

        networks = list(zip(self._weights, self._networks, self._input_of, strict=True))
        return np.array(
            [
                sum(
                    weight * softmax(network.predict(inputs[of][row : row + 1], verbose=0))[0]
                    for weight, network, of in networks
                )
                for row in range(len(inputs[0]))
            ]
        )


def _network(model: "TrainedModel") -> "keras.Model":
    """A model as a Keras network from the arrays of its front end to logits."""
    import keras
    import tensorflow as tf

    class Logits(keras.layers.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            return model.graph(inputs)

    rate_hz = model.front_end.sample_rate_hz
    inputs = keras.Input(model.front_end(np.zeros(rate_hz, np.float32), rate_hz).shape)
    return keras.Model(inputs, Logits()(inputs))


async def serve(models: Path, model: str | None, one_by_one: bool) -> None:
    """What runs in the server's process."""
    import uvicorn

    from deepemo.http.app import create_app
    from deepemo.serving.predictor import Predictor
    from deepemo.serving.recognizer import Recognizer

    recognizer = Recognizer.load(models, model)
    if one_by_one:
        predictor = OneByOne(Predictor.load(models, model))
        recognizer = Recognizer(predictor, gate=recognizer.gate, limits=recognizer.limits)
    recognizer.warm_up()
    server = uvicorn.Server(uvicorn.Config(create_app(recognizer, {}), port=0, log_level="error"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("port", server.servers[0].sockets[0].getsockname()[1], flush=True)
    await task


def form(clip: bytes) -> bytes:
    """A clip as a multipart body."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return head.encode() + clip + f"\r\n--{BOUNDARY}--\r\n".encode()


def post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    """One request over a connection that stays open."""
    connection.request("POST", "/v1/recognitions", body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    response = connection.getresponse()
    return response.status, response.read()


def latencies(server: Server, body: bytes, *, clients: int, requests: int) -> dict[str, float]:
    """Milliseconds of requests by so many clients, each asking again as soon as it is answered."""

    def client(count: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        took = []
        for _ in range(count):
            began = time.perf_counter()
            status, answer = post(connection, body)
            if status != 200:
                raise RuntimeError(f"{status}: {answer[:200]!r}")
            took.append(1000 * (time.perf_counter() - began))
        return took

    worked = server.cpu_seconds()
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        each = list(pool.map(client, [requests // clients] * clients))
    seconds = time.perf_counter() - began
    took = np.concatenate(each)
    p50, p99 = np.percentile(took, [50, 99])
    return {
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "cpu_ms": 1000 * (server.cpu_seconds() - worked) / len(took),
        "per_second": len(took) / seconds,
    }


def soak(server: Server, body: bytes, *, clients: int, seconds: float) -> dict[str, Any]:
    """Many clients at once; a tenth of the requests are broken off. Memory is sampled twice a second."""
    end = time.monotonic() + seconds
    statuses: Counter[str] = Counter()
    lock = threading.Lock()

    def client(number: int) -> None:
        draw = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while time.monotonic() < end:
            try:
                if draw.random() < 0.1:
                    connection.putrequest("POST", "/v1/recognitions")
                    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
                    connection.putheader("Content-Length", str(len(body)))
                    connection.endheaders(body[: draw.randrange(len(body))])
                    connection.close()
                    outcome = "broken off"
                else:
                    outcome = str(post(connection, body)[0])
                    if outcome == "503":
                        time.sleep(draw.uniform(0.5, 1.5))
            except (ConnectionError, http.client.HTTPException) as error:
                outcome = type(error).__name__
                connection.close()
            with lock:
                statuses[outcome] += 1

    before = server.memory_mib()
    peak = before
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, server.memory_mib())
        time.sleep(0.5)
    time.sleep(1)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", "/metrics")
    counters = connection.getresponse().read().decode()
    left = {name: float(value) for name in LEFT for value in re.findall(rf"^{name} (\S+)$", counters, re.M)}
    return {
        "clients": clients,
        "seconds": seconds,
        "outcomes": dict(statuses.most_common()),
        "memory_mib": {"before": round(before), "peak": round(peak), "after": round(server.memory_mib())},
        "left_over": left,
    }


def stop_under_way(server: Server, body: bytes, *, clients: int) -> dict[str, Any]:
    """Ask the server to stop while requests are under way: those it has accepted are answered."""
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=60) for _ in range(clients)]
    for connection in connections:
        connection.connect()
    with ThreadPoolExecutor(clients) as pool:
        answers = [pool.submit(post, connection, body) for connection in connections]
        time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        statuses = Counter(
            str(answer.result()[0]) if answer.exception() is None else type(answer.exception()).__name__
            for answer in answers
        )
    return {"under_way": clients, "outcomes": dict(statuses), "exit_status": server.process.wait(60)}


def report(ways: dict[str, dict[int, dict[str, float]]], soaked: dict[str, Any], stopped: dict[str, Any]) -> str:
    """The tables and sentences of the section."""
    rows = [
        (way, clients, *(f"{found[name]:.1f}" for name in ("p50_ms", "p99_ms", "cpu_ms", "per_second")))
        for way, by_clients in ways.items()
        for clients, found in by_clients.items()
    ]
    header = ("way", "clients", "p50 ms", "p99 ms", "server's CPU ms a request", "requests a second")
    memory = soaked["memory_mib"]
    outcomes = ", ".join(f"{count} {name}" for name, count in soaked["outcomes"].items())
    left = ", ".join(f"{name} {value:g}" for name, value in soaked["left_over"].items())
    return (
        f"{table(header, rows)}\n\n"
        f"{soaked['clients']} clients for {soaked['seconds']:g} s, each asking again as soon as it was answered,"
        f" a tenth of the requests broken off in the middle: {outcomes}. The server's memory: {memory['before']} MiB"
        f" before, {memory['peak']} MiB at the peak, {memory['after']} MiB after; left over: {left}.\n\n"
        f"Asked to stop with {stopped['under_way']} requests under way, it answered them "
        f"({', '.join(f'{count} {name}' for name, count in stopped['outcomes'].items())}) and ended."
    )


def main(
    clip: Annotated[Path, typer.Argument(help="A clip of about three seconds of speech.")] = Path(),
    models: Annotated[Path, typer.Option(help="Folder of models.")] = Path("models"),
    model: Annotated[str | None, typer.Option(help="Predictor; by default the one that validation chose.")] = None,
    requests: Annotated[int, typer.Option(help="Of each measurement.")] = 320,
    soak_clients: Annotated[int, typer.Option(help="Clients at once.")] = 200,
    soak_seconds: Annotated[float, typer.Option(help="For how long.")] = 60.0,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
    one_by_one: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Measure, and write the section `Serving` of docs/benchmarks.md."""
    if child:
        asyncio.run(serve(models, model, one_by_one))
        return
    body = form(clip.read_bytes())
    about = machine()
    name, _ = read_bundle(models).predictor(model)
    ways: dict[str, dict[int, dict[str, float]]] = {}
    for way, single in ((PREDICT, True), (OURS, False)):
        with running(models, name, one_by_one=single) as server:
            latencies(server, body, clients=2, requests=20)
            ways[way] = {number: latencies(server, body, clients=number, requests=requests) for number in (1, 16)}
            print(way, ways[way], flush=True)
            if not single:
                soaked = soak(server, body, clients=soak_clients, seconds=soak_seconds)
                stopped = stop_under_way(server, body, clients=16)
    text = (
        f"`python -m benchmarks.serving CLIP --requests {requests}` on {about}.\n\n"
        f"The clients run on the same machine. One clip of {soundfile.info(clip).duration:.1f} s a request, answered "
        f"by `{name}`, over connections that stay open.\n\n{report(ways, soaked, stopped)}"
    )
    write_section("Serving", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
