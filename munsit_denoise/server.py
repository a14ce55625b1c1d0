"""The HTTP server: uvicorn that lets streams end before it waits for them, and whose connections have deadlines."""

import signal
import socket
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from munsit_denoise.app import create_app
from munsit_denoise.connections import Waiting
from munsit_denoise.protocols import QuietSocketProtocol, polite
from munsit_denoise.settings import Settings

WS_MESSAGE_BYTES = 64 * 1024  # of a client, which has nothing to say
WS_PING_S = 20  # protocol pings: a client that answers none is dropped
LEVELS = {"warning": "warning", "error": "error"}  # at debug its socket protocol prints keys
GRACE_S = 5  # how long shutdown waits for open connections


class Server(uvicorn.Server):
    """Uvicorn runs the lifespan's end only after open connections are gone, so streams must end before."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop in order; a second Ctrl-C stops at once. The signal is not raised again: the exit code is 0."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the app to stop, then shut down as usual."""
        stop: Any = getattr(self._app.state, "stop", None)
        if stop is not None:
            stop()
        await super().shutdown(sockets)


def create_server(settings: Settings) -> Server:
    """Return a server for these settings, ready to `run`."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=polite(Waiting(settings.trusted_proxies, settings.max_idle_connections_per_address)),
        ws=QuietSocketProtocol,
        ws_max_size=WS_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=WS_PING_S,
        ws_ping_timeout=WS_PING_S,
        lifespan="on",
        log_level=LEVELS.get(settings.log_level, "info"),
        log_config=None,
        access_log=False,  # download paths hold secrets; `routes/access.py` tells of each request
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config, app)
