"""Health checks for load balancers: liveness and readiness, without key and details."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.jobs.health import LOADING
from munsit_denoise.routes.state import services_of


async def alive(_: Request) -> Response:
    """Answer 200 while the process runs."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Answer 200 if the server accepts and runs jobs, else 503 with the names of the parts that are down."""
    trouble = await services_of(request).health.trouble()
    if trouble == (LOADING,):
        return JSONResponse({"status": "loading"}, status_code=503)
    if trouble:
        return JSONResponse({"status": "unavailable", "down": trouble}, status_code=503)
    return JSONResponse({"status": "ready"})


routes = [Route("/healthz", alive), Route("/readyz", ready)]
