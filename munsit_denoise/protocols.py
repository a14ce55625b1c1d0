"""Uvicorn's protocols with deadlines and bounds.

Uvicorn itself waits for ever for the headers of a request, for the rest of a body that was answered before its
end, and for a reader that does not read; and it keeps whatever comes as headers.
"""

import math
import re
from asyncio import BaseTransport, TimerHandle, Transport
from contextlib import suppress
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from munsit_denoise.connections import IdleConnections, ReaderWatch
from munsit_denoise.logs import get_logger

IDLE_TIMEOUT_S = 20  # from the connection, or the answer before, to the end of a request's headers
LINGER_S = 2  # what still comes after a refusal is thrown away for so long, so that the refusal is read
MAX_HEADER_BYTES = 64 * 1024
MAX_HOST_BYTES = 255
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d{0,5})?")
UNAVAILABLE = 503
REFUSAL_HEADERS = {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",
    "connection": "close",
}


class Refused(Exception):
    """A request's headers cannot be taken."""


class PoliteProtocol(ReaderWatch, HttpToolsProtocol):
    """Uvicorn's protocol with deadlines and bounds."""

    waiting: IdleConnections  # set by `polite`

    _idle_timer: TimerHandle | None = None
    _idle_until_s = math.inf  # when a connection that waits has waited long enough
    _header_bytes = 0  # of the request, trailers included
    _unread_bytes = 0  # that came and became neither headers nor body yet
    _refused = False  # nothing that comes is looked at any more
    _stopping = False
    _refusal = (400, "Invalid HTTP request received.")

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to wait for a request, or refuse a connection for which there is no room."""
        super().connection_made(cast(Transport, transport))
        if not self.waiting.make_room(len(self.connections)):
            self._refused = True
            self._answer(UNAVAILABLE, "The server has too many connections. Please try again in a moment.")
            self.transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything."""
        self._stop_waiting()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once, whatever has not been written yet."""
        self._stop_waiting()
        self.transport.abort()

    # A request that comes in

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the connection has been refused."""
        if self._refused:
            return
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > MAX_HEADER_BYTES and not self._refused and self.parser is not None:
            self._refusal = _too_long()
            self.send_400_response(self._refusal[1])

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request's target with its headers."""
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, a trailer as well, and look at what names the host."""
        self._count_header(len(name) + len(value) + 4)
        if len(name) == 4 and name.lower() == b"host" and (len(value) > MAX_HOST_BYTES or not HOST.fullmatch(value)):
            self._refusal = (400, "The Host header names no host.")
            raise Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop waiting: the request is served now."""
        self._unread_bytes = 0
        self._stop_waiting()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            _keep_the_rest(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._unread_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the connection to close: no longer than for the first."""
        super().on_response_complete()
        if self._stopping:
            self._linger()
        elif self.cycle is None or self.cycle.response_complete:
            self._wait()

    def shutdown(self) -> None:
        """Close, once a running request is answered; one whose body still comes is to read its answer, too."""
        self._stopping = self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body
        if not self._stopping:
            super().shutdown()

    def _count_header(self, size_bytes: int) -> None:
        self._header_bytes += size_bytes
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refusal = _too_long()
            raise Refused

    # Refusals

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; in the middle of an answer, break it off."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refused = True
            self.drop()
        else:
            self._refuse(*self._refusal)

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer and close."""
        self._answer(status, sentence)
        self._linger()

    def _linger(self) -> None:
        """Throw away for a moment what still comes: closing at once would take the answer back."""
        self._refused = True
        with suppress(NotImplementedError, OSError):
            self.transport.write_eof()
        self._stop_waiting()
        self.loop.call_later(LINGER_S, self.drop)

    def _answer(self, status: int, sentence: str) -> None:
        get_logger().info("request refused", status=status, client=str(self.client and self.client[0]), reason=sentence)
        headers = REFUSAL_HEADERS | {"content-length": str(len(sentence))}
        if status == UNAVAILABLE:
            headers["retry-after"] = "5"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + f"{lines}\r\n{sentence}".encode())

    # Time

    def _wait(self) -> None:
        self.waiting.add(self, self.client[0] if self.client else "")
        self._idle_until_s = self.loop.time() + IDLE_TIMEOUT_S
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(IDLE_TIMEOUT_S, self._look_idle)

    def _look_idle(self) -> None:
        """Close a connection that has waited long enough; the clock of one that was used meanwhile goes on."""
        self._idle_timer = None
        left_s = self._idle_until_s - self.loop.time()
        if left_s <= 0:
            self.drop()
        elif left_s < math.inf:
            self._idle_timer = self.loop.call_later(left_s, self._look_idle)

    def _stop_waiting(self) -> None:
        self.waiting.discard(self)
        self._idle_until_s = math.inf


def _keep_the_rest(cycle: RequestResponseCycle) -> None:
    """Let a request have what came of its body before its client went; uvicorn throws that away."""
    receive = cycle.receive

    async def receive_all() -> Any:
        message = await receive()
        if message["type"] == "http.disconnect" and cycle.body and not cycle.response_complete:
            body, cycle.body = bytes(cycle.body), bytearray()
            return {"type": "http.request", "body": body, "more_body": True}  # that the client went comes next
        return message

    cycle.receive = receive_all  # type: ignore[method-assign]


def _too_long() -> tuple[int, str]:
    return 431, f"The headers of the request are longer than {MAX_HEADER_BYTES // 1024} KiB."


def polite(waiting: IdleConnections) -> type[PoliteProtocol]:
    """Return the protocol of a server whose idle connections are kept there."""
    return type("ServerProtocol", (PoliteProtocol,), {"waiting": waiting})


class QuietSocketProtocol(ReaderWatch, WebSocketsSansIOProtocol):
    """Closes a socket whose client sends text that is none (RFC 6455: 1007); uvicorn itself logs a traceback."""

    def send_receive_event_to_app(self) -> None:
        """Hand a message on."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
