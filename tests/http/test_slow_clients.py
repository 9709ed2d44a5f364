"""Clients that send nothing, send slowly or do not read make nobody else wait. They use real sockets."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from tests.fixtures.serving import tone
from tests.fixtures.slow_clients import HEAD
from tests.http.test_streams import Live

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BODY = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'


def connect(live: str, *, source: str = "127.0.0.1") -> socket.socket:
    address = urlsplit(live)
    return socket.create_connection((address.hostname, address.port), timeout=30, source_address=(source, 0))


def closed_after(connection: socket.socket, most: float) -> float:
    """Seconds until the other end closes a connection."""
    began = time.monotonic()
    connection.settimeout(most)
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return time.monotonic() - began


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


def ask(live: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{live}/v1/recognitions", files={"file": ("a.wav", content)}, timeout=30)


def gauge(live: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{live}/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def test_headers_without_bodies_take_no_slot(start_live, wav, opened) -> None:
    """Once, headers without bodies for as many requests as there are slots gave 503 to all others for a minute."""
    live = start_live(at_once=1, waiting=1)
    for _ in range(10):
        opened.append(connect(live))
        opened[-1].sendall(HEAD)
    time.sleep(0.3)
    assert httpx.get(f"{live}/readyz").status_code == 200
    assert ask(live, wav(tone(1))).status_code == 200
    assert gauge(live, "deepemo_working") == 0


FEWEST_ROUNDS, MOST_ROUNDS = 3, 8


@contextmanager
def slow_clients(live: str, count: int) -> Iterator[None]:
    """Slow clients in a separate process, so that they take no time from this one."""
    command = [sys.executable, "-m", "tests.fixtures.slow_clients", str(urlsplit(live).port), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(1)
            yield
        finally:
            process.kill()


@contextmanager
def busy_clients(live: str, content: bytes, count: int) -> Iterator[None]:
    """Clients that send the next request as soon as they get an answer."""
    over = threading.Event()

    def ask_on() -> None:
        while not over.is_set():
            ask(live, content)

    with ThreadPoolExecutor(count) as threads:
        asking = [threads.submit(ask_on) for _ in range(count)]
        try:
            yield
        finally:
            over.set()
    for one in asking:
        one.result()


def test_good_clients_hardly_notice_slow_ones(start_live, speech, wav) -> None:
    """The 99th percentile of a good client's latencies at most doubles beside a hundred slow clients.

    Other work on the machine can make any round slow, with or without slow clients. The best rounds of both are
    compared, because they have the least other work. Clients that do delay the server show that the test can fail.
    """
    live = start_live(at_once=2, waiting=16)
    content = wav(speech)
    with httpx.Client(timeout=60) as client:

        def p99(requests: int = 100) -> float:
            found = []
            for _ in range(requests):
                began = time.perf_counter()
                answer = client.post(f"{live}/v1/recognitions", files={"file": ("a.wav", content)})
                assert answer.status_code == 200
                found.append(time.perf_counter() - began)
            return float(np.quantile(found, 0.99))

        p99()
        alone, beside = [], []
        while len(alone) < FEWEST_ROUNDS or (min(beside) > 2 * min(alone) and len(alone) < MOST_ROUNDS):
            alone.append(p99())
            with slow_clients(live, 100):
                beside.append(p99())
        with busy_clients(live, content, 8):
            crowded = p99(30)
    print(f"p99 alone {1000 * min(alone):.0f} ms, beside slow clients {1000 * min(beside):.0f} ms")
    print(f"beside clients that ask all the time {1000 * crowded:.0f} ms")
    assert min(beside) <= 2 * min(alone)
    assert crowded > 2 * min(alone), "what holds the server up is not noticed"


def test_a_connection_without_headers_is_closed(start_live, opened) -> None:
    live = start_live(header_seconds=0.5)
    for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
        opened.append(connect(live))
        opened[-1].sendall(sent)
    for connection in opened:
        assert closed_after(connection, 10) < 5


def test_headers_by_drops_do_not_prolong_the_time(start_live, opened) -> None:
    live = start_live(header_seconds=0.6)
    opened.append(connect(live))
    began = time.monotonic()
    with suppress(ConnectionError):
        for letter in b"GET / HTTP/1.1\r\nX: " + b"y" * 100:
            opened[0].sendall(bytes([letter]))
            time.sleep(0.1)
    assert time.monotonic() - began < 5, "the connection was not closed"


def test_the_second_request_of_a_connection_has_the_same_time(start_live, opened) -> None:
    live = start_live(header_seconds=0.6)
    opened.append(connect(live))
    opened[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert opened[0].recv(65536).startswith(b"HTTP/1.1 200")
    opened[0].sendall(b"GET /heal")
    assert closed_after(opened[0], 10) < 4


def test_work_is_not_interrupted_by_the_time_for_headers(start_live, model, speech, wav) -> None:
    live = start_live(header_seconds=0.3)
    model.interrupt = lambda: time.sleep(1)
    assert ask(live, wav(speech)).status_code == 200


def test_a_body_by_drops_is_refused_before_its_time_is_over(start_live, wav, opened, monkeypatch) -> None:
    monkeypatch.setattr("deepemo.http.uploads.RATE_SECONDS", 0.5)
    live = start_live(upload_seconds=60, min_bytes_per_second=1000)
    opened.append(connect(live))
    opened[0].sendall(HEAD + BODY)
    began = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() - began < 10:
            opened[0].sendall(bytes(20))
            time.sleep(0.1)
            opened[0].settimeout(0.01)
            with suppress(TimeoutError):
                assert opened[0].recv(65536).startswith(b"HTTP/1.1 408")
                break
    assert time.monotonic() - began < 5
    assert ask(live, wav(tone(1))).status_code == 200


def test_one_address_cannot_take_all_connections(start_live, wav, opened) -> None:
    live = start_live(connections=40, connections_per_address=5)
    for _ in range(30):
        opened.append(connect(live, source="127.0.0.9"))
    time.sleep(0.3)
    alive = 0
    for connection in opened:
        connection.settimeout(0.02)
        try:
            alive += connection.recv(1) != b""
        except TimeoutError:
            alive += 1
        except ConnectionError:
            pass
    assert alive == 5
    assert ask(live, wav(tone(1))).status_code == 200


def is_open(connection: socket.socket) -> bool:
    connection.settimeout(0.02)
    try:
        while connection.recv(65536):
            pass
        return False
    except TimeoutError:
        return True
    except ConnectionError:
        return False


@pytest.mark.parametrize("first_message", ["no JSON", '{"format": "s16", "rate_hz": 16000}'], ids=["refused", "open"])
def test_streams_are_connections_too(start_live, wav, opened, first_message) -> None:
    live = start_live(connections_per_address=5, streams_per_address=8)
    for _ in range(20):
        with suppress(OSError, AssertionError):  # no connection is accepted
            client = Live(live)
            opened.append(client.socket)
            client.send(first_message)
    time.sleep(0.3)
    assert sum(map(is_open, opened)) == 5
    for connection in opened:
        connection.close()
    time.sleep(0.3)
    assert ask(live, wav(tone(1))).status_code == 200


def test_a_connection_that_took_the_place_of_another_counts(start_live, opened) -> None:
    live = start_live(connections_per_address=1)
    opened.append(connect(live))
    time.sleep(0.1)
    opened.append(connect(live))
    opened[-1].sendall(HEAD)
    time.sleep(0.3)
    opened.append(connect(live))
    time.sleep(0.3)
    assert [is_open(connection) for connection in opened] == [False, True, False]


def test_idle_connections_make_room_for_new_ones(start_live, wav, opened) -> None:
    live = start_live(connections=10, connections_per_address=10)
    for number in range(50):
        opened.append(connect(live))
        if number % 2:
            opened[-1].sendall(b"GET / HTTP/1.1\r\n")
    for _ in range(5):
        assert ask(live, wav(tone(1))).status_code == 200


def test_a_client_that_does_not_read_is_let_go(start_live, opened) -> None:
    live = start_live(write_seconds=0.5, header_seconds=30)
    connection = connect(live)
    opened.append(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    asked = b"GET /page/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200
    connection.settimeout(10)
    began = time.monotonic()
    with suppress(ConnectionError):
        while time.monotonic() - began < 20:
            connection.sendall(asked)
            time.sleep(0.05)
    assert time.monotonic() - began < 10, "the connection was not closed"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD.replace(b"multipart/form-data", b"text/plain"), b"415"),
        (HEAD.replace(b"400000", b"40000000000"), b"413"),
        (HEAD.replace(b"; boundary=b", b""), b"400"),
        (HEAD.replace(b"/v1/recognitions", b"/nowhere"), b"404"),
        (HEAD.replace(b"Host: 127.0.0.1", b"Host: elsewhere.example"), b"421"),
        (HEAD.replace(b"\r\n\r\n", b"\r\nOrigin: https://elsewhere.example\r\n\r\n"), b"403"),
        (HEAD.replace(b"?", b"").replace(b"recognitions", b"recognitions?hop_seconds=0"), b"422"),
        (HEAD + b"no form at all\r\n", b"400"),
    ],
)
def test_a_refusal_before_the_body_closes_the_connection(start_live, opened, head: bytes, status: bytes) -> None:
    live = start_live(hosts=("127.0.0.1",))
    opened.append(connect(live))
    opened[0].sendall(head)
    answer = b""
    began = time.monotonic()
    with suppress(ConnectionError):
        while piece := opened[0].recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b"}"), "the whole answer is there"
    assert time.monotonic() - began < 10


def test_a_client_that_sends_all_of_a_refused_body_sees_why(start_live) -> None:
    """If a connection is closed while its client sends, the client may not see the answer."""
    live = start_live(max_upload_bytes=100_000)
    for _ in range(5):
        answer = ask(live, bytes(3_000_000))
        assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


def test_a_client_that_is_gone_frees_what_it_held(start_live, model, speech, wav, opened) -> None:
    live = start_live(at_once=1, waiting=4)
    began, release = threading.Event(), threading.Event()
    batches: list[int] = []

    def pause() -> None:
        began.set()
        release.wait(20)
        batches.append(1)

    model.interrupt = pause
    content = wav(np.tile(speech, 30))
    opened.append(connect(live))
    whole = HEAD.replace(b"400000", str(len(BODY + content) + 9).encode()) + BODY + content + b"\r\n--b--\r\n"
    opened[0].sendall(whole)
    assert began.wait(20)
    opened[0].close()
    time.sleep(1)
    release.set()
    until = time.monotonic() + 10
    while gauge(live, "deepemo_working"):
        assert time.monotonic() < until, "the work goes on though nobody waits for it"
        time.sleep(0.05)
    assert len(batches) <= 2, "the windows that were left are not worked on"
    assert gauge(live, "deepemo_held_bytes") == 0


def test_many_good_clients_at_once_are_all_answered(start_live, speech, wav) -> None:
    live = start_live(at_once=2, waiting=32)
    content = wav(speech)
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: ask(live, content).status_code, range(24)))
    assert answers == [200] * 24
