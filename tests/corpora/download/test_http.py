"""One file over HTTP from a server that misbehaves, one fault per test: requests, messages, and the part kept."""

import errno
import hashlib
import os
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from deepemo.corpora.download import http
from deepemo.corpora.download.http import Fetcher, MissingError, Patience, _LastingError, _Session
from deepemo.corpora.download.transfer import Expected, Progress
from deepemo.errors import InputError

CONTENT = bytes(range(256)) * 1200
EXPECTED = Expected(size_bytes=len(CONTENT), digest=hashlib.sha256(CONTENT).hexdigest())
HALF = len(CONTENT) // 2


def fetch(patience: Patience, target: Path, *urls: str, expected: Expected = EXPECTED) -> None:
    with Progress("test", total_bytes=len(CONTENT)) as progress:
        Fetcher(patience, progress).fetch(urls, target, expected)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "incoming" / "file.zip"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_comes_whole_and_is_not_asked_for_again(server: Any, impatient: Patience, target: Path) -> None:
    url = server.put("/file", CONTENT)
    fetch(impatient, target, url)
    fetch(impatient, target, url)
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/file", None)]
    assert left(target) == ["file.zip"]


def test_a_finished_file_that_is_damaged_is_fetched_again(server: Any, impatient: Patience, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1] + b"?")
    fetch(impatient, target, server.put("/file", CONTENT))
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [500, 503, 429, 408])
def test_a_passing_status_is_tried_again(
    server: Any, faults: Any, impatient: Patience, target: Path, code: int
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.status(code), faults.status(code)))
    assert target.read_bytes() == CONTENT
    assert server.counts()["/file"] == 3


def test_attempts_end(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    url = server.put("/file", CONTENT, *[faults.status(503)] * 9)
    with pytest.raises(InputError, match=rf"file\.zip: not fetched from {url}: HTTP 503 .*; expected 307,200 bytes"):
        fetch(impatient, target, url)
    assert server.counts()["/file"] == impatient.attempts
    assert left(target) == []


def test_the_wait_is_what_the_server_asks_for_within_limits(
    server: Any, faults: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.status(429, Retry_After="7000")))
    assert f"HTTP 429 Too Many Requests; attempt 2 of 4 in {impatient.longest_wait_seconds} s" in caplog.text


def test_only_the_rest_of_a_cut_body_is_asked_for(
    server: Any, faults: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.cut_after(HALF)))
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/file", None), ("/file", f"bytes={HALF}-")]
    assert left(target) == ["file.zip"]
    assert "connection broken: Incomplete" in caplog.text


def test_another_run_continues(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    url = server.put("/file", CONTENT, faults.cut_after(HALF), *[faults.status(503)] * 3)
    with pytest.raises(InputError, match="153,600 bytes are kept, the next run continues there"):
        fetch(impatient, target, url)
    assert left(target) == ["file.zip.part", "file.zip.part.json"]
    fetch(impatient, target, url)
    assert server.asked[-1] == ("/file", f"bytes={HALF}-")
    assert target.read_bytes() == CONTENT


def test_a_whole_part_is_not_asked_for(server: Any, impatient: Patience, target: Path) -> None:
    url = server.put("/file", CONTENT)
    target.parent.mkdir()
    target.with_name("file.zip.part").write_bytes(CONTENT)
    target.with_name("file.zip.part.json").write_text(f'{{"url": "{url}", "validator": ""}}')
    fetch(impatient, target, url)
    assert server.asked == []
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(
    server: Any, faults: Any, impatient: Patience, target: Path
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.cut_after(HALF), ranges=False))
    assert server.counts()["/file"] == 2
    assert target.read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_begins_anew(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    """The file's ETag has changed since the part was fetched: If-Range makes the server send the whole new file."""

    def cut_old(handler: Any, page: Any) -> None:
        handler.answer(200, b"\xff" * HALF, {"ETag": '"old"'}, declared=len(CONTENT))

    fetch(impatient, target, server.put("/file", CONTENT, cut_old))
    assert server.counts()["/file"] == 2
    assert target.read_bytes() == CONTENT


def test_a_part_of_another_file_is_found_out_without_an_etag(server: Any, impatient: Patience, target: Path) -> None:
    def cut_old(handler: Any, page: Any) -> None:
        handler.answer(200, b"\xff" * HALF, declared=len(CONTENT))

    fetch(impatient, target, server.put("/file", CONTENT, cut_old, etag=""))
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", None]
    assert target.read_bytes() == CONTENT


def test_a_range_that_cannot_be_had_begins_anew(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.cut_after(HALF), faults.status(416)))
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", None]
    assert target.read_bytes() == CONTENT


