"""One file of a multipart form, from the socket to the disk: never whole in memory, never written twice."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import anyio
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from munsit_denoise.errors import InvalidUpload, MissingFile, UploadTooSlow
from munsit_denoise.jobs.intake import Limits, Received
from munsit_denoise.jobs.service import DenoiseService

FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, headers and small fields beside the file
MAX_PARTS = 100
WRITE_BYTES = 2**20  # what is collected before a write to the disk
PATIENCE_S = 60  # a body must bring ...
PATIENCE_BYTES = 60_000  # ... this much in that time
BROKEN_FORM = "The upload is not a complete multipart form. Please send it again."


def announced_bytes(request: Request) -> int | None:
    """Return what Content-Length says, None when it says nothing usable."""
    value = request.headers.get("content-length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else None


def refuse_announced(request: Request, service: DenoiseService) -> None:
    """Refuse by headers alone. Raises FileTooLarge, MissingFile and what `DenoiseService.admit_bytes` raises."""
    size_bytes, limits = announced_bytes(request), service.limits
    if limits.upload_bytes and size_bytes and size_bytes > limits.upload_bytes + FORM_OVERHEAD_BYTES:
        raise limits.too_large(size_bytes)
    service.admit_bytes(size_bytes)
    boundary_of(request)


def boundary_of(request: Request) -> bytes:
    """Return the form's boundary. Raises MissingFile when the request is no multipart form."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise MissingFile
    return boundary


@dataclass
class _Part:
    """A part of the form while it comes in."""

    header_name: bytes = b""
    header_value: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)

    def end_header(self) -> None:
        self.headers[self.header_name.lower()] = self.header_value
        self.header_name = self.header_value = b""

    def file_name(self, fields: Sequence[bytes]) -> str | None:
        """Return the client's file name if this part is a file in one of these fields."""
        disposition = self.headers.get(b"content-disposition", b"").decode("latin-1")
        _, options = parse_options_header(disposition)
        if options.get(b"name") not in fields:
            return None
        extended = re.search(r"filename\*=utf-8''([^;\s]+)", disposition, re.IGNORECASE)  # older Python clients
        if b"filename" not in options and extended:
            return unquote(extended[1])
        name = options.get(b"filename", b"").decode("utf-8", errors="replace")
        return name.replace("\0", "") or None


class _Form:
    """Feeds a parser and says what came out: the file's name, then its bytes."""

    def __init__(self, boundary: bytes, fields: Sequence[bytes]) -> None:
        self._fields, self._parts, self._part = fields, 0, _Part()
        self._chunks: list[bytes] = []
        self._in_file = False
        self.file_name: str | None = None
        self.complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": lambda: self._part.end_header(),
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._end_form,
            },
        )

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take bytes of the body, return those of the file. Raises InvalidUpload."""
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise InvalidUpload(BROKEN_FORM) from None
        chunks, self._chunks = self._chunks, []
        return iter(chunks)

    def _begin(self) -> None:
        self._part, self._parts = _Part(), self._parts + 1
        if self._parts > MAX_PARTS:
            raise InvalidUpload(BROKEN_FORM)

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _headers_finished(self) -> None:
        if self.file_name is None:
            self.file_name = self._part.file_name(self._fields)
            self._in_file = self.file_name is not None

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._chunks.append(data[start:end])

    def _end(self) -> None:
        self._in_file = False

    def _end_form(self) -> None:
        self.complete = True


async def receive_file(request: Request, path: Path, fields: Sequence[bytes], limits: Limits) -> Received:
    """Write the first file in one of these form fields to a path.

    Raises MissingFile, FileTooLarge as soon as the limit is passed, UploadTooSlow, InvalidUpload for a broken
    form, ClientDisconnect.
    """
    form, meter, size_bytes = _Form(boundary_of(request), fields), _Meter(), 0
    limit_bytes = limits.upload_bytes
    async with await anyio.open_file(path, "wb") as file:
        collected = bytearray()  # each write is a call into another thread
        async for chunk in _body(request):
            meter.count(len(chunk))
            for data in form.feed(chunk):
                size_bytes += len(data)
                if limit_bytes and size_bytes > limit_bytes:
                    raise limits.too_large(max(size_bytes, announced_bytes(request) or 0))
                collected += data
            if len(collected) >= WRITE_BYTES:
                await file.write(collected)
                collected = bytearray()
        await file.write(collected)
    if form.file_name is None:
        raise MissingFile
    if not form.complete:
        raise InvalidUpload(BROKEN_FORM)
    return Received(form.file_name, size_bytes)


async def _body(request: Request) -> AsyncIterator[bytes]:
    chunks = aiter(request.stream())
    while True:
        try:
            with anyio.fail_after(PATIENCE_S):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadTooSlow from None
        yield chunk


class _Meter:
    """Cuts a body that trickles."""

    def __init__(self) -> None:
        self._since, self._bytes = anyio.current_time(), 0

    def count(self, size: int) -> None:
        self._bytes += size
        now = anyio.current_time()
        if now - self._since > PATIENCE_S:
            if self._bytes < PATIENCE_BYTES:
                raise UploadTooSlow
            self._since, self._bytes = now, 0
