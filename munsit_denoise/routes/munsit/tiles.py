"""Pictures of a job's two sounds; `docs/tiles.md` has the format."""

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.errors import JobNotFound
from munsit_denoise.media.pack import SOUNDS
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.state import services_of

HEADERS = {"Cache-Control": "private, max-age=86400, immutable"}  # a job's pictures never change
NUMBER = re.compile(r"\d{1,6}", re.ASCII)


async def index(request: Request) -> Response:
    """GET /denoise/{denoise_id}/tiles: the list of pictures."""
    user_id = await authenticate(request)
    return JSONResponse(await services_of(request).tiles.index(user_id, request.path_params["denoise_id"]))


async def peaks(request: Request) -> Response:
    """GET /denoise/{denoise_id}/tiles/{sound}/peaks/{level}: pairs of signed bytes."""
    return await _part(request, "peaks", "0", "application/octet-stream")


async def spectrogram(request: Request) -> Response:
    """GET /denoise/{denoise_id}/tiles/{sound}/spectrogram/{level}/{number}.png: a grey image."""
    return await _part(request, "spectrogram", request.path_params["number"], "image/png")


async def _part(request: Request, kind: str, number: str, media_type: str) -> Response:
    user_id = await authenticate(request)
    job_id, sound, level = (request.path_params[name] for name in ("denoise_id", "sound", "level"))
    if sound not in SOUNDS or not NUMBER.fullmatch(level) or not NUMBER.fullmatch(number):
        raise JobNotFound
    body = await services_of(request).tiles.part(user_id, job_id, (sound, kind, int(level), int(number)))
    return Response(body, media_type=media_type, headers=HEADERS)


BASE = "/denoise/{denoise_id}/tiles"
routes = [
    Route(BASE, index, methods=["GET"]),
    Route(BASE + "/{sound}/peaks/{level}", peaks, methods=["GET"]),
    Route(BASE + "/{sound}/spectrogram/{level}/{number}.png", spectrogram, methods=["GET"]),
]
