"""The report of a job."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.state import services_of


async def report(request: Request) -> Response:
    """GET /denoise/{denoise_id}/report: measurements of a result; 404 before there is one, 410 after its deletion."""
    user_id = await authenticate(request)
    return JSONResponse(await services_of(request).reports.report(user_id, request.path_params["denoise_id"]))


routes = [Route("/denoise/{denoise_id}/report", report, methods=["GET"])]
