"""Munsit's endpoints, and what stands beside them."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import Options, Origin, terminal_event
from munsit_denoise.routes.auth import authenticate, identify
from munsit_denoise.routes.munsit import admin, history, records, usage, webhooks
from munsit_denoise.routes.munsit.errors import handlers
from munsit_denoise.routes.munsit.wire import accepted, frame
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.streams import EventStream, ended
from munsit_denoise.routes.uploads import expected_bytes, receive_file

FIELDS = ("audio", "file")


async def submit(request: Request) -> Response:
    """POST /denoise: take a recording in."""
    user_id = await authenticate(request)
    services = services_of(request)

    async def receive(path: Path) -> Received:
        return await receive_file(request, path, FIELDS, services.submission.limits)

    try:
        with services.admission.job(user_id, expected_bytes(request, services.submission.limits)):
            record = await services.submission.submit(user_id, Origin.MUNSIT, Options(extension="wav"), receive)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    return JSONResponse(accepted(record))


async def progress(request: Request) -> Response:
    """GET /denoise/{denoiseId}/progress: the job's events until it ends."""
    identity, job_id = await identify(request), request.path_params["denoise_id"]
    services, base = services_of(request), base_url(request)
    record = await services.history.get(identity.user_id, job_id)  # unknown: a 404 before the stream begins
    end = terminal_event(record)
    if end is not None:
        return ended(frame(end, base))

    def encode(told: Told) -> bytes:
        return told.encoded(("munsit", base), lambda event: frame(event, base))

    return EventStream(services.watchers.listen(job_id, identity.key_id), encode)


def create_munsit() -> Starlette:
    """Return the dialect as an app of its own, to be mounted."""
    routes = [
        Route("/denoise", submit, methods=["POST"]),
        Route("/denoise/{denoise_id}/progress", progress, methods=["GET"]),
        *webhooks.routes,
        *admin.routes,
        *history.routes,
        *records.routes,
        *usage.routes,
    ]
    return Starlette(routes=routes, exception_handlers=handlers)
