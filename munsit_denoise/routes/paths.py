"""Paths as the routes know them, whatever slashes a client has added."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

BASES = ("/api/v1/", "/v1/")  # of the dialects; they answer for these paths themselves
SLASHES = re.compile("/{2,}")


def plain_path(path: str) -> str:
    """Return a path with single slashes and without one at its end.

    Clients join a base URL with a final slash and a path with a leading one.
    """
    if "//" in path:
        path = SLASHES.sub("/", path)
    return path[:-1] if path.endswith("/") and len(path) > 1 and path not in BASES else path


class PlainPaths:
    """Gives the app plain paths; a redirect instead would send a key and a body twice, and name an internal address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its plain path."""
        if scope["type"] in ("http", "websocket") and (path := plain_path(scope["path"])) != scope["path"]:
            scope = dict(scope) | {"path": path}
        await self.app(scope, receive, send)
