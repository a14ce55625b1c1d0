"""The console at `/`: static files, all from this host, under a strict Content-Security-Policy."""

import os
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from munsit_denoise.errors import InvalidKey, TooManyRequests
from munsit_denoise.routes.auth import identify
from munsit_denoise.routes.language import in_language
from munsit_denoise.routes.limits import headers_of
from munsit_denoise.routes.state import services_of

FOLDER = Path(__file__).parent.parent / "console"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Cache-Control": "private, no-cache",  # asked again each time and answered with a 304: a new version shows at once
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
}

PRIVATE = {"Cache-Control": "private, no-cache"}


async def page(_: Request) -> Response:
    """Answer with the page, which fetches its data with the visitor's key."""
    return FileResponse(FOLDER / "index.html", headers=HEADERS)


async def key(request: Request) -> Response:
    """Answer what the visitor's key may do, and which qualities there are, the usual one first.

    A wrong key gets a 200 too: browsers log any other status as an error.
    """
    try:
        scope = (await identify(request)).scope
    except InvalidKey:
        return JSONResponse({"scope": None}, headers=PRIVATE)
    except TooManyRequests as error:
        sentence, headers = in_language(request, error.message, headers_of(error))
        return JSONResponse({"errorMessage": sentence}, status_code=429, headers={**headers, **PRIVATE})
    found = services_of(request).submission.qualities.offered
    return JSONResponse({"scope": scope, "qualities": found}, headers=PRIVATE)


class _Files(StaticFiles):
    """The library's static files, under the console's policy."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response


routes = [  # pages, not part of the API
    Route("/", page, include_in_schema=False),
    Route("/console/key", key, include_in_schema=False),
    Mount("/console", GZipMiddleware(_Files(directory=FOLDER))),
]
