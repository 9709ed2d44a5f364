"""Fetch one file over HTTP: continued where it broke off, checked, and in its place only when it is whole."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from deepemo.corpora.download.addresses import Addresses
from deepemo.corpora.download.disk import require_room
from deepemo.corpora.download.partial import Expected, Partial
from deepemo.corpora.download.progress import Progress
from deepemo.corpora.download.responses import (
    LastingError,
    PassingError,
    WrongContentError,
    WrongPartError,
    declared_bytes,
    innermost,
    is_html,
    start_of_body,
)
from deepemo.errors import InputError

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 1 << 18
_MAX_REDIRECTS = 10
# Progress worth another round of attempts; less could go on for ever.
_PROGRESS_BYTES = 1 << 20


class FetchError(InputError):
    """A file cannot be had; the message names it, its address, what was found and what was expected."""


class MissingError(FetchError):
    """Every address says that there is no such file."""


class StoppedError(Exception):
    """Another file failed, so that this one is not waited for."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a server is borne with.

    Attributes:
        attempts: in a row that bring nothing new.
        backoff_seconds: before the second attempt; doubled before each further one.
        longest_wait_seconds: between attempts, even if the server asks for more.
        asked_wait_seconds: that servers may ask for in all, over all files and connections; then it is not heeded.
        connect_seconds: for a connection.
        silence_seconds: without a byte.
        min_bytes_per_second: on average over `rate_window_seconds`.
        rate_window_seconds: over which the rate is taken.
    """

    attempts: int = 6
    backoff_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    asked_wait_seconds: float = 1800.0
    connect_seconds: float = 15.0
    silence_seconds: float = 30.0
    min_bytes_per_second: float = 1024.0
    rate_window_seconds: float = 30.0


class Fetcher:
    """Fetches files, from several threads if need be, each with its own connections.

    Args:
        patience: with servers.
        progress: told of every byte.
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
        """Let what is under way in other threads end soon."""
        self._stopped.set()

    def fetch(self, urls: Sequence[str], target: Path, expected: Expected) -> None:
        """Bring a file, unless it is there already and is the expected one.

        Attempts go round the addresses, without a wait for one that was not asked yet. An address that will not give
        the file is left out of the next round; one that gave none of the last few files comes last.

        Args:
            urls: addresses of the same file, the best first.
            target: where it belongs; until it is whole and checked it is `<name>.part` beside that.
            expected: what it must be.

        Raises:
            MissingError: no address has it.
            FetchError: it cannot be had for other reasons; what is good of it is kept.
            DiskFullError: there is no room for it.
            StoppedError: `stop` was called.
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
                raise StoppedError
            try:
                self._attempt(url, part, expected)
            except LastingError as fault:
                left.remove(url)
                faults[url] = str(fault)
                missing &= fault.missing
            except PassingError as fault:
                faults[url] = str(fault)
                missing = False
                if isinstance(fault, WrongPartError):
                    self._drop(part)
                # Damage on the way is mended by another copy; the same damage twice is the server's file.
                if isinstance(fault, WrongContentError) and url in wrong:
                    left.remove(url)
                elif isinstance(fault, WrongContentError):
                    wrong.add(url)
                # What is held can be continued only where it came from: worth it for much, not for a trickle.
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
                self._addresses.gave(url, instead_of=faults.keys() - {url})
                self._progress.file_done()
                return
        found = "; ".join(f"{url}: {fault}" for url, fault in faults.items())
        kept = f"; {part.size_bytes:,} bytes are kept, the next run continues there" if part.size_bytes else ""
        kind = MissingError if missing else FetchError
        raise kind(f"{target}: not fetched from {found}; expected {expected}{kept}")

    def _rest_seconds(self, fault: PassingError, failures: int) -> float:
        """How long an address is left alone after a fault."""
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
        """Ask once, for what is not held yet where that is possible; return when the whole is there and checked."""
        validator = part.validator(url)
        # Without a validator only the checksum can tell whether the rest is of the same file.
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
                    start = start_of_body(response, held)
                    self._read(response, part, start=start, url=url, expected=expected)
            except requests.TooManyRedirects as error:
                raise LastingError(f"redirected more than {_MAX_REDIRECTS} times") from error
            except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
                raise LastingError(f"no usable address: {error}") from error
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise PassingError(f"silent for {self._patience.silence_seconds:.3g} s") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                raise PassingError(f"connection broken: {innermost(error)}") from error
        if expected.size_bytes is not None and part.size_bytes < expected.size_bytes:
            raise PassingError(f"the body ended after {part.size_bytes:,} of {expected.size_bytes:,} bytes")
        if fault := expected.fault(part.path):
            raise WrongContentError(fault)

    def _read(self, response: requests.Response, part: Partial, *, start: int, url: str, expected: Expected) -> None:
        size_bytes = start
        limit = expected.size_bytes
        declared = declared_bytes(response)
        if limit is not None and declared is not None and declared > limit:
            raise LastingError(f"found {declared:,} bytes")
        require_room(part.path, (limit or declared or start) - start)
        etag = response.headers.get("ETag", "")
        validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
        self._progress.advance(start - part.size_bytes)
        with part.writing(url, validator, start=start) as sink:
            window_began, window_bytes = time.monotonic(), 0
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                if self._stopped.is_set():
                    raise StoppedError
                if size_bytes == 0 and is_html(chunk):
                    raise LastingError("found a web page")
                size_bytes += len(chunk)
                if limit is not None and size_bytes > limit:
                    self._drop(part)
                    raise LastingError(f"found more than {limit:,} bytes")
                sink.write(chunk)
                # To the system at once: what is there when this process is killed need not be asked for again.
                sink.flush()
                self._progress.advance(len(chunk))
                window_bytes += len(chunk)
                seconds = time.monotonic() - window_began
                if seconds >= self._patience.rate_window_seconds:
                    if window_bytes < self._patience.min_bytes_per_second * seconds:
                        raise PassingError(f"slow: {window_bytes / seconds:,.0f} bytes a second")
                    window_began, window_bytes = time.monotonic(), 0
        if declared is not None and size_bytes < declared:
            raise PassingError(f"the body ended after {size_bytes:,} of {declared:,} bytes")

    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = requests.Session()
            self._thread.session.max_redirects = _MAX_REDIRECTS
        session: requests.Session = self._thread.session
        return session
