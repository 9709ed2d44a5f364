"""Fetch one file over HTTP: continue it where it broke off, check it, and only then move it to its place."""

import ipaddress
import logging
import re
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from deepemo.corpora.download.transfer import Addresses, Expected, Partial, Progress
from deepemo.errors import InputError
from deepemo.files import require_room

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 18
_MAX_REDIRECTS = 10
# This many new bytes reset the count of failed attempts. If fewer did, attempts might never end.
_PROGRESS_BYTES = 1 << 20

# Statuses under 500 that may change when asked again (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4).
_PASSING_STATUSES = {408, 425, 429}
_GONE_STATUSES = {404, 410}


class MissingError(InputError):
    """Every address says that there is no such file. Callers may try another name."""


class _StoppedError(Exception):
    """`Fetcher.stop` was called, because another file failed."""


class _PassingError(Exception):
    """The same request may succeed later; `wait_seconds` is the wait that the server asks for, if any."""

    def __init__(self, fault: str, wait_seconds: float | None = None) -> None:
        super().__init__(fault)
        self.wait_seconds = wait_seconds


class _LastingError(Exception):
    """This address will not give the file. `missing` is true if it says that the file does not exist."""

    def __init__(self, fault: str, *, missing: bool = False) -> None:
        super().__init__(fault)
        self.missing = missing


class _WrongPartError(_PassingError):
    """The partial file cannot be continued from this address."""


class _WrongContentError(_WrongPartError):
    """The whole file was received, but it is not the expected one."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits on waiting for servers.

    Attributes:
        attempts: failed attempts in a row, without new bytes, before a file is given up.
        backoff_seconds: wait before the second attempt; doubled before each further one.
        longest_wait_seconds: maximum wait between attempts, even if the server asks for more.
        asked_wait_seconds: total wait that servers may ask for, over all files and connections; more is ignored.
        connect_seconds: timeout for a connection.
        silence_seconds: timeout for the next byte.
        min_bytes_per_second: minimum rate, averaged over `rate_window_seconds`.
        rate_window_seconds: time over which the rate is averaged.
    """

    attempts: int = 6
    backoff_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    asked_wait_seconds: float = 1800.0
    connect_seconds: float = 15.0
    silence_seconds: float = 30.0
    min_bytes_per_second: float = 1024.0
    rate_window_seconds: float = 30.0