def test_another_range_than_asked_for_begins_anew(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    def elsewhere(handler: Any, page: Any) -> None:
        handler.answer(206, page.content[9:], {"Content-Range": f"bytes 9-{len(CONTENT) - 1}/{len(CONTENT)}"})

    fetch(impatient, target, server.put("/file", CONTENT, faults.cut_after(HALF), elsewhere))
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_is_tried_once_more(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    damaged = CONTENT[:-1] + b"?"
    fetch(impatient, target, server.put("/file", CONTENT, faults.body(damaged)))
    assert target.read_bytes() == CONTENT
    server.asked.clear()
    other = target.with_name("other.zip")
    found = hashlib.sha256(damaged).hexdigest()
    with pytest.raises(InputError, match=f"found sha256 {found}; expected 307,200 bytes with sha256 {EXPECTED.digest}"):
        fetch(impatient, other, server.put("/damaged", damaged))
    assert server.counts()["/damaged"] == 2
    assert left(target) == ["file.zip"]


@pytest.mark.parametrize(("code", "kind"), [(404, MissingError), (410, MissingError), (403, InputError)])
def test_a_final_status_is_not_tried_again(
    server: Any, faults: Any, impatient: Patience, target: Path, code: int, kind: type[InputError]
) -> None:
    url = server.put("/file", CONTENT, faults.status(code))
    with pytest.raises(InputError, match=f"{url}: HTTP {code}") as raised:
        fetch(impatient, target, url)
    assert type(raised.value) is kind
    assert server.counts()["/file"] == 1
    assert left(target) == []


def test_a_redirect_is_followed_and_a_loop_of_them_ends(
    server: Any, faults: Any, impatient: Patience, target: Path
) -> None:
    def moved(handler: Any, page: Any) -> None:
        handler.answer(302, b"", {"Location": "/elsewhere"})

    server.put("/elsewhere", CONTENT)
    fetch(impatient, target, server.put("/file", b"", moved))
    assert target.read_bytes() == CONTENT
    with pytest.raises(InputError, match="redirected more than 10 times"):
        fetch(impatient, target.with_name("other"), server.put("/loop", CONTENT, faults.loop))
    assert server.counts()["/loop"] == 11
    assert left(target) == ["file.zip"]


class Redirected(requests.Response):
    """An answer that redirects from one address to another."""

    def __init__(self, url: str, location: str) -> None:
        super().__init__()
        self.url, self.status_code = url, 302
        self.headers["Location"] = location


@pytest.mark.parametrize(
    ("url", "location", "fault"),
    [
        ("https://93.184.216.34/a", "http://93.184.216.34/a", r"redirected to http://93\.184\.216\.34, expected https"),
        ("https://93.184.216.34/a", "ftp://93.184.216.34/a", "expected https"),
        ("https://93.184.216.34/a", "https://127.0.0.1/a", r"redirected to 127\.0\.0\.1, which is no public address"),
        ("https://93.184.216.34/a", "https://169.254.169.254/latest/meta-data", "no public address"),
        ("https://93.184.216.34/a", "https://10.1.2.3/a", "no public address"),
        ("https://93.184.216.34/a", "https://[::1]/a", "no public address"),
        ("https://93.184.216.34/a", "https://[::ffff:127.0.0.1]/a", "no public address"),
        ("https://93.184.216.34/a", "https://2130706433/a", "no public address"),
        ("https://93.184.216.34/a", "https://localhost/a", "no public address"),
        ("https://93.184.216.34/a", "//127.0.0.1/a", "no public address"),
        ("http://93.184.216.34/a", "http://127.0.0.1/a", "no public address"),
        ("https://93.184.216.34/a", "https://93.184.216.35/b", None),
        ("https://93.184.216.34/a", "/b", None),
        ("http://127.0.0.1/a", "http://127.0.0.1:8080/b", None),
        ("http://127.0.0.1/a", "https://93.184.216.34/b", None),
    ],
)
def test_a_redirect_leads_to_no_plain_http_and_no_private_address(url: str, location: str, fault: str | None) -> None:
    session, answer = _Session(), Redirected(url, location)
    if fault is None:
        assert session.get_redirect_target(answer) == location
        return
    with pytest.raises(_LastingError, match=fault):
        session.get_redirect_target(answer)


def test_a_redirect_that_is_refused_names_where_it_led(
    server: Any, impatient: Patience, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "is_private", lambda host: host == "localhost")
    elsewhere = server.url("/b").replace("127.0.0.1", "localhost")
    url = server.put("/a", CONTENT, lambda handler, page: handler.answer(302, b"", {"Location": elsewhere}))
    with pytest.raises(InputError, match="redirected to localhost, which is no public address"):
        fetch(impatient, target, url)
    assert server.counts() == {"/a": 1}


def test_a_list_has_a_largest_size(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    """If neither size nor digest is known, only this limit ends an endless answer."""
    expected = Expected(most_bytes=len(CONTENT) - 1)
    with pytest.raises(InputError, match=rf"found {len(CONTENT):,} bytes; expected a file of at most"):
        fetch(impatient, target, server.put("/told", CONTENT), expected=expected)

    def endless(handler: Any, page: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(page.content)
        handler.close_connection = True

    with pytest.raises(InputError, match=rf"found more than {len(CONTENT) - 1:,} bytes"):
        fetch(impatient, target, server.put("/untold", CONTENT, endless), expected=expected)
    assert left(target) == []
    fetch(impatient, target, server.put("/fits", CONTENT), expected=Expected(most_bytes=len(CONTENT)))
    assert target.read_bytes() == CONTENT


def test_a_stall_is_cut_and_continued(
    server: Any, faults: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.stall))
    assert server.asked == [("/file", None), ("/file", f"bytes={HALF}-")]
    assert target.read_bytes() == CONTENT
    assert "silent for 0.3 s" in caplog.text


def test_a_trickle_is_cut(
    server: Any, faults: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.drip))
    assert target.read_bytes() == CONTENT
    assert "slow: " in caplog.text


@pytest.mark.parametrize(
    ("page", "content_type"),
    [(b"\n<!DOCTYPE html><p>Sign in", "application/zip"), (b"<p>Sign in", "text/html; charset=utf-8")],
)
def test_a_web_page_is_not_taken_for_the_file(
    server: Any, faults: Any, impatient: Patience, target: Path, page: bytes, content_type: str
) -> None:
    url = server.put("/file", CONTENT, faults.body(page, content_type))
    with pytest.raises(InputError, match="found a web page; expected 307,200 bytes"):
        fetch(impatient, target, url)
    assert left(target) == []
    assert server.counts()["/file"] == 1


def test_a_length_that_is_declared_too_short_is_found_out(
    server: Any, faults: Any, impatient: Patience, target: Path
) -> None:
    fetch(impatient, target, server.put("/file", CONTENT, faults.understate(1000)))
    assert server.asked == [("/file", None), ("/file", "bytes=1000-")]
    assert target.read_bytes() == CONTENT


def test_a_larger_file_is_refused_before_it_comes(server: Any, impatient: Patience, target: Path) -> None:
    with pytest.raises(InputError, match="found 614,400 bytes; expected 307,200 bytes"):
        fetch(impatient, target, server.put("/file", CONTENT * 2))
    assert left(target) == []


def test_the_second_address_serves_where_the_first_does_not(
    server: Any, faults: Any, impatient: Patience, target: Path
) -> None:
    mirror = server.put("/mirror", CONTENT)
    fetch(impatient, target, server.url("/gone"), mirror)
    fetch(impatient, target.with_name("b"), server.put("/busy", CONTENT, *[faults.status(503)] * 9), mirror)
    fetch(impatient, target.with_name("c"), server.put("/other", CONTENT[::-1]), mirror)
    assert [target.with_name(name).read_bytes() == CONTENT for name in ("file.zip", "b", "c")] == [True] * 3
    assert server.counts() == {"/gone": 1, "/busy": 1, "/other": 1, "/mirror": 3}


def test_another_address_is_asked_without_the_wait_that_the_first_asks_for(
    server: Any, faults: Any, target: Path
) -> None:
    busy = server.put("/busy", CONTENT, *[faults.status(429, Retry_After="50")] * 9)
    began = time.monotonic()
    fetch(Patience(), target, busy, server.put("/mirror", CONTENT))
    assert time.monotonic() - began < 5
    assert server.counts() == {"/busy": 1, "/mirror": 1}


def test_a_trickle_ends_in_the_other_address(server: Any, faults: Any, impatient: Patience, target: Path) -> None:
    """Each attempt brings some bytes, but the file would never be complete."""
    slow = server.put("/slow", CONTENT, *[faults.drip] * 9)
    fetch(impatient, target, slow, server.put("/mirror", CONTENT))
    assert target.read_bytes() == CONTENT
    assert server.counts() == {"/slow": 1, "/mirror": 1}


@pytest.mark.parametrize("code", [403, 503])
def test_an_address_that_gives_nothing_comes_last_after_a_few_files(
    server: Any, faults: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    fetcher = Fetcher(impatient, Progress("test", total_bytes=0))

    def bring(name: str) -> None:
        fetcher.fetch([server.url(f"/first/{name}"), server.url(f"/mirror/{name}")], target.with_name(name), EXPECTED)

    for name in "abcdefgh":
        server.put(f"/first/{name}", CONTENT, *[faults.status(code)] * (name < "g"))
        server.put(f"/mirror/{name}", CONTENT, *[faults.status(404)] * (name == "g"))
        bring(name)
    asked_first = [path for path, _ in server.asked if path.startswith("/first")]
    # A file that the mirror lacks comes from the first address again, which is trusted from then on.
    assert asked_first == ["/first/a", "/first/b", "/first/c", "/first/g", "/first/h"]
    assert left(target) == list("abcdefgh")
    said = [record.getMessage() for record in caplog.records if "asked last" in record.getMessage()]
    assert said == [
        f"{server.url('/first')} gave none of the last 3 files that {server.url('/mirror')} has; "
        "from now on it is asked last"
    ]


def test_a_gap_in_the_first_address_does_not_change_the_order(
    server: Any, impatient: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetcher = Fetcher(impatient, Progress("test", total_bytes=0))
    for number in range(8):
        if number % 2:
            server.put(f"/first/{number}", CONTENT)
        urls = [server.url(f"/first/{number}"), server.put(f"/mirror/{number}", CONTENT)]
        fetcher.fetch(urls, target.with_name(str(number)), EXPECTED)
    assert sum(path.startswith("/first") for path, _ in server.asked) == 8
    assert "asked last" not in caplog.text


def test_waits_that_servers_ask_for_are_bounded_in_all(
    server: Any, faults: Any, unhurried: Patience, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    patience = replace(unhurried, longest_wait_seconds=0.2, asked_wait_seconds=0.3)
    fetcher = Fetcher(patience, Progress("test", total_bytes=0))
    for number in range(4):
        url = server.put(f"/{number}", CONTENT, faults.status(429, Retry_After="9"))
        fetcher.fetch([url], target.with_name(str(number)), EXPECTED)
    # The message gives the time that is left; a busy machine may already have used some of it.
    waits = [float(message.rpartition(" in ")[2].removesuffix(" s")) for message in caplog.messages]
    longest = [0.2, 0.12, 0.01, 0.01]
    assert len(waits) == len(longest)
    assert all(wait <= most for wait, most in zip(waits, longest, strict=True))
    assert waits[0] > waits[1] > 2 * longest[2]


def test_a_range_that_ends_before_the_file_is_not_taken_for_the_whole(
    server: Any, faults: Any, impatient: Patience, target: Path
) -> None:
    """If a file has no known size or checksum, only the answer tells its size."""

    def capped(handler: Any, page: Any) -> None:
        some = page.content[HALF : HALF + 1000]
        span = f"bytes {HALF}-{HALF + 999}/{len(page.content)}"
        handler.answer(206, some, {"Content-Range": span, "ETag": page.etag})

    fetch(impatient, target, server.put("/file", CONTENT, faults.cut_after(HALF), capped), expected=Expected())
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


@pytest.mark.parametrize("origin", [b"", b"[]", b'{"url": 1}', b"\xff\xfe", b"null"])
def test_a_part_that_does_not_say_what_it_is_begins_anew(
    server: Any, impatient: Patience, target: Path, origin: bytes
) -> None:
    target.parent.mkdir()
    target.with_name("file.zip.part").write_bytes(CONTENT[:HALF])
    target.with_name("file.zip.part.json").write_bytes(origin)
    fetch(impatient, target, server.put("/file", CONTENT))
    assert server.asked == [("/file", None)]
    assert left(target) == ["file.zip"]


def test_a_stall_before_the_first_byte_leaves_nothing(server: Any, impatient: Patience, target: Path) -> None:
    def mute(handler: Any, page: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page.content)))
        handler.end_headers()
        handler.wfile.flush()
        time.sleep(0.6)
        handler.close_connection = True

    with pytest.raises(InputError, match=r"silent for 0\.3 s"):
        fetch(replace(impatient, attempts=1), target, server.put("/file", CONTENT, mute))
    assert left(target) == []


def test_an_empty_file_is_a_file(server: Any, impatient: Patience, target: Path) -> None:
    empty = Expected(size_bytes=0, digest=hashlib.sha256().hexdigest())
    fetch(impatient, target, server.put("/empty", b""), expected=empty)
    assert target.read_bytes() == b""


@pytest.mark.parametrize("fault", ["range", "content", "changed", "cut"])
def test_the_bar_ends_at_the_size_of_the_file(
    server: Any, faults: Any, impatient: Patience, target: Path, fault: str
) -> None:
    answers = {
        "range": [faults.cut_after(HALF), faults.status(416)],
        "content": [faults.body(CONTENT[::-1])],
        "changed": [faults.cut_after(HALF), faults.body(CONTENT)],
        "cut": [faults.cut_after(HALF)],
    }

    class Counting(Progress):
        counted = 0

        def advance(self, size_bytes: int) -> None:
            self.counted += size_bytes

    progress = Counting("test", total_bytes=0)
    Fetcher(impatient, progress).fetch([server.put("/file", CONTENT, *answers[fault])], target, EXPECTED)
    assert progress.counted == len(CONTENT)


def test_no_server_at_all(server: Any, impatient: Patience, target: Path) -> None:
    server.server_close()
    with pytest.raises(InputError, match=r"connection broken: .*refused"):
        fetch(replace(impatient, attempts=2), target, server.url("/file"))


def test_a_disk_that_is_too_small_is_told_before_a_byte_is_written(
    server: Any, impatient: Patience, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(InputError, match=r"file\.zip\.part: the disk has 1,000 bytes free, 307,200 are needed"):
        fetch(impatient, target, server.put("/file", CONTENT))
    assert left(target) == []


def test_a_disk_that_fills_up_keeps_what_is_good(
    server: Any, impatient: Patience, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("/file", CONTENT)
    opened = Path.open

    def open_on_full_disk(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        stream = opened(path, mode, *args, **kwargs)
        if path.suffix == ".part" and mode == "ab":
            return FullDisk(stream)
        return stream

    class FullDisk:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *args: object) -> None:
            self.stream.close()

        def write(self, chunk: bytes) -> None:
            self.stream.write(chunk[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_on_full_disk)
        with pytest.raises(InputError, match=r"file\.zip\.part: cannot be written: No space left on device"):
            fetch(impatient, target, url)
    assert not target.exists()
    fetch(impatient, target, url)
    assert server.asked == [("/file", None), ("/file", "bytes=100-")]
    assert target.read_bytes() == CONTENT
