"""Receive one recording as multipart/form-data into memory, with limits that hold while it arrives.

Starlette's own form parser writes uploads to temporary files and knows their size only afterwards. Here nothing is
written to disk, and the first byte over the limit ends the upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deepemo.http.problems import ProblemError
from deepemo.http.server import RATE_SECONDS

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
# Room for boundaries and headers around the recording. A body that announces more than the limit and this is not read.
ENVELOPE_BYTES = 16 << 10


class _Form:
    """Collects the part named `file`, in callbacks of the parser."""

    def __init__(self, max_bytes: int, hold: Callable[[int], None]) -> None:
        self.content = bytearray()
        self.parts = 0
        self.complete = False
        self._max_bytes = max_bytes
        self._hold = hold
        self._header = (b"", b"")
        self._disposition = b""

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_begin": self._on_header_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": self._on_part_data,
            "on_end": self._on_end,
        }

    def _on_part_begin(self) -> None:
        self.parts += 1
        self._disposition = b""

    def _on_header_begin(self) -> None:
        self._header = (b"", b"")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], self._header[1])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _on_header_end(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]

    def _on_headers_finished(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"name", b"").decode("utf-8", "replace")
        if name != FIELD or self.parts > 1:
            raise ProblemError("bad_upload", f"found a part named {name[:40]!r}, expected one part named {FIELD!r}")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if len(self.content) + end - start > self._max_bytes:
            raise too_large(self._max_bytes)
        self._hold(end - start)
        self.content += data[start:end]

    def _on_end(self) -> None:
        self.complete = True


def too_large(max_bytes: int) -> ProblemError:
    """Refusal of a recording that is too large."""
    return ProblemError("too_large", f"expected at most {max_bytes} bytes")


def check_announced(request: Request, max_bytes: int) -> bytes:
    """Refuse a request whose headers show that it cannot be received; otherwise return its boundary.

    Raises:
        ProblemError: the request is no form, has no boundary, or announces too many bytes.
    """
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type != b"multipart/form-data":
        found = media_type.decode("latin-1")[:80]
        raise ProblemError("not_a_form", f"found content type {found!r}, expected multipart/form-data")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise ProblemError("bad_upload", "the content type names no boundary of 1 to 70 characters")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes + ENVELOPE_BYTES:
        raise too_large(max_bytes)
    return boundary


async def receive(
    request: Request,
    boundary: bytes,
    *,
    max_bytes: int,
    seconds: float,
    min_bytes_per_second: int,
    hold: Callable[[int], None],
) -> bytes:
    """Receive the recording.

    Args:
        request: its body has not been read.
        boundary: from `check_announced`.
        max_bytes: of the recording.
        seconds: in which it must have arrived.
        min_bytes_per_second: rate at which it must arrive, over each `RATE_SECONDS`.
        hold: called with the number of bytes of each chunk before it is kept; may raise a `ProblemError`.

    Raises:
        ProblemError: the upload is too large, too slow, or not the form expected.
        starlette.requests.ClientDisconnect: the client disconnected.
    """
    form = _Form(max_bytes, hold)
    parser = MultipartParser(boundary, form.callbacks())
    received = counted = 0
    clock = asyncio.get_running_loop().time
    last = clock() + seconds
    try:
        async with asyncio.timeout_at(min(last, clock() + RATE_SECONDS)) as limit:
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes + ENVELOPE_BYTES:
                    raise too_large(max_bytes)
                if received - counted >= min_bytes_per_second * RATE_SECONDS:
                    counted = received
                    limit.reschedule(min(last, clock() + RATE_SECONDS))
                parser.write(chunk)
        parser.finalize()
    except TimeoutError as error:
        expected = f"expected within {seconds:g} s, and at least {min_bytes_per_second} bytes a second"
        raise ProblemError("too_slow", f"{received} bytes arrived, {expected}") from error
    except FormParserError as error:
        raise ProblemError("bad_upload", f"not multipart/form-data: {error}") from error
    if not form.complete:
        raise ProblemError("bad_upload", f"the form is not complete; expected one part named {FIELD!r}")
    return bytes(form.content)
