"""Munsit's three endpoints."""

import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from munsit_denoise.errors import DenoiseError, InvalidPage
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.watch import Patience
from munsit_denoise.records import DenoiseRecord, Options, Origin
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.munsit.errors import handlers
from munsit_denoise.routes.munsit.wire import accepted, compact, frame, record_json
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.streams import EventStream
from munsit_denoise.routes.uploads import expected_bytes, receive_file

FIELDS = ("audio", "file")
LARGEST = 2**63 - 1
LARGEST_PAGE = 500  # a longer list is streamed


async def submit(request: Request) -> Response:
    """POST /denoise: take a recording in."""
    user_id = await authenticate(request)
    service = services_of(request).denoise

    async def receive(path: Path) -> Received:
        return await receive_file(request, path, FIELDS, service.limits)

    try:
        with service.admission.job(user_id, expected_bytes(request, service.limits)):
            record = await service.submit(user_id, Origin.MUNSIT, Options(extension="wav"), receive)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody is there to read it
    return JSONResponse(accepted(record))


async def history(request: Request) -> Response:
    """GET /denoise: a page of the history, or all of it."""
    user_id = await authenticate(request)
    offset = _number(request, "offset", 0, "offset must be a non-negative number")
    limit = _number(request, "limit", 1, "limit must be a positive number")
    records, base = services_of(request).denoise.records, base_url(request)
    if limit is not None and limit <= LARGEST_PAGE:
        page = await records.page(user_id, offset or 0, limit)
        return JSONResponse([record_json(record, base) for record in page])
    batches = records.all(user_id, offset or 0, limit or LARGEST)
    first = await anext(batches)  # what can go wrong does so before the answer begins
    return StreamingResponse(_array(first, batches, base), media_type="application/json")


async def progress(request: Request) -> Response:
    """GET /denoise/{denoiseId}/progress: the job's events until it ends."""
    user_id, job_id = await authenticate(request), request.path_params["denoise_id"]
    services = services_of(request)
    await services.denoise.get(user_id, job_id)  # unknown: a 404 before the stream begins
    settings, base = services.settings, base_url(request)
    patience = Patience(settings.sse_recheck_s, settings.sse_idle_timeout_s)

    async def authorise() -> None:
        await authenticate(request)

    async def frames() -> AsyncIterator[bytes]:
        sent = b""
        try:
            async for event in services.denoise.watch(user_id, job_id, authorise, patience):
                message = frame(event, base)
                if message != sent:  # a step forward in the queue is not told
                    yield message
                sent = message
        except DenoiseError:
            return  # the key was revoked, the record went: the stream ends

    return EventStream(frames(), settings.sse_ping_s)


async def _array(
    first: Sequence[DenoiseRecord], batches: AsyncIterator[Sequence[DenoiseRecord]], base: str
) -> AsyncIterator[bytes]:
    yield b"[" + b",".join(compact(record_json(record, base)) for record in first)
    async for batch in batches:
        yield b"".join(b"," + compact(record_json(record, base)) for record in batch)
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
    ]
    return Starlette(routes=routes, exception_handlers=handlers)
