"""Which pages of other origins may call this server, and what of an answer they may read."""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS")
TUS_BOTH = (
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Defer-Length",
    "Upload-Concat",
)
ASKED = ("x-api-key", "Content-Type", "Idempotency-Key", "X-HTTP-Method-Override", "X-Requested-With", *TUS_BOTH)
TOLD = ("Link", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "Idempotent-Replayed")
TUS_TOLD = (*TUS_BOTH, "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Upload-Expires")
MAX_AGE_S = 600  # for which a browser need not ask again


def allow_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return an app that pages of these origins may call, `*` being any; itself when there are none."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=ASKED,
        expose_headers=(*TOLD, *TUS_TOLD),
        allow_private_network=True,  # who names an origin means it, wherever this server stands
        max_age=MAX_AGE_S,
    )
