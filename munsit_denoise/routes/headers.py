"""What every answer tells a browser: to take it for what it says it is, and to share it with nobody."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_SNIFFING = {"x-content-type-options": "nosniff"}
PRIVATE = "private, no-cache"


class SafeHeaders:
    """Adds the headers to each answer that does not have them, whoever gives it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a socket, whose refusal is an answer as well."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in NO_SNIFFING.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", PRIVATE)
            await send(message)

        await self._app(scope, receive, send_safely)
