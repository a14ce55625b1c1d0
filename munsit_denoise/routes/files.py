"""Recordings and results for whoever knows their path: the secret stands in it, no key is needed."""

import re
from pathlib import PurePosixPath

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from munsit_denoise.records import DenoiseRecord
from munsit_denoise.routes.state import services_of

NAME = re.compile(r"([0-9a-f]{32})_(denoised|original)\.([a-z0-9]{1,16})", re.ASCII)
MEDIA_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "amr": "audio/amr",
    "wma": "audio/x-ms-wma",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
}
HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "sandbox; default-src 'none'; media-src 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def original_path(record: DenoiseRecord) -> str:
    """Return the path under which a record's upload is fetched."""
    return f"/denoising/{record.user_id}/{record.secret}_original.{record.audio_format}"


def result_path(record: DenoiseRecord) -> str:
    """Return the path under which a record's result is fetched, once there is one."""
    return f"/denoising/{record.user_id}/{record.secret}_denoised.wav"


async def download(request: Request) -> Response:
    """Answer with a file, whole or in ranges; 404 for every path that names none."""
    match = NAME.fullmatch(request.path_params["name"])
    service = services_of(request).denoise
    record = await service.records.get_by_secret(request.path_params["user_id"], match[1]) if match else None
    if match is None or record is None:
        return _not_found()
    wants_result = match[2] == "denoised"
    key = record.result_key if wants_result else record.original_key
    if key is None or match[3] != ("wav" if wants_result else record.audio_format):
        return _not_found()
    path = anyio.Path(service.storage.path(key))
    if not await path.is_file():
        return _not_found()
    stem = PurePosixPath(record.file_name).stem or "recording"
    return FileResponse(
        path,
        headers=HEADERS,
        media_type=MEDIA_TYPES.get(match[3], "application/octet-stream"),
        filename=f"{stem}_{match[2]}.{match[3]}",
        content_disposition_type="inline",
    )


def _not_found() -> Response:
    return PlainTextResponse("Not Found", status_code=404)


routes = [Route("/denoising/{user_id}/{name}", download, methods=["GET"])]
