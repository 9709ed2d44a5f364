"""Receive recordings as multipart/form-data into memory, with limits that hold while they arrive.

Starlette's own form parser writes uploads to temporary files and knows their size only afterwards. Here nothing is
written to disk, and the first byte over the limit ends the upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deepemo.errors import InputError
from deepemo.http.problems import ProblemError
from deepemo.http.server import RATE_SECONDS
from deepemo.serving.voice import MOST_BYTES, VoiceReference

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "file"
VOICE_FIELD = "voice"
# Room for boundaries and headers around the recording. A body that announces more than the limit plus this is not read.
ENVELOPE_BYTES = 16 << 10
# Room for those of each further recording.
FURTHER_PART_BYTES = 512


def read_reference(content: bytes | str | None) -> VoiceReference | None:
    """The reference of a voice that a client sent; None if it sent none.

    Raises:
        ProblemError: what it sent is not a valid reference.
    """
    try:
        return None if content is None else VoiceReference.from_json(content)
    except InputError as error:
        raise ProblemError("bad_voice", str(error)) from error


@dataclass(frozen=True)
class FormLimits:
    """What a form may hold.

    Attributes:
        most_files: parts named `file`; at least one is expected.
        takes_voice: whether there may be one part named `voice`.
        max_bytes: of all files together.
    """

    most_files: int
    takes_voice: bool
    max_bytes: int

    @property
    def envelope_bytes(self) -> int:
        """Room for what lies around the contents."""
        return ENVELOPE_BYTES + FURTHER_PART_BYTES * (self.most_files - 1)

    def __str__(self) -> str:
        """In words."""
        files = f"one part named {FIELD!r}" if self.most_files == 1 else f"1 to {self.most_files} parts named {FIELD!r}"
        return files + (f", and at most one named {VOICE_FIELD!r}" if self.takes_voice else "")


@dataclass(frozen=True)
class Received:
    """What a form held: the contents of its files, and the reference of a voice."""

    files: list[bytes]
    voice: bytes | None


class _Form:
    """Collects the parts of a form, in callbacks of the parser."""

    def __init__(self, expected: FormLimits, hold: Callable[[int], None]) -> None:
        self.files: list[bytearray] = []
        self.voice: bytearray | None = None
        self.complete = False
        self._expected = expected
        self._part = bytearray()
        self._file_bytes = 0
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
        self._part = bytearray()
        if name == FIELD and len(self.files) < self._expected.most_files:
            self.files.append(self._part)
        elif name == VOICE_FIELD and self._expected.takes_voice and self.voice is None:
            self.voice = self._part
        else:
            raise ProblemError("bad_upload", f"found one more part, named {name[:40]!r}, expected {self._expected}")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        count = end - start
        if self._part is self.voice:
            if len(self.voice) + count > MOST_BYTES:
                raise ProblemError("bad_voice", f"found more than {MOST_BYTES} bytes, expected a reference of fewer")
        elif (total := self._file_bytes + count) > self._expected.max_bytes:
            raise too_large(self._expected.max_bytes)
        else:
            self._file_bytes = total
        self._hold(count)
        self._part += data[start:end]

    def _on_end(self) -> None:
        self.complete = True


def too_large(max_bytes: int) -> ProblemError:
    """Refusal of recordings that are too large."""
    return ProblemError("too_large", f"expected at most {max_bytes} bytes")


def check_announced(request: Request, expected: FormLimits) -> bytes:
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
    most = expected.max_bytes + expected.envelope_bytes + (MOST_BYTES if expected.takes_voice else 0)
    if announced.isdecimal() and int(announced) > most:
        raise too_large(expected.max_bytes)
    return boundary


async def receive(
    request: Request,
    boundary: bytes,
    *,
    expected: FormLimits,
    seconds: float,
    min_bytes_per_second: int,
    hold: Callable[[int], None],
) -> Received:
    """Receive a form.

    Args:
        request: its body has not been read.
        boundary: from `check_announced`.
        expected: what it may hold.
        seconds: time limit for the whole form.
        min_bytes_per_second: rate at which it must arrive, over each `RATE_SECONDS`.
        hold: called with the number of bytes of each chunk before it is kept; may raise a `ProblemError`.

    Raises:
        ProblemError: the upload is too large, too slow, or not the form expected.
        starlette.requests.ClientDisconnect: the client disconnected.
    """
    form = _Form(expected, hold)
    parser = MultipartParser(boundary, form.callbacks())
    received = counted = 0
    clock = asyncio.get_running_loop().time
    last = clock() + seconds
    try:
        async with asyncio.timeout_at(min(last, clock() + RATE_SECONDS)) as limit:
            async for chunk in request.stream():
                received += len(chunk)
                if received - counted >= min_bytes_per_second * RATE_SECONDS:
                    counted = received
                    limit.reschedule(min(last, clock() + RATE_SECONDS))
                parser.write(chunk)
                if received > expected.max_bytes + expected.envelope_bytes + len(form.voice or b""):
                    raise too_large(expected.max_bytes)
        parser.finalize()
    except TimeoutError as error:
        needed = f"expected within {seconds:g} s, and at least {min_bytes_per_second} bytes a second"
        raise ProblemError("too_slow", f"{received} bytes arrived, {needed}") from error
    except FormParserError as error:
        raise ProblemError("bad_upload", f"not multipart/form-data: {error}") from error
    if not form.complete or not form.files:
        raise ProblemError("bad_upload", f"the form is not complete; expected {expected}")
    return Received([bytes(content) for content in form.files], None if form.voice is None else bytes(form.voice))
