"""Read an HTTP answer: whether it holds the file, from where on, and whether asking again could help."""

import re

import requests

# Statuses under 500 that may be another one the next time (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4).
_PASSING = {408, 425, 429}
_GONE = {404, 410}


class PassingError(Exception):
    """The same request may succeed later, after the wait that the server asks for if any."""

    def __init__(self, fault: str, wait_seconds: float | None = None) -> None:
        super().__init__(fault)
        self.wait_seconds = wait_seconds


class LastingError(Exception):
    """This address will not give the file."""

    def __init__(self, fault: str, *, missing: bool = False) -> None:
        super().__init__(fault)
        self.missing = missing


class WrongPartError(PassingError):
    """What is held cannot be continued with what this address gives."""


class WrongContentError(WrongPartError):
    """All of it came and it is not the expected file."""


def start_of_body(response: requests.Response, held: int) -> int:
    """Where in the file the body of an answer begins; an answer that is none of the file is a fault."""
    status = response.status_code
    found = f"HTTP {status} {response.reason}".rstrip()
    if status == 416:
        raise WrongPartError(f"{found} for the bytes from {held:,}")
    if status in _PASSING or status >= 500:
        after = response.headers.get("Retry-After", "")
        raise PassingError(found, wait_seconds=float(after) if after.isdecimal() else None)
    if status not in (200, 206):
        raise LastingError(found, missing=status in _GONE)
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise LastingError("found a web page")
    if status == 200:
        return 0
    answered = response.headers.get("Content-Range", "")
    if not answered.startswith(f"bytes {held}-"):
        raise WrongPartError(f"asked for the bytes from {held:,}, answered {answered!r}")
    return held


def declared_bytes(response: requests.Response) -> int | None:
    """Size of the whole file, if it is declared and is not that of a compressed form."""
    if "Content-Encoding" in response.headers:
        return None
    if response.status_code == 206:
        whole = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return int(whole[1]) if whole else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def is_html(start: bytes) -> bool:
    """Whether a file that starts so is a web page."""
    return start.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))


def innermost(error: BaseException) -> BaseException:
    """The system's own words, under the layers of the libraries that pass them on."""
    reason = getattr(error, "reason", None)
    inner = next((part for part in (reason, *reversed(error.args)) if isinstance(part, BaseException)), None)
    return error if inner is None else innermost(inner)
