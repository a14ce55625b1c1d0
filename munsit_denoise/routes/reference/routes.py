"""/openapi.json and /docs, which describe the API for programs and people; they need no key."""

from functools import lru_cache
from importlib import resources
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from munsit_denoise.routes.audo.reference import AUDO
from munsit_denoise.routes.munsit.reference import MUNSIT
from munsit_denoise.routes.reference.document import build_document
from munsit_denoise.routes.reference.page import render
from munsit_denoise.routes.reference.plain import PLAIN
from munsit_denoise.routes.state import base_url

POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


async def openapi(request: Request) -> Response:
    """GET /openapi.json: the document, with the base URL of the request."""
    return Response(orjson.dumps(_document(request)), media_type="application/json")


async def docs(request: Request) -> Response:
    """GET /docs: the document as a page."""
    return HTMLResponse(render(_document(request)), headers=POLICY)


async def style(_: Request) -> Response:
    """GET /docs/style.css: the page's style."""
    text = resources.files("munsit_denoise.routes.reference").joinpath("style.css").read_text("utf-8")
    return Response(text, media_type="text/css")


def _document(request: Request) -> dict[str, Any]:
    return _built(request.app) | {"servers": [{"url": base_url(request)}]}


@lru_cache(maxsize=4)
def _built(app: Starlette) -> dict[str, Any]:
    return build_document(app.routes, (MUNSIT, AUDO, PLAIN))


routes = [Route("/openapi.json", openapi), Route("/docs", docs), Route("/docs/style.css", style)]
