"""Munsit's endpoints and their additions."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import terminal_event
from munsit_denoise.routes.auth import identify
from munsit_denoise.routes.language import wording_of
from munsit_denoise.routes.munsit import admin, history, records, report, residual, submit, tiles, tus, usage, webhooks
from munsit_denoise.routes.munsit.errors import handlers
from munsit_denoise.routes.munsit.wire import frame
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.streams import EventStream, ended


async def progress(request: Request) -> Response:
    """GET /denoise/{denoiseId}/progress: the job's events until it ends."""
    identity, job_id = await identify(request), request.path_params["denoise_id"]
    services, base, words = services_of(request), base_url(request), wording_of(request)
    record = await services.history.get(identity.user_id, job_id)  # unknown: a 404 before the stream begins
    end = terminal_event(record)
    if end is not None:
        return ended(frame(end, base, words), words.headers)

    def encode(told: Told) -> bytes:
        return told.encoded(("munsit", base, words), lambda event: frame(event, base, words))

    return EventStream(services.watchers.listen(job_id, identity.key_id), encode, words.headers)


def create_munsit() -> Starlette:
    """Return the dialect as an app to mount."""
    routes = [  # the most used routes first, because they are tried in order
        *history.routes,
        Route("/denoise/{denoise_id}/progress", progress, methods=["GET"]),
        *submit.routes,
        *webhooks.routes,
        *admin.routes,
        *records.routes,
        *report.routes,
        *residual.routes,
        *tiles.routes,
        *usage.routes,
        *tus.routes,
    ]
    return Starlette(routes=routes, exception_handlers=handlers)
