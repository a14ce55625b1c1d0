"""Streams one file of a multipart form from the socket to the disk, with bounded memory and a single write."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
from anyio import to_thread
from starlette.requests import Request

from munsit_denoise.errors import InvalidOption, InvalidUpload, MissingFile
from munsit_denoise.jobs.intake import Received, UploadLimits
from munsit_denoise.media.types import extension_for_type
from munsit_denoise.names import file_name, parameters
from munsit_denoise.routes.bodies import body_of
from munsit_denoise.routes.multipart import BrokenForm, FormReader, Part

FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, headers and fields besides the file
MAX_FIELD_BYTES = 16 * 1024  # of a text field that is read
MAX_BOUNDARY = 200  # bytes; the standard allows 70
WRITE_BYTES = 2**20  # collected before each write to the disk
NO_BOUNDARY = "The Content-Type of the form has no boundary. Please let your HTTP client set this header."
LONG_BOUNDARY = f"The boundary in the Content-Type of the form is longer than {MAX_BOUNDARY} bytes."
NO_PART = "The body does not contain the boundary of its Content-Type. Please send a multipart form."
CUT_OFF = "The upload was cut off before the end of the form. Please send it again."
TOO_MUCH = "The form contains too much data besides the file. Please send the file and short fields only."
NO_FILES = ("text/", "application/json", "application/x-www-form-urlencoded")  # content types of plain fields


def announced_bytes(request: Request) -> int | None:
    """Return the Content-Length, or None if there is no valid one."""
    value = request.headers.get("content-length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else None


def expected_bytes(request: Request, limits: UploadLimits) -> int:
    """Return the expected size of a form, from its headers. Raises FileTooLarge, MissingFile, InvalidUpload."""
    size_bytes, most_bytes = announced_bytes(request), limits.upload_bytes
    if most_bytes and size_bytes and size_bytes > most_bytes + FORM_OVERHEAD_BYTES:
        raise limits.too_large(size_bytes)
    boundary_of(request)
    return min(size_bytes, most_bytes or size_bytes) if size_bytes is not None else most_bytes or 0


def boundary_of(request: Request) -> bytes:
    """Return the form's boundary. Raises MissingFile if the request is no multipart form, InvalidUpload."""
    kind, options = parameters(request.headers.get("content-type", "").encode("latin-1"))
    if kind != "multipart/form-data":
        raise MissingFile
    boundary = options.get("boundary", b"")
    if not boundary:
        raise InvalidUpload(NO_BOUNDARY)
    if len(boundary) > MAX_BOUNDARY:
        raise InvalidUpload(LONG_BOUNDARY)
    return boundary


def _nothing(_: str, __: str) -> None:
    """Ignore a field."""


@dataclass(frozen=True)
class Shape:
    """The fields of a form that may be the file, those that are text, and a function that takes each text field."""

    files: Sequence[str]
    texts: Sequence[str] = ()
    take: Callable[[str, str], None] = _nothing


