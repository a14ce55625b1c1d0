"""The log of webhook deliveries, and retries."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from munsit_denoise.jobs.delivery_log import BATCH, Logged
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.munsit.paging import LARGEST, joined, page_of
from munsit_denoise.routes.munsit.wire import timestamp
from munsit_denoise.routes.state import services_of


async def deliveries(request: Request) -> Response:
    """GET /webhooks/deliveries: a page of the log, newest first, or all of it."""
    user_id = await authenticate(request)
    offset, asked = page_of(request)
    limit = asked or LARGEST
    batches = _encoded(services_of(request).deliveries.batches(user_id, offset, limit))
    first = await anext(batches)  # raises errors before the answer starts
    if limit <= BATCH:
        return Response(first, media_type="application/json")
    return StreamingResponse(joined(first, batches), media_type="application/json")


async def tell_again(request: Request) -> Response:
    """POST /webhooks/deliveries/{id}/retry: send a delivery again now."""
    user_id = await authenticate(request)
    again = await services_of(request).deliveries.tell_again(user_id, request.path_params["delivery_id"])
    return JSONResponse(_entry(again), status_code=202)


async def _encoded(batches: AsyncIterator[Sequence[Logged]]) -> AsyncIterator[bytes]:
    first = True
    async for batch in batches:
        if batch or first:
            yield orjson.dumps([_entry(each) for each in batch])
        first = False


def _entry(logged: Logged) -> dict[str, Any]:
    return {
        "id": logged.id,
        "denoise_id": logged.job_id,
        "url": logged.url,
        "status": logged.status,
        "tries": logged.attempts,
        "last_status_code": logged.last_status,
        "last_error": logged.error,
        "next_try_at": None if logged.next_try_at_us is None else timestamp(logged.next_try_at_us),
    }


routes = [
    Route("/webhooks/deliveries", deliveries, methods=["GET"]),
    Route("/webhooks/deliveries/{delivery_id}/retry", tell_again, methods=["POST"]),
]
