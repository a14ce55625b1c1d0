"""Health for load balancers: alive, and ready for work. No key, no details."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.errors import DenoiseError
from munsit_denoise.routes.state import services_of


async def alive(_: Request) -> Response:
    """Answer while the process can."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Answer 200 when uploads are taken and the model runs, else 503."""
    services = services_of(request)
    try:
        services.denoise.admission.check_room()
        await services.denoise.records.get("")
    except DenoiseError:
        return JSONResponse({"status": "unavailable"}, status_code=503)
    if not services.model_ready:
        return JSONResponse({"status": "loading"}, status_code=503)
    return JSONResponse({"status": "ready"})


routes = [Route("/healthz", alive), Route("/readyz", ready)]