class _Session(requests.Session):
    """A session that follows a redirect only to HTTPS and to a public address.

    The first address of a request may be any address, such as a mirror in the local network. A redirect from there may
    lead to the same network.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        before, after = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
        if before.scheme == "https" and after.scheme != "https":
            raise _LastingError(f"redirected to {after.scheme}://{after.hostname}, expected https")
        if is_private(after.hostname or "") and not is_private(before.hostname or ""):
            raise _LastingError(f"redirected to {after.hostname}, which is no public address")
        return target


def is_private(host: str) -> bool:
    """Whether a host has an address that is not public: of this machine, of a private network, or reserved.

    >>> is_private("10.0.0.1"), is_private("::1"), is_private("127.1"), is_private("93.184.216.34")
    (True, True, True, False)
    """
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return False  # unknown on this machine, but a proxy may know it
    return not all(ipaddress.ip_address(address.partition("%")[0]).is_global for address in found)


class Fetcher:
    """Fetches files; several threads may share it, each with its own connections.

    Args:
        patience: limits on waiting for servers.
        progress: is told of every byte.
    """

    def __init__(self, patience: Patience, progress: Progress) -> None:
        self._patience = patience
        self._progress = progress
        self._addresses = Addresses()
        self._asked_seconds = 0.0
        self._asked_lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.local()

    def stop(self) -> None:
        """End the transfers of all threads soon."""
        self._stopped.set()

    def fetch(self, urls: Sequence[str], target: Path, expected: Expected) -> None:
        """Fetch a file, unless it is there already and is the expected one.

        Attempts go round the addresses. The first attempt at each address has no wait. An address that will not give
        the file is left out of the next round; one that gave none of the last few files comes last.

        Args:
            urls: addresses of the same file, the best first.
            target: path of the file; until it is complete and checked, it is `<name>.part` beside that.
            expected: what the file must be.

        Raises:
            MissingError: no address has it.
            InputError: it cannot be fetched for other reasons, such as a full disk; the message names the file, its
                addresses, what was found and what was expected. A valid part is kept.
            _StoppedError: `stop` was called.
        """
        if target.is_file() and expected.fault(target) is None:
            self._progress.held(target.stat().st_size)
            self._progress.file_done()
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Partial(target)
        self._progress.held(part.size_bytes)
        left, faults, rested = self._addresses.ranked(urls), dict[str, str](), dict[str, float]()
        failures, turn, most, wrong, missing = 0, 0, part.size_bytes, set[str](), True
        while left and failures < self._patience.attempts:
            url, before = left[turn % len(left)], part.size_bytes
            if self._stopped.wait(max(0.0, rested.get(url, 0.0) - time.monotonic())):
                raise _StoppedError
            try:
                self._attempt(url, part, expected)
            except _LastingError as fault:
                left.remove(url)
                faults[url] = str(fault)
                missing &= fault.missing
            except _PassingError as fault:
                faults[url] = str(fault)
                missing = False
                if isinstance(fault, _WrongPartError):
                    self._drop(part)
                # Damage in transit does not happen twice: a second wrong file means that the server's file is wrong.
                if isinstance(fault, _WrongContentError) and url in wrong:
                    left.remove(url)
                elif isinstance(fault, _WrongContentError):
                    wrong.add(url)
                # A part can be continued only from its own address: stay there if it grew, else ask the next.
                turn += part.size_bytes < before + _PROGRESS_BYTES
                failures = 1 if part.size_bytes >= most + _PROGRESS_BYTES else failures + 1
                most = max(most, part.size_bytes)
                rested[url] = time.monotonic() + self._rest_seconds(fault, failures)
                if left and failures < self._patience.attempts:
                    _LOG.warning(
                        "%s: %s: %s; attempt %d of %d in %.2g s",
                        *(target.name, url, fault, failures + 1, self._patience.attempts),
                        max(0.0, rested.get(left[turn % len(left)], 0.0) - time.monotonic()),
                    )
            else:
                part.keep()
                self._addresses.record_success(url, failed=faults.keys() - {url})
                self._progress.file_done()
                return
        found = "; ".join(f"{url}: {fault}" for url, fault in faults.items())
        kept = f"; {part.size_bytes:,} bytes are kept, the next run continues there" if part.size_bytes else ""
        kind = MissingError if missing else InputError
        raise kind(f"{target}: not fetched from {found}; expected {expected}{kept}")

    def _rest_seconds(self, fault: _PassingError, failures: int) -> float:
        """Wait before an address is asked again after a fault."""
        own = min(self._patience.backoff_seconds * 2 ** (failures - 1), self._patience.longest_wait_seconds)
        more = min(fault.wait_seconds or 0.0, self._patience.longest_wait_seconds) - own
        with self._asked_lock:
            more = max(0.0, min(more, self._patience.asked_wait_seconds - self._asked_seconds))
            self._asked_seconds += more
        return own + more

    def _drop(self, part: Partial) -> None:
        self._progress.advance(-part.size_bytes)
        part.drop()

    def _attempt(self, url: str, part: Partial, expected: Expected) -> None:
        """Send one request, if possible for only the missing bytes; return when the file is complete and checked."""
        validator = part.validator(url)
        # Without a validator, only the checksum shows whether the rest is of the same file.
        resumable = validator is not None and (validator != "" or expected.digest is not None)
        held = part.size_bytes if resumable else 0
        if held == 0 or held != expected.size_bytes:
            headers = {"Accept-Encoding": "identity", "User-Agent": "deepemo"}
            if held:
                headers["Range"] = f"bytes={held}-"
                if validator:
                    headers["If-Range"] = validator
            try:
                with self._session().get(
                    url,
                    headers=headers,
                    stream=True,
                    timeout=(self._patience.connect_seconds, self._patience.silence_seconds),
                ) as response:
                    start = _start_of_body(response, held)
                    self._read(response, part, start=start, url=url, expected=expected)
            except requests.TooManyRedirects as error:
                raise _LastingError(f"redirected more than {_MAX_REDIRECTS} times") from error
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
                raise _LastingError(f"no usable address: {error}") from error
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise _PassingError(f"silent for {self._patience.silence_seconds:.3g} s") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise _PassingError(f"connection broken: {_innermost(error)}") from error
        if expected.size_bytes is not None and part.size_bytes < expected.size_bytes:
            raise _PassingError(f"the body ended after {part.size_bytes:,} of {expected.size_bytes:,} bytes")
        if fault := expected.fault(part.path):
            raise _WrongContentError(fault)

    def _read(self, response: requests.Response, part: Partial, *, start: int, url: str, expected: Expected) -> None:
        size_bytes = start
        limit = expected.limit_bytes
        declared = _declared_bytes(response)
        if limit is not None and declared is not None and declared > limit:
            raise _LastingError(f"found {declared:,} bytes")
        require_room(part.path, (limit or declared or start) - start)
        etag = response.headers.get("ETag", "")
        validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
        self._progress.advance(start - part.size_bytes)
        with part.writing(url, validator, start=start) as sink:
            window_began, window_bytes = time.monotonic(), 0
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                if self._stopped.is_set():
                    raise _StoppedError
                if size_bytes == 0 and _is_html(chunk):
                    raise _LastingError("found a web page")
                size_bytes += len(chunk)
                if limit is not None and size_bytes > limit:
                    self._drop(part)
                    raise _LastingError(f"found more than {limit:,} bytes")
                sink.write(chunk)
                # Flushed at once, so that a killed process need not ask for these bytes again.
                sink.flush()
                self._progress.advance(len(chunk))
                window_bytes += len(chunk)
                seconds = time.monotonic() - window_began
                if seconds >= self._patience.rate_window_seconds:
                    if window_bytes < self._patience.min_bytes_per_second * seconds:
                        raise _PassingError(f"slow: {window_bytes / seconds:,.0f} bytes a second")
                    window_began, window_bytes = time.monotonic(), 0
        if declared is not None and size_bytes < declared:
            raise _PassingError(f"the body ended after {size_bytes:,} of {declared:,} bytes")

    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = _Session()
            self._thread.session.max_redirects = _MAX_REDIRECTS
        session: requests.Session = self._thread.session
        return session


def _start_of_body(response: requests.Response, held: int) -> int:
    """Position in the file at which the body of a response begins.

    Raises:
        _PassingError: the server may give the file later.
        _LastingError: it will not.
    """
    status = response.status_code
    found = f"HTTP {status} {response.reason}".rstrip()
    if status == 416:
        raise _WrongPartError(f"{found} for the bytes from {held:,}")
    if status in _PASSING_STATUSES or status >= 500:
        after = response.headers.get("Retry-After", "")
        raise _PassingError(found, wait_seconds=float(after) if after.isdecimal() else None)
    if status not in (200, 206):
        raise _LastingError(found, missing=status in _GONE_STATUSES)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise _LastingError("found a web page")
    if status == 200:
        return 0
    answered = response.headers.get("Content-Range", "")
    if not answered.startswith(f"bytes {held}-"):
        raise _WrongPartError(f"asked for the bytes from {held:,}, answered {answered!r}")
    return held


def _declared_bytes(response: requests.Response) -> int | None:
    """Declared size of the whole file; None if none is declared, or if the body is compressed."""
    if "Content-Encoding" in response.headers:
        return None
    if response.status_code == 206:
        whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return int(whole[1]) if whole else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _is_html(start: bytes) -> bool:
    """Whether a file that starts with these bytes is a web page."""
    return start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))


def _innermost(error: BaseException) -> BaseException:
    """The system's own error under the libraries' errors that wrap it."""
    reason = getattr(error, "reason", None)
    inner = next((part for part in (reason, *reversed(error.args)) if isinstance(part, BaseException)), None)
    return error if inner is None else _innermost(inner)
