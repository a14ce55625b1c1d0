"""Munsit's three endpoints."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from munsit_denoise.errors import InvalidPage
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.watch import Told
from munsit_denoise.records import Options, Origin, terminal_event
from munsit_denoise.routes.auth import authenticate, identify
from munsit_denoise.routes.etags import json_unless_known, tagged
from munsit_denoise.routes.munsit import tus
from munsit_denoise.routes.munsit.errors import handlers
from munsit_denoise.routes.munsit.wire import accepted, entries, frame
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.streams import EventStream, ended
from munsit_denoise.routes.uploads import expected_bytes, receive_file

FIELDS = ("audio", "file")
LARGEST = 2**63 - 1
LARGEST_PAGE = 500  # a longer list is streamed


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


async def history(request: Request) -> Response:
    """GET /denoise: a page of the history, or all of it."""
    user_id = await authenticate(request)
    offset = _number(request, "offset", 0, "offset must be a non-negative number") or 0
    limit = _number(request, "limit", 1, "limit must be a positive number") or LARGEST
    past, encode = services_of(request).history, entries(base_url(request))
    if limit <= LARGEST_PAGE:
        page = await past.page(user_id, offset, limit, lambda rows: tagged(encode(rows)))
        return json_unless_known(request, page)
    batches = past.all(user_id, offset, limit, encode)
    first = await anext(batches)  # what can go wrong does so before the answer begins
    return StreamingResponse(_array(first, batches), media_type="application/json")


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


async def _array(first: bytes, batches: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join arrays into one."""
    yield first[:-1]
    async for batch in batches:
        yield b"," + batch[1:-1]
    yield b"]"


def _number(request: Request, name: str, least: int, complaint: str) -> int | None:
    """Return a whole number of the query, None when it is absent. Raises InvalidPage."""
    value = request.query_params.get(name)
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,19}", value, re.ASCII) or not least <= int(value) <= LARGEST:
        raise InvalidPage(complaint)
    return int(value)


def create_munsit() -> Starlette:
    """Return the dialect as an app of its own, to be mounted."""
    routes = [
        Route("/denoise", submit, methods=["POST"]),
        Route("/denoise", history, methods=["GET"]),
        Route("/denoise/{denoise_id}/progress", progress, methods=["GET"]),
        *tus.routes,
    ]
    return Starlette(routes=routes, exception_handlers=handlers)
