"""The server answers any bytes and continues to run. They are sent over sockets, as attackers would send them."""

import io
import socket
import time
import zipfile
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from tests.fixtures.serving import tone

pytestmark = pytest.mark.slow

FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
FORM_TAIL = b"\r\n--b--\r\n"


def post(live, content, **options):
    return httpx.post(f"{live}/v1/recognitions", files={"file": ("a.wav", content)}, timeout=30, **options)


def raw(live, request, *, close=False):
    """Send bytes as they are; give the answer's first line and reason."""
    address = urlsplit(live)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            connection.sendall(request)
        if close:
            return b""
        answer = b""
        with suppress(ConnectionResetError):
            while b"\r\n\r\n" not in answer and (piece := connection.recv(65536)):
                answer += piece
        return answer


def headed(live, *lines):
    host = urlsplit(live).netloc
    head = ["POST /v1/recognitions HTTP/1.1", f"Host: {host}", "Content-Type: multipart/form-data; boundary=b", *lines]
    return "\r\n".join([*head, "", ""]).encode()


def assert_alive(live, wav):
    assert post(live, wav(tone())).json()["reason"] == "no_voice"


def test_random_bytes_are_undecodable(live, wav):
    rng = np.random.default_rng(1)
    for size in (1, 2, 11, 44, 100, 4096, 100_000):
        response = post(live, rng.bytes(size))
        assert (response.status_code, response.json()["reason"]) == (422, "undecodable")
    assert_alive(live, wav)


def test_headers_cut_short(live, wav):
    content = wav(tone())
    for size in range(46):
        response = post(live, content[:size])
        reason = response.json()["reason"]
        assert (response.status_code, reason) in ((422, "undecodable"), (200, "too_short")), (size, response.text)
    assert_alive(live, wav)


def test_headers_that_lie(live, wav):
    rng = np.random.default_rng(2)
    for container in ("WAV", "FLAC", "AIFF", "OGG"):
        original = wav(tone(), format=container, subtype="VORBIS" if container == "OGG" else "PCM_16")
        for _ in range(25):
            content = bytearray(original)
            for position in rng.integers(0, 64, 4):
                content[position] = rng.integers(256)
            assert post(live, bytes(content)).status_code in (200, 413, 422)
    assert_alive(live, wav)


def test_two_gigabytes_in_a_wav_header_of_little(live, wav):
    content = bytearray(wav(tone()))
    content[40:44] = (2**31 - 1).to_bytes(4, "little")
    assert post(live, bytes(content)).json()["recording"]["seconds"] == pytest.approx(1)


def test_a_zip_named_wav(live):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("bomb.wav", bytes(1_000_000))
    assert post(live, archive.getvalue()).json()["reason"] == "undecodable"


def test_samples_that_are_no_numbers(live, wav):
    samples = tone()
    samples[::7] = np.nan
    response = post(live, wav(samples, subtype="FLOAT"))
    assert response.json()["reason"] == "undecodable"
    assert "NaN" in response.json()["detail"]


def test_two_gigabytes_announced_are_refused_before_they_come(live, wav):
    began = time.monotonic()
    answer = raw(live, headed(live, f"Content-Length: {2**31}") + FORM_HEAD)
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 5
    assert_alive(live, wav)


def test_lengths_that_are_no_lengths(live, wav):
    for length in ("-1", "1e9", "9" * 5000, "0x10", ""):
        assert raw(live, headed(live, f"Content-Length: {length}") + FORM_HEAD).startswith(b"HTTP/1.1 4")
    assert_alive(live, wav)


def test_chunks_without_end_are_cut_off(start_live, wav):
    live = start_live(max_upload_bytes=200_000)
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    first = f"{len(FORM_HEAD):x}\r\n".encode() + FORM_HEAD + b"\r\n"
    answer = raw(live, headed(live, "Transfer-Encoding: chunked") + first + 50 * chunk)
    assert answer.startswith(b"HTTP/1.1 413")
    assert_alive(live, wav)


def test_a_client_that_goes_away_in_the_middle_frees_its_place(start_live, wav):
    live = start_live(at_once=1, waiting=0)
    for _ in range(3):
        raw(live, headed(live, "Content-Length: 100000") + FORM_HEAD + bytes(5000), close=True)
        deadline = time.monotonic() + 10
        while httpx.get(f"{live}/readyz").status_code != 200:
            assert time.monotonic() < deadline, "the place was not given back"
            time.sleep(0.02)
    assert_alive(live, wav)


def test_a_client_that_dawdles_loses_its_place(start_live, wav):
    live = start_live(upload_seconds=0.3)
    answer = raw(live, headed(live, "Content-Length: 100000") + FORM_HEAD + bytes(5000))
    assert answer.startswith(b"HTTP/1.1 408")
    assert_alive(live, wav)


def test_names_of_files_are_never_used(live, wav, tmp_path):
    for name in ("../../../etc/passwd", "/dev/zero", "a\x00b", "%2e%2e", "CON", "x" * 4000):
        response = httpx.post(f"{live}/v1/recognitions", files={"file": (name, wav(tone()))})
        assert response.status_code == 200
        assert "passwd" not in response.text


def test_forms_that_are_no_forms(live, wav):
    rng = np.random.default_rng(3)
    form = FORM_HEAD + wav(tone(0.5)) + FORM_TAIL
    headers = {"content-type": "multipart/form-data; boundary=b"}
    for _ in range(40):
        body = bytearray(form)
        for position in rng.integers(0, 90, 3):
            body[position] = rng.integers(256)
        body = bytes(body[: rng.integers(1, len(body) + 1)] if rng.random() < 0.5 else body)
        response = httpx.post(f"{live}/v1/recognitions", content=body, headers=headers)
        assert response.status_code in (200, 400, 422), response.text
    huge = b"--b\r\n" + b"X-Pad: " + b"a" * 100_000 + b"\r\n\r\nx" + FORM_TAIL
    assert httpx.post(f"{live}/v1/recognitions", content=huge, headers=headers).status_code in (400, 413)
    many = b"--b\r\n" + b"X: y\r\n" * 5000 + b"\r\nx" + FORM_TAIL
    assert httpx.post(f"{live}/v1/recognitions", content=many, headers=headers).status_code in (400, 413)
    assert_alive(live, wav)
