"""Server-Sent Events on the wire."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

DRAIN_S = 4  # the library finds out by itself that the server stops, and would break the stream off at once
SEND_TIMEOUT_S = 30  # a reader whose connection takes nothing for so long is dropped
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}


class EventStream(EventSourceResponse):
    """Frames as they come, LF line ends, keep-alive comments in between."""

    def __init__(self, frames: AsyncIterator[bytes], ping_s: float) -> None:
        super().__init__(
            frames,
            headers=HEADERS,
            ping=ping_s,
            sep="\n",
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
            send_timeout=SEND_TIMEOUT_S,
            shutdown_grace_period=DRAIN_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; a reader that stopped reading ends it quietly."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return
