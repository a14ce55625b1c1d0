"""Downloads of recordings and results; the secret in the path replaces a key."""

import os
import re
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, MalformedRangeHeader, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from munsit_denoise.jobs.history import StoredFile
from munsit_denoise.jobs.intake import track_of
from munsit_denoise.media.types import media_type
from munsit_denoise.records import DenoiseRecord
from munsit_denoise.routes.etags import knows
from munsit_denoise.routes.state import services_of

NAME = re.compile(r"([0-9a-f]{32})_(denoised|original)\.([a-z0-9]{1,16})", re.ASCII)
UNKNOWN = "bin"  # the extension of an original that is still being downloaded
READ_BYTES = 2**18  # each read is a call into a thread
HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "Referrer-Policy": "no-referrer",
}


def original_path(record: DenoiseRecord) -> str:
    """Return the download path of a record's original."""
    return original_path_of(record.user_id, record.secret, record.audio_format)


def result_path(record: DenoiseRecord) -> str:
    """Return the download path of a record's result, once there is one."""
    return result_path_of(record.user_id, record.secret, record.options.extension)


def original_path_of(user_id: str, secret: str, audio_format: str) -> str:
    """Return the download path of an original, from a record's values."""
    return f"/denoising/{user_id}/{secret}_original.{audio_format or UNKNOWN}"


def result_path_of(user_id: str, secret: str, extension: str | None) -> str:
    """Return the download path of a result, from a record's values."""
    return f"/denoising/{user_id}/{secret}_denoised.{extension}"


async def download(request: Request) -> Response:
    """Answer with a file or ranges of it; 404 for a path without a file."""
    match = NAME.fullmatch(request.path_params["name"])
    record = await services_of(request).history.by_secret(match[1]) if match else None
    if match is None or record is None or record.user_id != request.path_params["user_id"]:
        return not_found()
    stem = f"{stem_of(record)}_{match[2]}"
    if match[2] == "denoised":
        return await send_file(request, record, record.result_key, stem, (match[3], record.options.extension))
    asked = record.audio_format if match[3] == UNKNOWN else match[3]  # the link from before the download still works
    return await send_file(request, record, record.original_key, stem, (asked, record.audio_format))


async def send_file(
    request: Request, record: DenoiseRecord, key: str | None, stem: str, extensions: tuple[str, str | None]
) -> Response:
    """Answer with a file of a record, under the name of the original; the requested extension must be the right one.

    410 if it was deleted or has expired, 404 if it does not exist.
    """
    asked, true = extensions
    gone_at_us = record.original_gone_at_us if key == record.original_key else record.result_gone_at_us
    if record.deleted_at_us is not None or gone_at_us is not None:
        return PlainTextResponse("Gone", status_code=410)
    if key is None or asked != true:
        return not_found()
    file = await services_of(request).history.file(key)
    if file is None:
        return not_found()
    if services_of(request).settings.downloads == "presigned" and (link := await file.link()) is not None:
        return RedirectResponse(link, status_code=307, headers={"Referrer-Policy": "no-referrer"})
    answer = _StoredFile(
        file,
        headers=HEADERS,
        media_type=media_type(asked, has_picture=_has_picture(record)),
        filename=f"{stem}.{asked}",
    )
    return not_modified(answer) if knows(request, answer.headers["etag"]) else answer


def not_modified(answer: Response) -> Response:
    """Return the answer to a client that has the file: without it, with what caches need (RFC 9110, 15.4.5)."""
    kept = {name: answer.headers[name] for name in ("etag", "cache-control") if name in answer.headers}
    return Response(status_code=304, headers=kept)


def _has_picture(record: DenoiseRecord) -> bool:
    """Return False if a recording is known to have no picture."""
    track = track_of(record.track)
    return track is None or track.has_picture


class _StoredFile(FileResponse):
    """The library's answer with ranges, for a file whose path is not known here."""

    chunk_size = READ_BYTES

    def __init__(self, file: StoredFile, headers: Mapping[str, str], media_type: str, filename: str) -> None:
        self._file = file
        super().__init__(
            "",
            headers=headers,
            media_type=media_type,
            filename=filename,
            stat_result=_stat(file),
            content_disposition_type="inline",
        )

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """Return the ranges; none, and so the whole file, for what is no range of bytes (RFC 9110, 14.2)."""
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:
        async with self._file.open() as reader:
            yield reader


def _stat(file: StoredFile) -> os.stat_result:
    """Return the part of a file's state that the library reads: mode, size and time."""
    times = (file.modified_s,) * 3
    return os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, file.size_bytes, *map(int, times), *times))


def stem_of(record: DenoiseRecord) -> str:
    """Return the client's file name without its extension."""
    return PurePosixPath(record.file_name).stem or "recording"


def not_found() -> Response:
    """Return the answer for an unknown path."""
    return PlainTextResponse("Not Found", status_code=404)


routes = [Route("/denoising/{user_id}/{name}", download, methods=["GET"])]
