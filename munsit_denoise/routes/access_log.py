"""Logs and counts each request without secrets; streams and sockets at their end."""

import json
import re
import secrets
import time
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from munsit_denoise.logs import get_writer, remember
from munsit_denoise.metrics import Metrics
from munsit_denoise.redaction import clean_text, safe_path
from munsit_denoise.routes.names import RouteNames

HEADER = b"x-request-id"
SANE_ID = re.compile(rb"(?!mds_|whsec_)[\x21-\x7e]{1,64}")  # visible ASCII, and no key that was put there by mistake
HARMLESS = re.compile(rb"(?:\A|&)((?:offset|limit|status|outputExt|inputExt)=[\w.-]{0,20})(?=&|\Z)")
SWITCHED, FORBIDDEN, CLIENT_LEFT, BROKEN = 101, 403, 499, 500
MESSAGES = ("errorMessage", "detail", "message", "error", "status")  # where the dialects have the message
LONGEST_ADDRESS = 64
LONGEST_BODY = 4096  # of an answer that is parsed for its message


class AccessLog:
    """An ASGI app around another one; it observes messages and only adds `X-Request-ID`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, names: RouteNames) -> None:
        self._app, self._metrics, self._names = app, metrics, names
        self._info, self._warning = get_writer("info"), get_writer("warning")
        self._beginning, self._numbers = secrets.token_hex(4), count(1)  # of the request ids of this process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, and log it when it is over."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(send, self._metrics, self._id_of(scope))
        remember(request_id=exchange.request_id)
        try:
            await self._app(scope, receive, exchange.send)
        except Exception as error:
            exchange.break_off(error)
            raise
        finally:
            self._tell(scope, exchange)

    def _id_of(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == HEADER and SANE_ID.fullmatch(value):
                return bytes(value).decode()
        return f"{self._beginning}{next(self._numbers):08x}"

    def _tell(self, scope: Scope, exchange: "_Exchange") -> None:
        exchange.end()
        path, status = scope["path"], exchange.status
        method = scope.get("method", "WEBSOCKET")
        long_lived, route = exchange.listening is not None, self._names.of(path)
        self._metrics.count_request(method, route, status, None if long_lived else exchange.seconds)
        fields = {
            "event": exchange.listening or "request",
            "method": method,
            "path": path if path == route else safe_path(path),
            "status": status,
            "seconds": round(exchange.seconds, 4),
            "bytes": exchange.sent_bytes,
            "client": _address(scope["client"][0]) if scope.get("client") else "",
        }
        if scope["query_string"]:
            fields["query"] = b"&".join(HARMLESS.findall(scope["query_string"])).decode()
        if long_lived:
            fields["events"] = exchange.events
        if exchange.reason:
            fields["reason"] = exchange.reason
        (self._warning if status >= BROKEN else self._info)(fields)


class _Exchange:
    """What is known of one request, from the messages that pass."""

    __slots__ = (
        "_began_s",
        "_metrics",
        "_send",
        "events",
        "listening",
        "reason",
        "request_id",
        "seconds",
        "sent_bytes",
        "status",
    )

    def __init__(self, send: Send, metrics: Metrics, request_id: str) -> None:
        self._send, self._metrics, self._began_s = send, metrics, time.perf_counter()
        self.request_id = request_id
        self.status = self.sent_bytes = self.events = 0
        self.seconds = 0.0
        self.reason = ""
        self.listening: str | None = None  # `stream` or `socket`, if it is one

    async def send(self, message: Message) -> None:
        """Observe a message and pass it on."""
        kind = message["type"]
        if kind == "http.response.body" or kind == "websocket.http.response.body":
            self._look_at(message.get("body", b""))
        elif kind == "websocket.send":
            self.events += 1
            self.sent_bytes += len(message.get("text") or message.get("bytes") or "")
        elif kind == "http.response.start" or kind == "websocket.http.response.start":
            message = self._begin(message, message["status"])
            if _is_stream(message["headers"]):
                self._listen("stream")
        elif kind == "websocket.accept":
            message = self._begin(message, SWITCHED)
            self._listen("socket")
        elif kind == "websocket.close" and not self.status:
            self.status = FORBIDDEN
        await self._send(message)

    def break_off(self, error: Exception) -> None:
        """Note the error of an answer that failed."""
        self.status, self.reason = BROKEN, f"the server broke on it: {type(error).__name__}"

    def end(self) -> None:
        """Note the end of the exchange."""
        self.seconds = time.perf_counter() - self._began_s
        if self.listening:
            (self._metrics.streams if self.listening == "stream" else self._metrics.sockets).dec()
        if not self.status:
            self.status, self.reason = CLIENT_LEFT, "nobody was there for an answer"
        elif self.status >= 400 and not self.reason:
            self.reason = _phrase(self.status)

    def _begin(self, message: Message, status: int) -> Message:
        self.status = status
        headers = [*message.get("headers", ()), (HEADER, self.request_id.encode())]  # the list may be shared
        return {**message, "headers": headers}

    def _listen(self, kind: str) -> None:
        self.listening = kind
        (self._metrics.streams if kind == "stream" else self._metrics.sockets).inc()

    def _look_at(self, body: Any) -> None:
        self.sent_bytes += len(body)
        if self.listening:
            self.events += body.startswith(b"data:") + body.count(b"\ndata:")
        elif self.status >= 400 and body and not self.reason:
            self.reason = _sentence(bytes(body[:LONGEST_BODY]))


@lru_cache(maxsize=1024)
def _address(client: str) -> str:
    """Return a client's address, as a trusted proxy reports it."""
    return clean_text(client, LONGEST_ADDRESS)


def _is_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    for name, value in headers:
        if name == b"content-type":
            return value.startswith(b"text/event-stream")
    return False


def _sentence(body: bytes) -> str:
    """Return the message of a refusal."""
    text = body.decode(errors="replace")
    try:
        told = json.loads(text)
    except ValueError:
        return text
    found = [str(told[name]) for name in MESSAGES if told.get(name)] if isinstance(told, dict) else []
    return found[0] if found else text


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
