"""One file of a multipart form, from the socket to the disk: never whole in memory, never written twice."""

import re
from collections.abc import Sequence
from pathlib import Path

import anyio
from starlette.requests import Request

from munsit_denoise.errors import InvalidUpload, MissingFile
from munsit_denoise.jobs.intake import Limits, Received
from munsit_denoise.media.types import extension_for_type
from munsit_denoise.names import file_name, parameters
from munsit_denoise.routes.bodies import body_of
from munsit_denoise.routes.multipart import BrokenForm, FormReader, Part

FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, headers and fields beside the file
MAX_BOUNDARY = 200  # bytes; the standard has 70
WRITE_BYTES = 2**20  # what is collected before a write to the disk
NO_BOUNDARY = (
    "The Content-Type of the form names no boundary. Please leave this header to your HTTP client, which adds one."
)
LONG_BOUNDARY = f"The boundary that the Content-Type of the form names is longer than {MAX_BOUNDARY} bytes."
NO_PART = "The body does not contain the boundary that its Content-Type names. Please send a multipart form."
CUT_OFF = "The upload was cut off before the end of the form. Please send it again."
TOO_MUCH = "The form holds too much beside the file. Please send the file and short fields only."
NO_FILES = ("text/", "application/json", "application/x-www-form-urlencoded")  # types of fields that are no file


def announced_bytes(request: Request) -> int | None:
    """Return what Content-Length says, None when it says nothing usable."""
    value = request.headers.get("content-length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else None


def expected_bytes(request: Request, limits: Limits) -> int:
    """Return how much a form may bring, by its headers alone. Raises FileTooLarge, MissingFile, InvalidUpload."""
    size_bytes, most_bytes = announced_bytes(request), limits.upload_bytes
    if most_bytes and size_bytes and size_bytes > most_bytes + FORM_OVERHEAD_BYTES:
        raise limits.too_large(size_bytes)
    boundary_of(request)
    return min(size_bytes, most_bytes or size_bytes) if size_bytes is not None else most_bytes or 0


def boundary_of(request: Request) -> bytes:
    """Return the form's boundary. Raises MissingFile when the request is no multipart form, InvalidUpload."""
    kind, options = parameters(request.headers.get("content-type", "").encode("latin-1"))
    if kind != "multipart/form-data":
        raise MissingFile
    boundary = options.get("boundary", b"")
    if not boundary:
        raise InvalidUpload(NO_BOUNDARY)
    if len(boundary) > MAX_BOUNDARY:
        raise InvalidUpload(LONG_BOUNDARY)
    return boundary


class _Form:
    """Picks the file out of a form and counts everything else."""

    def __init__(self, boundary: bytes, fields: Sequence[str], limits: Limits) -> None:
        self._reader, self._fields, self._limits = FormReader(boundary), fields, limits
        self._in_file = self._in_other_file = False
        self.file_name: str | None = None
        self.named = False
        self.received = self.file_bytes = self._other_file_bytes = 0

    def feed(self, chunk: bytes, announced: int) -> bytes:
        """Take bytes of the body, return those of the file. Raises FileTooLarge, InvalidUpload."""
        self.received += len(chunk)
        data = bytearray()
        try:
            for piece in self._reader.feed(chunk):
                if isinstance(piece, Part):
                    self._begin(piece)
                elif self._in_file:
                    data += piece
                elif self._in_other_file:
                    self._other_file_bytes += len(piece)
        except BrokenForm as broken:
            raise InvalidUpload(str(broken)) from None
        self.file_bytes += len(data)
        self._check_sizes(announced)
        return bytes(data)

    def check_end(self) -> str:
        """Return the file's name, the form having ended. Raises MissingFile, InvalidUpload."""
        if self.received and not self._reader.complete:
            raise InvalidUpload(CUT_OFF if self._reader.parts else NO_PART)
        if self.file_name is None or not (self.named or self.file_bytes):
            raise MissingFile
        return self.file_name

    def _begin(self, part: Part) -> None:
        _, disposition = parameters(part.headers.get("content-disposition", b""))
        kind, _ = parameters(part.headers.get("content-type", b""))
        name = file_name(disposition, percent_quoted=next(iter(part.headers), "") == "content-type")
        is_file = name is not None or (bool(kind) and not kind.startswith(NO_FILES))
        field = re.sub(r"\[\d*\]$", "", disposition.get("name", b"").decode("latin-1"))
        self._in_file = is_file and field in self._fields and self.file_name is None
        self._in_other_file = is_file and not self._in_file
        if self._in_file:
            self.named = bool(name)
            self.file_name = name or _name_for(kind)

    def _check_sizes(self, announced: int) -> None:
        most_bytes = self._limits.upload_bytes
        files_bytes = self.file_bytes + self._other_file_bytes
        if most_bytes and files_bytes > most_bytes:
            raise self._limits.too_large(max(files_bytes, announced))
        if self.received - files_bytes > FORM_OVERHEAD_BYTES:
            raise InvalidUpload(TOO_MUCH)


def _name_for(kind: str) -> str:
    """Return a name for a file that has none, by its media type."""
    extension = extension_for_type(kind)
    return f"recording.{extension}" if extension else "recording"


async def receive_file(request: Request, path: Path, fields: Sequence[str], limits: Limits) -> Received:
    """Write the first file in one of these form fields to a path.

    Raises MissingFile, FileTooLarge as soon as the limit is passed, InvalidUpload for a broken form, and what
    `body_of` raises.
    """
    form, announced = _Form(boundary_of(request), fields, limits), announced_bytes(request) or 0
    async with await anyio.open_file(path, "wb") as file:
        collected = bytearray()  # each write is a call into another thread
        async for chunk in body_of(request):
            collected += form.feed(chunk, announced)
            if len(collected) >= WRITE_BYTES:
                await file.write(collected)
                collected = bytearray()
        await file.write(collected)
    return Received(form.check_end(), form.file_bytes)
