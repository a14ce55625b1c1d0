"""The ASGI app: its routes, and services that live as long as the app."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from munsit_denoise.errors import DenoiseError
from munsit_denoise.metrics import Metrics
from munsit_denoise.routes import console, files, metrics, ops, residual
from munsit_denoise.routes.access_log import AccessLog
from munsit_denoise.routes.audo.routes import create_audo, glued_routes
from munsit_denoise.routes.cors import allow_origins
from munsit_denoise.routes.headers import SafeHeaders
from munsit_denoise.routes.munsit.message import message
from munsit_denoise.routes.munsit.routes import create_munsit
from munsit_denoise.routes.names import RouteNames
from munsit_denoise.routes.paths import PlainPaths
from munsit_denoise.routes.reference import routes as reference
from munsit_denoise.services import Services, open_services
from munsit_denoise.settings import Settings


class LifespanState(TypedDict):
    """What the lifespan passes to every request."""

    services: Services


def create_app(settings: Settings, *, locked: bool = False) -> Starlette:
    """Return the app; its `state.stop` ends streams and jobs and refuses new work.

    If the app cannot continue, it calls `state.give_up` with the reason; a server sets this before it starts. `locked`
    means that the caller holds the lock on the data (see `lock.only_server`).
    """

    measured = Metrics()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[LifespanState]:
        try:
            told = app.state.give_up
            async with open_services(settings, measured, told, write_webhook=message, locked=locked) as services:
                app.state.stop = services.stop
                yield {"services": services}
        except Exception as error:
            app.state.give_up(error)
            raise

    routes = [
        _Mount("/api/v1", create_munsit()),
        _Mount("/v1", create_audo()),
        *glued_routes,
        *residual.routes,
        *files.routes,
        *ops.routes,
        *metrics.routes,
        *reference.routes,
        *console.routes,
    ]
    app = _App(routes=routes, lifespan=lifespan, exception_handlers={DenoiseError: _on_error})
    app.measured, app.origins = measured, settings.cors_from
    app.state.give_up = lambda _: None  # a server sets its own
    return app


class _Mount(Mount):
    """Matches every path below its own, even with a line break, so that the dialect answers for it."""

    def __init__(self, path: str, app: ASGIApp) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)


class _App(Starlette):
    measured: Metrics
    origins: tuple[str, ...]

    def build_middleware_stack(self) -> ASGIApp:
        """Put the security headers around everything, including crash handlers, and the log around them."""
        allowed = allow_origins(PlainPaths(super().build_middleware_stack()), self.origins)
        return AccessLog(SafeHeaders(allowed), self.measured, RouteNames(self.routes))


async def _on_error(_: Request, __: Exception) -> Response:
    return PlainTextResponse("Service Unavailable", status_code=503, headers={"Retry-After": "5"})
