"""Reads request bodies, with a minimum rate, until the server stops."""

from collections.abc import AsyncIterator

import anyio
from starlette.requests import ClientDisconnect, Request

from munsit_denoise.errors import InvalidOption, ShuttingDown, UploadTooSlow
from munsit_denoise.routes.state import services_of

PATIENCE_S = 60  # a body must bring ...
PATIENCE_BYTES = 60_000  # ... this much in that time
JSON_TIMEOUT_S = 30  # for all of a small body
STOP_GRACE_S = 2.0  # a body may continue this long after the server starts to stop
LOOK_S = 0.25  # how often waiting for a body checks whether the server stops


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """Yield a body in pieces. Raises ClientDisconnect, UploadTooSlow, ShuttingDown."""
    meter, stop_at_s = _Meter(), None
    while True:
        message = None
        with anyio.move_on_after(min(LOOK_S, PATIENCE_S)):
            message = await request.receive()
        now_s = anyio.current_time()
        if services_of(request).admission.stopping:
            stop_at_s = stop_at_s or now_s + STOP_GRACE_S
            if now_s >= stop_at_s:
                raise ShuttingDown
        if message is not None and message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"") if message is not None else b""
        meter.count(len(chunk), now_s)
        if chunk:
            yield chunk
        if message is not None and not message.get("more_body", False):
            return


async def small_body(request: Request, max_bytes: int) -> bytes:
    """Return a complete body. Raises InvalidOption if it is too large, and what `body_of` raises."""
    body = b""
    try:
        with anyio.fail_after(JSON_TIMEOUT_S):
            async for chunk in body_of(request):
                body += chunk
                if len(body) > max_bytes:
                    raise InvalidOption("The body is too large.")
    except TimeoutError:
        raise UploadTooSlow from None
    return body


class _Meter:
    """Ends bodies that arrive too slowly."""

    def __init__(self) -> None:
        self._since_s, self._bytes = anyio.current_time(), 0

    def count(self, size_bytes: int, now_s: float) -> None:
        self._bytes += size_bytes
        if now_s - self._since_s > PATIENCE_S:
            if self._bytes < PATIENCE_BYTES:
                raise UploadTooSlow
            self._since_s, self._bytes = now_s, 0
