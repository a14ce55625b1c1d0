"""Uvicorn's protocols with deadlines and limits.

Uvicorn itself waits without limit for the headers of a request, for the rest of a body after the answer, and for a
client that does not read; and it accepts any amount of headers.
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

IDLE_TIMEOUT_S = 20  # from the connection, or the previous answer, to the end of a request's headers
LINGER_S = 2  # data after a refusal is discarded for this long, so that the client can read the refusal
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
    """The headers of a request are not acceptable."""


class PoliteProtocol(ReaderWatch, HttpToolsProtocol):
    """Uvicorn's HTTP protocol with deadlines and limits."""

    waiting: IdleConnections  # set by `polite`

    _idle_timer: TimerHandle | None = None
    _idle_until_s = math.inf  # when a waiting connection has waited long enough
    _header_bytes = 0  # of the request, including trailers
    _unread_bytes = 0  # received, and not yet parsed as headers or body
    _refused = False  # further data is ignored
    _stopping = False
    _refusal = (400, "Invalid HTTP request received.")

    def connection_made(self, transport: BaseTransport) -> None:
        """Wait for a request, or refuse the connection if there are too many."""
        super().connection_made(cast(Transport, transport))
        if not self.waiting.make_room(len(self.connections)):
            self._refused = True
            self._answer(UNAVAILABLE, "The server has too many connections. Please try again in a moment.")
            self.transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release everything."""
        self._stop_waiting()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once, without sending what is buffered."""
        self._stop_waiting()
        self.transport.abort()

    # Receiving a request

    def data_received(self, data: bytes) -> None:
        """Receive data, unless the connection was refused."""
        if self._refused:
            return
        self._unread_bytes += len(data)
        super().data_received(data)
        if self._unread_bytes > MAX_HEADER_BYTES and not self._refused and self.parser is not None:
            self._refusal = _too_long()
            self.send_400_response(self._refusal[1])

    def on_message_begin(self) -> None:
        """Start to count."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request's target as part of its headers."""
        self._count_header(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header or trailer, and check the host."""
        self._count_header(len(name) + len(value) + 4)
        if len(name) == 4 and name.lower() == b"host" and (len(value) > MAX_HOST_BYTES or not HOST.fullmatch(value)):
            self._refusal = (400, "The Host header names no host.")
            raise Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the deadline, because the request is complete enough to be served."""
        self._unread_bytes = 0
        self._stop_waiting()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            _keep_the_rest(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._unread_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request or for the end of the connection, with the same deadline as for the first."""
        super().on_response_complete()
        if self._stopping:
            self._linger()
        elif self.cycle is None or self.cycle.response_complete:
            self._wait()

    def shutdown(self) -> None:
        """Close after a running request is answered, even if its body is still arriving."""
        self._stopping = self.cycle is not None and not self.cycle.response_complete and self.cycle.more_body
        if not self._stopping:
            super().shutdown()

    def _count_header(self, size_bytes: int) -> None:
        self._header_bytes += size_bytes
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refusal = _too_long()
            raise Refused

    # Refusing a request

    def send_400_response(self, msg: str) -> None:
        """Refuse invalid data; in the middle of an answer, cut the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refused = True
            self.drop()
        else:
            self._refuse(*self._refusal)

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer with an error and close."""
        self._answer(status, sentence)
        self._linger()

    def _linger(self) -> None:
        """Discard further data for a moment, because closing at once would reset the connection and lose the answer."""
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

    # Deadlines

    def _wait(self) -> None:
        self.waiting.add(self, self.client[0] if self.client else "")
        self._idle_until_s = self.loop.time() + IDLE_TIMEOUT_S
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(IDLE_TIMEOUT_S, self._look_idle)

    def _look_idle(self) -> None:
        """Close a connection that has waited long enough; if it was used meanwhile, wait again."""
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
    """Give the request all of the body received before the client left; uvicorn would discard it."""
    receive = cycle.receive

    async def receive_all() -> Any:
        message = await receive()
        if message["type"] == "http.disconnect" and cycle.body and not cycle.response_complete:
            body, cycle.body = bytes(cycle.body), bytearray()
            return {"type": "http.request", "body": body, "more_body": True}  # the disconnect comes next
        return message

    cycle.receive = receive_all  # type: ignore[method-assign]


def _too_long() -> tuple[int, str]:
    return 431, f"The headers of the request are longer than {MAX_HEADER_BYTES // 1024} KiB."


def polite(waiting: IdleConnections) -> type[PoliteProtocol]:
    """Return the protocol class for a server with these idle connections."""
    return type("ServerProtocol", (PoliteProtocol,), {"waiting": waiting})


class QuietSocketProtocol(ReaderWatch, WebSocketsSansIOProtocol):
    """Closes a socket whose client sends invalid UTF-8 (RFC 6455: 1007), for which uvicorn logs a traceback."""

    def send_receive_event_to_app(self) -> None:
        """Pass a message to the app."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
