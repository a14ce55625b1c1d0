"""The HTTP server: uvicorn with connection deadlines, which ends streams before it waits for connections."""

import signal
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from munsit_denoise.app import create_app
from munsit_denoise.connections import IdleConnections
from munsit_denoise.protocols import QuietSocketProtocol, polite
from munsit_denoise.settings import Settings

WS_MESSAGE_BYTES = 64 * 1024  # from a client, which has nothing to send
WS_PING_S = 20  # protocol pings: a client that does not answer is dropped
LEVELS = {"warning": "warning", "error": "error"}  # at debug, its socket protocol prints keys
BACKLOG = 2**16  # connections that wait to be accepted; the system allows fewer: net.core.somaxconn
GRACE_S = 5  # how long a shutdown waits for open connections


OnReady = Callable[[], Awaitable[None]]


class Server(uvicorn.Server):
    """Uvicorn ends the lifespan only after all connections are closed, so streams must end before that."""

    def __init__(self, config: uvicorn.Config, app: Starlette, on_ready: OnReady | None = None) -> None:
        super().__init__(config)
        self._app, self._on_ready = app, on_ready
        self.failure: Exception | None = None  # why the server stopped by itself
        app.state.give_up = self.give_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as usual; `on_ready` is awaited when all runs, before the first connection is accepted."""
        start_app = self.lifespan.startup

        async def start_and_tell() -> None:
            await start_app()
            if not self.lifespan.should_exit:
                await self._tell()

        self.lifespan.startup = start_and_tell
        try:
            await super().startup(sockets)
        except SystemExit:  # the start failed: the caller reads `failure`
            if self.failure is None:
                raise

    async def _tell(self) -> None:
        """Await `on_ready`; if that fails, stop the server normally."""
        try:
            if self._on_ready is not None:
                await self._on_ready()
        except Exception as error:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """Stop normally; `failure` is the reason."""
        self.failure, self.should_exit = self.failure or error, True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop normally, or at once on a second Ctrl-C. The signal is not raised again, so the exit code is 0."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the app to stop, then shut down as usual."""
        stop: Any = getattr(self._app.state, "stop", None)
        if stop is not None:
            stop()
        await super().shutdown(sockets)


def create_server(settings: Settings, on_ready: OnReady | None = None, *, locked: bool = False) -> Server:
    """Return a server for these settings, ready to `run`.

    `on_ready` is awaited when all runs, before the first connection is accepted; `locked` means that the caller holds
    the lock on the data.
    """
    app = create_app(settings, locked=locked)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=polite(IdleConnections(settings.trusted_proxies, settings.max_idle_connections_per_address)),
        ws=QuietSocketProtocol,
        ws_max_size=WS_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=WS_PING_S,
        ws_ping_timeout=WS_PING_S,
        lifespan="on",
        backlog=BACKLOG,
        log_level=LEVELS.get(settings.log_level, "info"),
        log_config=None,
        access_log=False,  # download paths contain secrets; `routes/access_log.py` logs requests
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return Server(config, app, on_ready)
