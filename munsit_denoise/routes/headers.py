"""Headers of every answer: browsers must not guess its type, and caches must not share it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"private, no-cache"))
STARTS = ("http.response.start", "websocket.http.response.start")


class SafeHeaders:
    """Adds the headers to each answer that lacks them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or a socket, whose refusal is an answer too."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] in STARTS:
                headers = list(message.get("headers", ()))
                names = [name.lower() for name, _ in headers]
                message["headers"] = headers + [header for header in HEADERS if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_safely)
