"""One record: read or remove it, or cancel its job."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from munsit_denoise.records import DenoiseRecord
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.language import wording_of
from munsit_denoise.routes.munsit.wire import entry
from munsit_denoise.routes.state import base_url, services_of


async def show(request: Request) -> Response:
    """GET /denoise/{denoise_id}: the record."""
    user_id = await authenticate(request)
    return _answer(request, await services_of(request).history.get(user_id, request.path_params["denoise_id"]))


async def remove(request: Request) -> Response:
    """DELETE /denoise/{denoise_id}: end the job, and remove the record with all its files."""
    user_id = await authenticate(request)
    await services_of(request).removal.remove(user_id, request.path_params["denoise_id"])
    return Response(status_code=204)


async def cancel(request: Request) -> Response:
    """POST /denoise/{denoise_id}/cancel: end the job if it has not ended, and return the record."""
    user_id = await authenticate(request)
    return _answer(request, await services_of(request).cancellation.cancel(user_id, request.path_params["denoise_id"]))


def _answer(request: Request, record: DenoiseRecord) -> Response:
    words = wording_of(request)
    body = entry(record, base_url(request), words)
    return Response(body, media_type="application/json", headers=words.headers)


routes = [
    Route("/denoise/{denoise_id}", show, methods=["GET"]),
    Route("/denoise/{denoise_id}", remove, methods=["DELETE"]),
    Route("/denoise/{denoise_id}/cancel", cancel, methods=["POST"]),
]
