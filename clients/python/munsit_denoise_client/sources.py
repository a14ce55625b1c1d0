"""What can be submitted: files and file-like objects, and the forms around them."""

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from munsit_denoise_client.types import OnProgress, Options, Uploaded

READ_BYTES = 2**18
BOUNDARY = "munsit-denoise-"
Source = str | os.PathLike[str] | BinaryIO | Uploaded  # a path, an http(s) URL, a binary file, an upload


@dataclass
class Piece:
    """A part of an open file with data around it; progress is counted in bytes of the file."""

    file: BinaryIO
    start: int | None  # position in the file; None if the file cannot seek
    file_bytes: int | None  # None: up to its end
    head: bytes = b""
    tail: bytes = b""
    on_progress: OnProgress | None = None
    before_bytes: int = 0  # bytes of the file that were sent before
    total_bytes: int | None = None  # of the whole file
    _sent: int = field(default=0, init=False)

    @property
    def size_bytes(self) -> int | None:
        """The total size; None if unknown."""
        return None if self.file_bytes is None else len(self.head) + self.file_bytes + len(self.tail)

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        self._sent = -len(self.head)
        if self.start is not None:
            self.file.seek(self.start)
        left = self.file_bytes
        if self.head:
            yield self.head
        while left != 0 and (chunk := self.file.read(READ_BYTES if left is None else min(READ_BYTES, left))):
            left = None if left is None else left - len(chunk)
            yield chunk
        if self.tail:
            yield self.tail

    def sent(self, size_bytes: int) -> None:
        """Report the progress."""
        self._sent += size_bytes
        if self.on_progress is not None:
            most = self._sent if self.file_bytes is None else self.file_bytes
            self.on_progress(self.before_bytes + max(min(self._sent, most), 0), self.total_bytes)


@contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Yield an open file; a file that was passed open stays open. Raises OSError."""
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as file:
            yield file
    else:
        yield source


def rest_of(file: BinaryIO) -> tuple[int | None, int | None]:
    """Return a file's position and the number of bytes that follow; None for both if it is a pipe."""
    try:
        start = file.tell()
        size_bytes = file.seek(0, os.SEEK_END) - start
        file.seek(start)
    except (OSError, AttributeError):
        return None, None
    return start, size_bytes


def is_url(source: Any) -> bool:
    """Return whether a source is a URL that the server downloads."""
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def name_of(file: BinaryIO, file_name: str | None) -> str:
    """Return the name for a file."""
    name = getattr(file, "name", "")
    return file_name or (Path(name).name if isinstance(name, str) else "") or "recording"


def check_options(options: Options) -> dict[str, str | float]:
    """Return the options that are set. Raises TypeError for an unknown one."""
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise TypeError(f"There is no option {', '.join(sorted(unknown))}.")
    return {name: value for name, value in options.items() if value is not None}  # type: ignore[misc]


def form(file: BinaryIO, file_name: str, fields: Mapping[str, str | float], on_progress: OnProgress | None) -> Piece:
    """Return a multipart form with a file."""
    boundary = BOUNDARY + secrets.token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="audio"; filename="{_quoted(file_name)}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    start, size_bytes = rest_of(file)
    tail = f"\r\n--{boundary}--\r\n".encode()
    whole = head.encode("utf-8", "surrogateescape")
    return Piece(file, start, size_bytes, whole, tail, on_progress, total_bytes=size_bytes)


def content_type(body: Piece) -> str:
    """Return the type of a form."""
    boundary = body.tail.decode().strip().removeprefix("--").removesuffix("--")
    return f"multipart/form-data; boundary={boundary}"


def json_body(fields: Mapping[str, Any]) -> bytes:
    """Return a JSON body."""
    return json.dumps(fields).encode()


def _quoted(name: str) -> str:
    """Return a file name as browsers write it into a form."""
    return re.sub(r'["\r\n]', lambda found: f"%{ord(found[0]):02X}", name)