class _Form:
    """Separates the file and the text fields of a form, and counts everything else."""

    def __init__(self, boundary: bytes, shape: Shape, limits: UploadLimits) -> None:
        self._reader, self._shape, self._limits = FormReader(boundary), shape, limits
        self._in_file = self._in_other_file = False
        self._text, self._text_field = bytearray(), ""  # of the text field in progress
        self.file_name: str | None = None
        self.named = False
        self.received = self.file_bytes = self._other_file_bytes = 0

    @property
    def has_file(self) -> bool:
        """Whether the file has started; browsers send an empty part without a name if no file was chosen."""
        return self.file_name is not None and (self.named or self.file_bytes > 0)

    def feed(self, chunk: bytes, announced: int, into: bytearray) -> None:
        """Take bytes of the body, append those of the file to `into`.

        Raises FileTooLarge, InvalidUpload, what `take` raises.
        """
        self.received += len(chunk)
        try:
            for piece in self._reader.feed(chunk):
                if isinstance(piece, Part):
                    self._begin(piece)
                elif self._in_file:
                    into += piece
                    self.file_bytes += len(piece)
                else:
                    self._pass(piece)
        except BrokenForm as broken:
            raise InvalidUpload(str(broken)) from None
        if self._reader.complete:
            self._end_text()
        self._check_sizes(announced)

    def check_end(self) -> str:
        """Return the file's name at the end of the form. Raises MissingFile, InvalidUpload."""
        self.check_whole()
        if self.file_name is None or not self.has_file:
            raise MissingFile
        return self.file_name

    def check_whole(self) -> None:
        """Check that the form was complete. Raises InvalidUpload."""
        if self.received and not self._reader.complete:
            raise InvalidUpload(CUT_OFF if self._reader.parts else NO_PART)

    def _begin(self, part: Part) -> None:
        self._end_text()
        _, disposition = parameters(part.headers.get("content-disposition", b""))
        kind, _ = parameters(part.headers.get("content-type", b""))
        name = file_name(disposition, percent_quoted=next(iter(part.headers), "") == "content-type")
        is_file = name is not None or (bool(kind) and not kind.startswith(NO_FILES))
        field = re.sub(r"\[\d*\]$", "", disposition.get("name", b"").decode("latin-1"))
        self._text_field = field if name is None and field in self._shape.texts else ""
        self._in_file = is_file and field in self._shape.files and self.file_name is None
        self._in_other_file = is_file and not (self._in_file or self._text_field)
        if self._in_file:
            self.named = bool(name)
            self.file_name = name or _name_for(kind)

    def _pass(self, piece: memoryview) -> None:
        """Take bytes that do not belong to the file."""
        if self._in_other_file:
            self._other_file_bytes += len(piece)
        if self._text_field:
            self._text += piece
            if len(self._text) > MAX_FIELD_BYTES:
                raise InvalidOption(f"{self._text_field} must be shorter than {MAX_FIELD_BYTES} bytes.")

    def _end_text(self) -> None:
        field, data = self._text_field, self._text
        self._text_field, self._text = "", bytearray()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise InvalidOption(f"{field} must be text in UTF-8.") from None
        if field:
            self._shape.take(field, text)

    def _check_sizes(self, announced: int) -> None:
        most_bytes = self._limits.upload_bytes
        files_bytes = self.file_bytes + self._other_file_bytes
        if most_bytes and files_bytes > most_bytes:
            raise self._limits.too_large(max(files_bytes, announced))
        if self.received - files_bytes > FORM_OVERHEAD_BYTES:
            raise InvalidUpload(TOO_MUCH)


def _name_for(kind: str) -> str:
    """Return a name for a file without one, by its media type."""
    extension = extension_for_type(kind)
    return f"recording.{extension}" if extension else "recording"


class Digest(Protocol):
    """A hash object of `hashlib`."""

    def update(self, data: bytes | bytearray, /) -> None:
        """Add the next bytes."""
        ...


class FormBody:
    """The form of a request as it arrives: read up to its file first, then to its end."""

    def __init__(self, request: Request, shape: Shape, limits: UploadLimits) -> None:
        """Start to read a form. Raises MissingFile, InvalidUpload if there is none."""
        self._form = _Form(boundary_of(request), shape, limits)
        self._announced = announced_bytes(request) or 0
        self._chunks: AsyncIterator[bytes] = body_of(request)
        self._ahead = bytearray()  # bytes of the file that arrived together with what precedes it

    async def find_file(self) -> bool:
        """Read until the file starts; return whether the form has one.

        Raises FileTooLarge, InvalidUpload, what the shape's `take` raises, and what `body_of` raises.
        """
        while not self._form.has_file:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._form.check_whole()
                return False
            self._form.feed(chunk, self._announced, self._ahead)
        return True

    async def store(self, path: Path, digest: Digest | None = None) -> Received:
        """Write the file to a path and read the form to its end. Raises MissingFile, and what `find_file` raises."""
        async with await anyio.open_file(path, "wb") as file:

            def write(data: bytes | bytearray) -> None:
                file.wrapped.write(data)
                if digest is not None:
                    digest.update(data)

            return await self._pour(write)

    async def consume(self, digest: Digest) -> Received:
        """Read the form to its end without storing the file. Raises what `store` raises."""
        return await self._pour(digest.update)

    async def _pour(self, write: Callable[[bytes | bytearray], object]) -> Received:
        collected, self._ahead = self._ahead, bytearray()  # each write is a call into a thread
        async for chunk in self._chunks:
            self._form.feed(chunk, self._announced, collected)
            if len(collected) >= WRITE_BYTES:
                await to_thread.run_sync(write, collected)
                collected = bytearray()
        await to_thread.run_sync(write, collected)
        return Received(self._form.check_end(), self._form.file_bytes)


async def receive_file(request: Request, path: Path, fields: Sequence[str], limits: UploadLimits) -> Received:
    """Write the first file in one of these form fields to a path.

    Raises MissingFile, FileTooLarge as soon as the limit is exceeded, InvalidUpload for a broken form, and what
    `body_of` raises.
    """
    return await FormBody(request, Shape(fields), limits).store(path)
