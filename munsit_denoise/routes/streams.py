"""Server-Sent Events."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress

import anyio
from sse_starlette import ServerSentEvent
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from munsit_denoise.errors import InvalidKey
from munsit_denoise.jobs.listeners import Listener
from munsit_denoise.jobs.watch import Told

PING = ServerSentEvent(comment="ping", sep="\n").encode()
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "Connection": "keep-alive",
    "X-Accel-Buffering": "no",
}
NO_MORE: Mapping[str, str] = {}
LAST: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def ended(frame: bytes, more_headers: Mapping[str, str]) -> Response:
    """Return the whole stream of what has ended already: one frame."""
    return Response(frame, headers={**HEADERS, **more_headers})


class EventStream(Response):
    """A job's events as frames, with comments while nothing happens, until the job ends or the client leaves.

    The library's response runs four tasks per client: for frames, comments, server stop and disconnect. Here, one clock
    and one bell serve all clients for comments and server stop. The request's own task waits for the disconnect and is
    never cancelled, because a cancellation takes as long as sending a frame.
    """

    def __init__(
        self,
        listen: AbstractContextManager[Listener],
        encode: Callable[[Told], bytes],
        more_headers: Mapping[str, str] = NO_MORE,
    ) -> None:
        super().__init__(headers={**HEADERS, **more_headers})
        del self.headers["content-length"]
        self._listen, self._encode, self._is_sent = listen, encode, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; it also ends normally if the client's key is revoked.

        Raises TooManyStreams before anything is sent.
        """
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send(LAST)
            return
        with self._listen as listener:
            await send(start)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_all, listener, send)
                while (await receive())["type"] != "http.disconnect":  # it follows the last message as well
                    pass
                if not self._is_sent:
                    tasks.cancel_scope.cancel()

    async def _send_all(self, listener: Listener, send: Send) -> None:
        with suppress(InvalidKey):
            await self._send_frames(listener, send)
        self._is_sent = True
        await send(LAST)

    async def _send_frames(self, listener: Listener, send: Send) -> None:
        sent = b""
        async for told in listener:
            frame = PING if told is None else self._encode(told)
            if told is None or frame != sent:  # a better place in the queue looks the same in this dialect
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            if told is not None:
                sent = frame
                if told.is_end:
                    return
