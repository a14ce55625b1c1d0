"""The residual of a job, by its id."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.residual import send_residual


async def residual(request: Request) -> Response:
    """GET /denoise/{denoise_id}/residual: original minus result; 404 before success, 409 if it cannot be computed."""
    return await send_residual(request, await authenticate(request), request.path_params["denoise_id"])


routes = [Route("/denoise/{denoise_id}/residual", residual, methods=["GET"])]
