"""The methods that a path allows, over all of its routes (RFC 9110, 10.2.1)."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route

METHOD_NOT_ALLOWED = 405


def headers_of_refusal(request: Request, error: HTTPException) -> dict[str, str]:
    """Return the headers of a refusal; the router knows only the methods of the first route."""
    headers = dict(error.headers or {})
    if error.status_code == METHOD_NOT_ALLOWED and "app" in request.scope:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
    return headers


def _methods(request: Request) -> list[str]:
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.include_in_schema and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
