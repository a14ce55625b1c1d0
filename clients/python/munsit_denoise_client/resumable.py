"""Resumable uploads with tus 1.0.0."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from munsit_denoise_client.calls import Caller, Tries, segment
from munsit_denoise_client.errors import ApiError, ClientError, Conflict, ConnectionLost, UploadMismatch
from munsit_denoise_client.sources import Piece, rest_of
from munsit_denoise_client.types import OnProgress, Uploaded

VERSION = {"Tus-Resumable": "1.0.0"}
CHUNK_BYTES = 8 * 2**20
LOCKED = 423  # the server still waits for the broken connection


@dataclass(frozen=True)
class Sending:
    """The name of an upload, and where its progress is reported."""

    file_name: str
    on_progress: OnProgress | None = None
    on_created: Callable[[str], None] | None = None  # gets the URL with which the upload can be continued later


async def upload(caller: Caller, file: BinaryIO, url: str | None, sending: Sending) -> Uploaded:
    """Send a file, or the rest of it if the URL of an earlier upload is given. Raises ClientError, ValueError."""
    start, size_bytes = rest_of(file)
    if start is None or size_bytes is None:
        raise ValueError("An upload that can go on after a cut needs a file that can go back; a pipe cannot.")
    upload_id = await _create(caller, sending.file_name, size_bytes) if url is None else last_segment(url)
    path = f"/uploads/{segment(upload_id)}"
    if url is None and sending.on_created is not None:
        sending.on_created(caller.url(path))
    offset = 0 if url is None else await _offset(caller, path, size_bytes)
    tries = Tries(caller.patience)
    while offset < size_bytes:
        length = min(CHUNK_BYTES, size_bytes - offset)
        piece = Piece(file, start + offset, length, b"", b"", sending.on_progress, offset, size_bytes)
        before = offset
        try:
            offset = await _send(caller, path, piece)
        except ClientError as error:
            await caller.io.sleep(tries.pause_s(_passing(error)))
            offset = await _offset(caller, path, size_bytes)
        if offset > before:
            tries.reset()
    return Uploaded(upload_id, caller.url(path))


async def _create(caller: Caller, file_name: str, size_bytes: int) -> str:
    """Return the id of a new upload: the last part of its URL, so that the key is sent only to this server."""
    name = b64encode(file_name.encode("utf-8", "surrogateescape")).decode()
    headers = {**VERSION, "Upload-Length": str(size_bytes), "Upload-Metadata": f"filename {name}"}
    reply = await caller.ask(caller.call("POST", "/uploads", headers=headers))
    upload_id = last_segment(reply.headers.get("location", ""))
    if not upload_id:
        raise ConnectionLost("The server did not say where the upload is.")
    return upload_id


async def _offset(caller: Caller, path: str, size_bytes: int) -> int:
    """Return the number of bytes that the server has. Raises UploadMismatch."""
    reply = await caller.ask(caller.call("HEAD", path, headers=VERSION))
    if reply.headers.get("upload-length", str(size_bytes)) != str(size_bytes):
        raise UploadMismatch(f"The upload is of a file of {reply.headers['upload-length']} bytes, not {size_bytes}.")
    return int(reply.headers["upload-offset"])


async def _send(caller: Caller, path: str, piece: Piece) -> int:
    """Send the bytes at an offset; return the new offset."""
    headers = {
        **VERSION,
        "Upload-Offset": str(piece.before_bytes),
        "Content-Type": "application/offset+octet-stream",
    }
    reply = await caller.once(caller.call("PATCH", path, headers=headers, body=piece))
    return int(reply.headers["upload-offset"])


def last_segment(url: str) -> str:
    """Return the last part of a URL's path."""
    return url.partition("?")[0].rstrip("/").rpartition("/")[2]


def _passing(error: ClientError) -> ClientError:
    """Return an error that is retried, if only the offset has to be requested again."""
    if isinstance(error, Conflict) or (isinstance(error, ApiError) and error.status == LOCKED):
        return ConnectionLost(str(error))
    return error
