"""A user's usage and remaining minutes."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.state import services_of


async def usage(request: Request) -> Response:
    """GET /usage: the user's jobs by status, minutes and bytes."""
    user_id = await authenticate(request)
    used = await services_of(request).usage.of(user_id)
    body = {
        "user_id": user_id,
        "jobs": used.jobs,
        "minutes_processed": used.minutes_processed,
        "minutes_available": used.minutes_available,
        "bytes_stored": used.stored_bytes,
    }
    return JSONResponse(body)


routes = [Route("/usage", usage, methods=["GET"])]
