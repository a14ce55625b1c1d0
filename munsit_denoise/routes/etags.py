"""Entity tags: a 304 instead of bytes that the client has already (RFC 9110, 13.1.2)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response


@dataclass(frozen=True)
class Tagged:
    """A body and its strong entity tag."""

    body: bytes
    tag: str


def tagged(body: bytes) -> Tagged:
    """Return a body with a tag derived from its bytes."""
    return Tagged(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def json_unless_known(request: Request, page: Tagged, more_headers: Mapping[str, str] | None = None) -> Response:
    """Return a body of JSON, or a 304 if the client has it."""
    headers = {"ETag": page.tag, **(more_headers or {})}
    if knows(request, page.tag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, media_type="application/json", headers=headers)


def knows(request: Request, tag: str) -> bool:
    """Say whether a client has what it asks for, by `If-None-Match`."""
    known = [item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]
