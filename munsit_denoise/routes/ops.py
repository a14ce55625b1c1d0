"""Health for load balancers: alive, and ready for work. No key, no details."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.jobs.health import LOADING
from munsit_denoise.routes.state import services_of


async def alive(_: Request) -> Response:
    """Answer while the process can."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Answer 200 when uploads are taken and everything that works on them does, else 503 with what does not."""
    trouble = await services_of(request).health.trouble()
    if trouble == (LOADING,):
        return JSONResponse({"status": "loading"}, status_code=503)
    if trouble:
        return JSONResponse({"status": "unavailable", "down": trouble}, status_code=503)
    return JSONResponse({"status": "ready"})


routes = [Route("/healthz", alive), Route("/readyz", ready)]
