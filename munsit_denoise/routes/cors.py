"""Which other origins may call this server, and what they may read of its answers."""

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
MAX_AGE_S = 600  # how long a browser may cache a preflight answer


def allow_origins(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return an app that these origins may call, `*` for any; without origins, the app itself."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS,
        allow_headers=ASKED,
        expose_headers=(*TOLD, *TUS_TOLD),
        allow_private_network=True,  # the origins are named explicitly, so they are trusted on any network
        max_age=MAX_AGE_S,
    )
